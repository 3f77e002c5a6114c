// What this project includes instead of <tensornorm/tensornorm.hpp>.
#pragma once

#include <tensornorm/tensornorm.hpp>

#include "passes.hpp"

TENSORNORM_PASSES(extern template, Eigen::DefaultDevice, float, float);
