#include "compiled_once/passes.hpp"

template struct tensornorm::LayerPasses<double>;
template struct tensornorm::LayerPasses<double, Eigen::ThreadPoolDevice>;
