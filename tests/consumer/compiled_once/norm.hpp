// What this project includes instead of <tensornorm/tensornorm.hpp>.
#pragma once

#include <tensornorm/tensornorm.hpp>

extern template struct tensornorm::LayerPasses<float>;
