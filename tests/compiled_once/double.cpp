#include "compiled_once/passes.hpp"

TENSORNORM_PASSES(template, Eigen::DefaultDevice, double, double);
TENSORNORM_PASSES(template, Eigen::ThreadPoolDevice, double, double);
