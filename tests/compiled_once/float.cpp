#include "compiled_once/passes.hpp"

template struct tensornorm::LayerPasses<float>;
template struct tensornorm::LayerPasses<float, Eigen::ThreadPoolDevice>;
