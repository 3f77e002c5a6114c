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
// last digits depend on it, so these two round the same way, whether or not a compiler contracts a*b + c to one FMA.

/// a*b, rounded to Scalar before anything is added to it.
template <typename Scalar>
Scalar product(Scalar a, Scalar b) {
  return detail::uncontracted(a * b);
}

/// (1 - factor) * running + factor * mean.
template <typename Scalar>
Scalar updated_mean(Scalar running, double mean, double factor) {
  const auto m = static_cast<Scalar>(factor);
  return product(m, static_cast<Scalar>(mean)) + product(Scalar{1} - m, running);
}

/// (1 - factor) * running + factor * variance.
template <typename Scalar>
Scalar updated_var(Scalar running, double variance, double factor) {
  const auto m = static_cast<Scalar>(factor);
  const double batch = product(static_cast<double>(m), static_cast<double>(static_cast<Scalar>(variance)));
  return static_cast<Scalar>(batch + static_cast<double>(product(Scalar{1} - m, running)));
}

}}  // namespace tensornorm::v0
