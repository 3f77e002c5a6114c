#include "compiled_once/passes.hpp"

template struct tensornorm::LayerPasses<Eigen::half>;
template struct tensornorm::LayerPasses<Eigen::half, Eigen::ThreadPoolDevice>;
