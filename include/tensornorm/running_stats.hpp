// The running statistics: an exponential or a cumulative average of the batches' means and variances.
#pragma once

#include <cstdint>
#include <optional>

#include "detail/packet.hpp"

namespace tensornorm { inline namespace v0 {

/// The weight of the new batch, the `batches`-th since the statistics were reset: the momentum, or without one
/// 1/batches, which makes the statistics the mean over all batches. (torch/nn/modules/batchnorm.py:
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

}  // namespace detail

/// (1 - factor) * running + factor * mean.
template <typename Scalar>
Scalar updated_mean(Scalar running, double mean, double factor) {
  return static_cast<Scalar>(detail::averaging<Scalar>(factor).mean(static_cast<double>(running), mean));
}

/// (1 - factor) * running + factor * variance.
template <typename Scalar>
Scalar updated_var(Scalar running, double variance, double factor) {
  return static_cast<Scalar>(detail::averaging<Scalar>(factor).var(static_cast<double>(running), variance));
}

}}  // namespace tensornorm::v0
