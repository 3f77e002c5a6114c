// What the promises about accuracy are tested on: shapes and layouts of every kind, inputs that are hard to get right,
// and layers that show what they computed.
#pragma once

#include <cstdint>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/some_of.hpp"

namespace tn_test {

/// A layer whose running statistics are those of its last batch.
template <typename Scalar>
tensornorm::BatchNorm2d<Scalar> recording_layer(Index channels, int channel_axis, int running_correction = 1) {
  tensornorm::BatchNormOptions options = on_axis(channel_axis);
  options.momentum = 1;
  options.running_correction = running_correction;
  return tensornorm::BatchNorm2d<Scalar>(channels, options);
}

template <typename Layer>
Layer with_random_affine(Layer bn, Random& random) {
  Layer other = bn;
  randomise_parameters(random, other);
  bn.weight() = other.weight();
  bn.bias() = other.bias();
  return bn;
}

/// body(Constant<Order>, dims, axis, random, name) over storage orders, channel axes, shapes and seeds, or
/// some_of.hpp's some: of small_shapes() one in five are still of every order, axis and shape.
template <typename Body>
void for_each_case(std::uint64_t seeds, const std::vector<Dims>& shapes, Body body) {
  SomeOf cases;
  for_each_order([&](auto order) {
    for (const int axis : {1, -1, 0, 2}) {
      for (const Dims& shape : shapes) {
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
          if (!cases.next()) continue;
          Random random(seed);
          const std::string name = to_text(with_channels_at(shape, axis), axis, decltype(order)::value, seed);
          body(order, with_channels_at(shape, axis), axis, random, name);
        }
      }
    }
  });
}

template <typename Scalar, typename Order>
using TensorOf = Tensor<Scalar, 4, Order::value>;

inline Index channels_of(const Dims& dims, int axis) { return dims[resolve_axis(axis, dims)]; }

/// Either ill-conditioned channels or, every other seed, channels whose mean is far below their deviation.
template <typename X>
X hard_input(Random& random, const Dims& dims, int axis) {
  if (random.below(2) == 0) return ill_conditioned<X>(random, dims, axis);
  return normal_channels<X>(random, dims, axis, [](Index c) { return Spread{1e-4 * double(c - 1), 1.0 + double(c)}; });
}

}  // namespace tn_test
