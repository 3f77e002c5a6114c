// The library's version, and the oldest Eigen it stands on.
//
// All names live in an inline namespace called after the major version, v0: two programs built against different major
// versions can be linked together, and an error names the version it met.
#pragma once

#include <Eigen/Core>

///@{
/// The version, MAJOR.MINOR.PATCH.
#define TENSORNORM_VERSION_MAJOR 0
#define TENSORNORM_VERSION_MINOR 1
#define TENSORNORM_VERSION_PATCH 0
///@}

static_assert(EIGEN_VERSION_AT_LEAST(3, 4, 0), "tensornorm needs Eigen 3.4.0 or newer");
