// Precompiled, and so read by every test file before anything else: Eigen's tensors and doctest, which are slow to
// read, and the passes of all scalars on all devices, which are slow to compile. Each is compiled once, in a file
// beside this.
#pragma once

#include <doctest/doctest.h>

#include <tensornorm/tensornorm.hpp>

#include "consumer/compiled_once/passes.hpp"

TENSORNORM_PASSES(extern template, Eigen::DefaultDevice, float, float);
TENSORNORM_PASSES(extern template, Eigen::DefaultDevice, double, double);
TENSORNORM_PASSES(extern template, Eigen::DefaultDevice, Eigen::half, float);
TENSORNORM_PASSES(extern template, Eigen::DefaultDevice, Eigen::bfloat16, float);
TENSORNORM_PASSES(extern template, Eigen::ThreadPoolDevice, float, float);
TENSORNORM_PASSES(extern template, Eigen::ThreadPoolDevice, double, double);
TENSORNORM_PASSES(extern template, Eigen::ThreadPoolDevice, Eigen::half, float);
TENSORNORM_PASSES(extern template, Eigen::ThreadPoolDevice, Eigen::bfloat16, float);
