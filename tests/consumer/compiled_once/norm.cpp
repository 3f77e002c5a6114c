#include "norm.hpp"

TENSORNORM_PASSES(template, Eigen::DefaultDevice, float, float);
