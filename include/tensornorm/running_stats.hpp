// The running statistics: an exponential or a cumulative average of the batches' means and variances.
#pragma once

#include <cstdint>
#include <optional>

#include "detail/loops.hpp"

namespace tensornorm { inline namespace v0 {

/// The weight of the new batch, the `batches`-th since the statistics were reset, counted from 1: the momentum, or
/// without one 1/batches, which makes the statistics the mean over all batches. (torch/nn/modules/batchnorm.py:
/// exponential_average_factor)
inline double average_factor(const std::optional<double>& momentum, std::int64_t batches) {
  return momentum ? *momentum : 1.0 / static_cast<double>(batches);
}

// PyTorch's CPU code computes `momentum * batch + (1 - momentum) * running` with a rounding after every operation; the
// mean wholly in the layer's type, the variance with its first product and the sum in double. After a few batches the
// last digits depend on it, so these round the same way, whether or not a compiler contracts a*b + c to one FMA. They
// compute in double, which a rounding to float after an operation turns into that operation on floats.

namespace detail {

/// What the new batch and the past count for: the factor, and 1 - factor. V: a double, or a packet of them.
template <typename Scalar, typename V>
struct Averaging {
  V batch, past;

  V mean(V running, V mean_of_batch) const {
    return rounded<Scalar>(rounded<Scalar>(batch * rounded<Scalar>(mean_of_batch)) + rounded<Scalar>(past * running));
  }
  V var(V running, V var_of_batch) const {
    return rounded<Scalar>(rounded<double>(batch * rounded<Scalar>(var_of_batch)) + rounded<Scalar>(past * running));
  }
};

template <typename Scalar>
Averaging<Scalar, double> averaging(double factor) {
  const double batch = rounded<Scalar>(factor);
  return {batch, rounded<Scalar>(1 - batch)};
}
template <typename Scalar>
Averaging<Scalar, Packet<double>> packet_averaging(double factor) {
  const auto numbers = averaging<Scalar>(factor);
  return {Packet<double>::all(numbers.batch), Packet<double>::all(numbers.past)};
}

/// The running means of `channels` channels, after a batch with these means. O(channels).
template <typename Scalar>
[[gnu::flatten]] void update_means(Scalar* running, const double* mean, Index channels, double factor) {
  const auto average = packet_averaging<Scalar>(factor);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    const auto updated = average.mean(load<double>(running + c, extent), load<double>(mean + c, extent));
    store(running + c, updated, extent);
  });
}

/// The running variances, after a batch of variances m2 / freedom. O(channels).
template <typename Scalar>
[[gnu::flatten]] void update_vars(Scalar* running, const double* m2, double freedom, Index channels, double factor) {
  const auto average = packet_averaging<Scalar>(factor);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    const auto variance = load<double>(m2 + c, extent) / Packet<double>::all(freedom);
    store(running + c, average.var(load<double>(running + c, extent), variance), extent);
  });
}

}  // namespace detail

/// (1 - factor) * running + factor * mean, rounded as PyTorch rounds it. Scalar: float or double. O(1).
template <typename Scalar>
Scalar updated_mean(Scalar running, double mean, double factor) {
  return static_cast<Scalar>(detail::averaging<Scalar>(factor).mean(static_cast<double>(running), mean));
}

/// (1 - factor) * running + factor * variance, PyTorch's being the unbiased one. Rounded as PyTorch rounds it. O(1).
template <typename Scalar>
Scalar updated_var(Scalar running, double variance, double factor) {
  return static_cast<Scalar>(detail::averaging<Scalar>(factor).var(static_cast<double>(running), variance));
}

}}  // namespace tensornorm::v0
