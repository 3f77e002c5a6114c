// The errors the library promises to stay under, in one place. Every function returns the worst error / bound it met
// against the exact value: a test asks for at most 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "support/bits.hpp"
#include "support/reference.hpp"

namespace tn_test {

class Worst {
 public:
  void add(long double error, long double bound) {
    if (error == 0 && bound >= 0) return;
    const auto ratio = static_cast<double>(error / bound);
    worst_ = std::isnan(ratio) ? std::numeric_limits<double>::infinity() : std::max(worst_, ratio);
  }
  void add(double ratio) { add(static_cast<long double>(ratio), 1); }
  double ratio() const { return worst_; }

 private:
  double worst_ = 0;
};

template <typename Layer>
using ScalarOf = typename std::decay_t<decltype(std::declval<Layer&>().weight())>::Scalar;

/// A mean as the layer stores it, [C], against the exact ones.
template <typename Vector>
double mean_error(const Vector& mean, const std::vector<Moments>& exact) {
  using Scalar = typename Vector::Scalar;
  constexpr long double u = unit_roundoff<Scalar>;
  Worst worst;
  for (std::size_t c = 0; c < exact.size(); ++c) {
    const auto value = static_cast<long double>(mean(static_cast<Index>(c)));
    const long double sd = std::sqrt(exact[c].variance(0));
    const long double bound = std::is_same_v<Scalar, float> ? 0.51L * ulp<Scalar>(exact[c].mean) + u * sd / 8
                                                            : 32 * u * (std::abs(exact[c].mean) + sd);
    worst.add(std::abs(value - exact[c].mean), bound);
  }
  return worst.ratio();
}

/// A variance as the layer stores it, [C], against M2 / (n - correction): float layers give the nearest float or its
/// neighbour, infinity only beyond the greatest.
template <typename Vector>
double variance_error(const Vector& variance, const std::vector<Moments>& exact, int correction) {
  using Scalar = typename Vector::Scalar;
  constexpr long double u = unit_roundoff<Scalar>;
  Worst worst;
  for (std::size_t c = 0; c < exact.size(); ++c) {
    const Scalar value = variance(static_cast<Index>(c));
    const long double wanted = exact[c].variance(correction);
    if constexpr (std::is_same_v<Scalar, float>) {
      worst.add(static_cast<long double>(ulp_distance(value, nearest<Scalar>(wanted))), 1);
    } else {
      const long double shift = 32 * u * (std::abs(exact[c].mean) + std::sqrt(exact[c].variance(0)));  // of the mean
      worst.add(std::abs(static_cast<long double>(value) - wanted), 8 * u * wanted + 2 * shift * shift);
    }
  }
  return worst.ratio();
}

/// What normalised the batch: its own statistics, or the running ones.
enum class Statistics { kBatch, kRunning };

template <typename Layer>
Coefficients coefficients(const Layer& bn, const NdArray& x, Statistics statistics) {
  return statistics == Statistics::kBatch ? batch_coefficients(bn, x) : running_coefficients(bn);
}

/// An output of `bn`, whose parameters and running statistics must still be those that made it.
template <typename Layer, typename Y>
double output_error(const Layer& bn, const NdArray& x, const Y& y, Statistics statistics) {
  using Scalar = ScalarOf<Layer>;
  constexpr long double u = unit_roundoff<Scalar>;
  const int axis = bn.options().channel_axis;
  const Coefficients of = coefficients(bn, x, statistics);
  const Output exact = forward(x, axis, of);
  const NdArray got = logical(y);
  if (got.dims != x.dims) return std::numeric_limits<double>::infinity();
  std::vector<long double> slack;  // what does not depend on the element, [C]
  const std::vector<Moments> channels = moments(x, axis);
  for (std::size_t c = 0; c < of.mean.size(); ++c) {
    const long double slope = std::abs(of.weight[c] * of.invstd[c]);
    long double extra = std::is_same_v<Scalar, float> ? std::ldexp(1.0L, -149) : 0.0L;
    if (statistics == Statistics::kBatch) {
      const long double shift = 32 * u * (std::abs(of.mean[c]) + std::sqrt(channels[c].variance(0)));
      extra += std::is_same_v<Scalar, float> ? u * std::abs(of.weight[c]) / 4 + u * u * slope * std::abs(of.mean[c])
                                             : slope * shift;
    }
    slack.push_back(extra);
  }
  const long double steps = std::is_same_v<Scalar, double> ? 32 : statistics == Statistics::kBatch ? 4 : 3;
  Worst worst;
  for_each_index(x.dims, [&](const Dims& index, std::size_t step) {
    const auto c = static_cast<std::size_t>(index[resolve_axis(axis, x.dims)]);
    worst.add(std::abs(got.values[step] - exact.y[step]),
              u * (steps * std::abs(exact.g[step]) + std::abs(exact.y[step])) + slack[c]);
  });
  return worst.ratio();
}

/// How far from the exact one the mean may be that a backward pass works with: a double.
template <typename Scalar>
long double mean_shift(const Moments& exact) {
  const long double mean = std::abs(exact.mean);
  if constexpr (std::is_same_v<Scalar, float>) return 0x1p-51L * mean;
  return 32 * unit_roundoff<Scalar> * (mean + std::sqrt(exact.variance(0)));
}

/// What a mean off by `shift` does to dx of x in channel c, through xhat * dweight / (n - correction).
inline long double dx_of_shift(const Coefficients& of, const Gradients& exact, std::size_t c, long double x,
                               long double shift, long double freedom) {
  const long double xhat = std::abs(x - of.mean[c]) * of.invstd[c], scale = std::abs(of.weight[c]) * of.invstd[c];
  return scale * of.invstd[c] * shift * (std::abs(exact.dweight[c]) + xhat * std::abs(exact.dbias[c])) / freedom;
}

/// What a sum of doubles may be off by, in u times the sum of its terms' sizes.
inline constexpr long double sum_units = 8;

/// The three gradients of one backward pass, weight_grad and bias_grad having been zero before it.
template <typename Layer, typename DX>
double gradient_error(const Layer& bn, const NdArray& x, const NdArray& dy, const DX& dx, Statistics statistics) {
  using Scalar = ScalarOf<Layer>;
  constexpr long double u = unit_roundoff<Scalar>;
  const int axis = bn.options().channel_axis;
  const Coefficients of = coefficients(bn, x, statistics);
  const bool batch = statistics == Statistics::kBatch;
  const Gradients exact = backward(x, dy, axis, of, batch ? std::optional<int>(bn.options().correction) : std::nullopt);
  const NdArray got = logical(dx);
  if (got.dims != x.dims) return std::numeric_limits<double>::infinity();
  const std::vector<Moments> channels = moments(x, axis);
  Worst worst;
  for_each_index(x.dims, [&](const Dims& index, std::size_t step) {
    const auto c = static_cast<std::size_t>(index[resolve_axis(axis, x.dims)]);
    long double bound = (std::is_same_v<Scalar, float> ? 2.5e-7L : 64 * u) * exact.dx_scale;
    if (batch) {
      const long double freedom = channels[c].count - static_cast<long double>(bn.options().correction);
      bound += dx_of_shift(of, exact, c, x.values[step], mean_shift<Scalar>(channels[c]), freedom);
    }
    worst.add(std::abs(got.values[step] - exact.dx[step]), bound);
  });
  for (std::size_t c = 0; c < of.mean.size(); ++c) {
    const long double lever = std::abs(of.invstd[c] * exact.dbias[c]);  // of dweight over the mean
    const long double shift = std::is_same_v<Scalar, float>
                                  ? u * u * std::abs(of.mean[c])
                                  : static_cast<long double>(batch) * mean_shift<Scalar>(channels[c]);
    const auto bound = [](long double value, long double rss, long double size) {
      return std::is_same_v<Scalar, float> ? u * (1.7L * std::abs(value) + 2 * rss) : sum_units * u * size;
    };
    const auto at = static_cast<Index>(c);
    if (bn.weight().size() != 0) {
      worst.add(std::abs(static_cast<long double>(bn.weight_grad()(at)) - exact.dweight[c]),
                bound(exact.dweight[c], exact.rss_w[c], exact.size_w[c]) + lever * shift);
    }
    if (bn.bias().size() != 0) {
      worst.add(std::abs(static_cast<long double>(bn.bias_grad()(at)) - exact.dbias[c]),
                bound(exact.dbias[c], exact.rss_b[c], exact.size_b[c]));
    }
  }
  return worst.ratio();
}

}  // namespace tn_test
