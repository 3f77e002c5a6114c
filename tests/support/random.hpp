// Random numbers that are the same with every standard library, and tensors filled with them.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "support/nd_array.hpp"

namespace tn_test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// In [0, 1).
  double uniform() { return std::ldexp(static_cast<double>(engine_() >> 11), -53); }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  Index below(Index count) { return static_cast<Index>(engine_() % static_cast<std::uint64_t>(count)); }
  double sign() { return engine_() & 1 ? 1 : -1; }
  /// N(0, 1), by Box and Muller.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }
  /// |mean| / sd: log-uniform from 1 to 1e6.
  double condition() { return std::pow(10, uniform(0, 6)); }

 private:
  std::mt19937_64 engine_;
};

/// What the values of one channel are drawn from.
struct Spread {
  double mean = 0, sd = 1;
};

/// A tensor or matrix of type X; element after element in logical order, so that both storage orders get the same
/// values from the same seed. `spread(channel)` says what a channel's values are drawn from.
template <typename X, typename SpreadOf>
X normal_channels(Random& random, const Dims& dims, int channel_axis, SpreadOf spread) {
  X x = make<X>(dims);
  const std::size_t axis = resolve_axis(channel_axis, dims);
  for_each_index(dims, [&](const Dims& index, std::size_t) {
    const Spread of = spread(index[axis]);
    element(x, index) = static_cast<typename X::Scalar>(of.mean + of.sd * random.normal());
  });
  return x;
}

/// N(mean, sd) everywhere.
template <typename X>
X normal(Random& random, const Dims& dims, double mean = 0, double sd = 1) {
  return normal_channels<X>(random, dims, 0, [=](Index) { return Spread{mean, sd}; });
}

/// Channels of their own sign, scale and condition number |mean| / sd, log-uniform from 1 to 1e6.
template <typename X>
X ill_conditioned(Random& random, const Dims& dims, int channel_axis) {
  std::vector<Spread> spreads;
  for (Index c = 0; c < dims[resolve_axis(channel_axis, dims)]; ++c) {
    const double sd = std::pow(10, random.uniform(-2, 2));
    spreads.push_back({random.sign() * sd * random.condition(), sd});
  }
  return normal_channels<X>(random, dims, channel_axis,
                            [&](Index channel) { return spreads[static_cast<std::size_t>(channel)]; });
}

/// weight and bias away from their defaults, and running statistics that look like some earlier batches'.
template <typename Layer>
void randomise_parameters(Random& random, Layer& bn) {
  using Scalar = typename std::decay_t<decltype(bn.weight())>::Scalar;
  const auto fill = [&](auto& vector, double low, double high, bool signs) {
    for (Index c = 0; c < vector.size(); ++c) {
      vector(c) = static_cast<Scalar>(random.uniform(low, high) * (signs ? random.sign() : 1));
    }
  };
  fill(bn.weight(), 0.25, 2, true);
  fill(bn.bias(), 0, 2, true);
  fill(bn.running_mean(), 0, 2, true);
  fill(bn.running_var(), 0.25, 4, false);
}

}  // namespace tn_test
