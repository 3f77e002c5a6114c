#include "compiled_once/passes.hpp"

TENSORNORM_PASSES(template, Eigen::DefaultDevice, float, float);
TENSORNORM_PASSES(template, Eigen::ThreadPoolDevice, float, float);
