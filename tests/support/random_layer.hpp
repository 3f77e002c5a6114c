// A layer with nothing left at its default but its options.
#pragma once

#include <tensornorm/tensornorm.hpp>

#include "support/random.hpp"

namespace tn_test {

template <typename Layer = tensornorm::BatchNorm2d<>>
Layer random_layer(Index channels = 3, const tensornorm::BatchNormOptions& options = {}) {
  Layer bn(channels, options);
  Random random(3);
  randomise_parameters(random, bn);
  return bn;
}

}  // namespace tn_test
