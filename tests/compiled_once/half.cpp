#include "compiled_once/passes.hpp"

TENSORNORM_PASSES(template, Eigen::DefaultDevice, Eigen::half, float);
TENSORNORM_PASSES(template, Eigen::ThreadPoolDevice, Eigen::half, float);
