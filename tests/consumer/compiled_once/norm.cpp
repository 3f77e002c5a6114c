#include "norm.hpp"

template struct tensornorm::LayerPasses<float>;
