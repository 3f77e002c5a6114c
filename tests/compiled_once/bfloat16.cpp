#include "compiled_once/passes.hpp"

template struct tensornorm::LayerPasses<Eigen::bfloat16>;
template struct tensornorm::LayerPasses<Eigen::bfloat16, Eigen::ThreadPoolDevice>;
