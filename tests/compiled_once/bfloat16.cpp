#include "compiled_once/passes.hpp"

TENSORNORM_PASSES(template, Eigen::DefaultDevice, Eigen::bfloat16, float);
TENSORNORM_PASSES(template, Eigen::ThreadPoolDevice, Eigen::bfloat16, float);
