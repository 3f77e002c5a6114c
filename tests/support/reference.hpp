// Batch norm as its definition reads, in long double, one logical index at a time: what the library is judged by.
// Shares nothing with the library, neither arithmetic nor the way elements are found.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "support/nd_array.hpp"

namespace tn_test {

/// A sum that carries its own rounding error along (Neumaier), so that the oracle's is out of the picture.
class Sum {
 public:
  void add(long double term) {
    const long double next = sum_ + term;
    error_ += std::abs(sum_) >= std::abs(term) ? (sum_ - next) + term : (term - next) + sum_;
    sum_ = next;
  }
  long double value() const { return sum_ + error_; }

 private:
  long double sum_ = 0, error_ = 0;
};

struct Moments {
  long double count = 0, mean = 0, m2 = 0;  // m2: the sum of (x - mean)^2
  long double variance(int correction) const { return m2 / (count - static_cast<long double>(correction)); }
};

/// The moments of every channel, [C], in two passes.
inline std::vector<Moments> moments(const NdArray& x, int channel_axis) {
  const std::size_t axis = resolve_axis(channel_axis, x.dims);
  const auto channels = static_cast<std::size_t>(x.dims[axis]);
  std::vector<Moments> of(channels);
  std::vector<Sum> sum(channels), m2(channels);
  for_each_index(x.dims, [&](const Dims& index, std::size_t step) {
    const auto c = static_cast<std::size_t>(index[axis]);
    of[c].count += 1;
    sum[c].add(x.values[step]);
  });
  for (std::size_t c = 0; c < channels; ++c) of[c].mean = sum[c].value() / of[c].count;
  for_each_index(x.dims, [&](const Dims& index, std::size_t step) {
    const auto c = static_cast<std::size_t>(index[axis]);
    const long double deviation = x.values[step] - of[c].mean;
    m2[c].add(deviation * deviation);
  });
  for (std::size_t c = 0; c < channels; ++c) of[c].m2 = m2[c].value();
  return of;
}

/// Everything y = (x - mean) * invstd * weight + bias needs; each [C]. weight 1 and bias 0 where the layer has none.
struct Coefficients {
  std::vector<long double> mean, invstd, weight, bias;
};

template <typename Layer>
Coefficients affine_part(const Layer& bn) {
  Coefficients of;
  for (Index c = 0; c < bn.num_features(); ++c) {
    of.weight.push_back(bn.weight().size() == 0 ? 1 : static_cast<long double>(bn.weight()(c)));
    of.bias.push_back(bn.bias().size() == 0 ? 0 : static_cast<long double>(bn.bias()(c)));
  }
  return of;
}

/// What the layer must normalise with when it uses the batch's own statistics.
template <typename Layer>
Coefficients batch_coefficients(const Layer& bn, const NdArray& x) {
  Coefficients of = affine_part(bn);
  for (const Moments& channel : moments(x, bn.options().channel_axis)) {
    const long double variance = channel.variance(bn.options().correction) + static_cast<long double>(bn.options().eps);
    of.mean.push_back(channel.mean);
    of.invstd.push_back(variance == 0 ? 0 : 1 / std::sqrt(variance));  // torch: a constant channel with eps = 0 is bias
  }
  return of;
}

/// What the layer must normalise with when it uses its running statistics.
template <typename Layer>
Coefficients running_coefficients(const Layer& bn) {
  Coefficients of = affine_part(bn);
  for (Index c = 0; c < bn.num_features(); ++c) {
    const auto variance = static_cast<long double>(bn.running_var()(c));
    of.mean.push_back(static_cast<long double>(bn.running_mean()(c)));
    of.invstd.push_back(1 / std::sqrt(variance + static_cast<long double>(bn.options().eps)));
  }
  return of;
}

struct Output {
  std::vector<long double> g, y;  // g = weight * xhat, y = g + bias, in the order of for_each_index
};

inline Output forward(const NdArray& x, int channel_axis, const Coefficients& of) {
  const std::size_t axis = resolve_axis(channel_axis, x.dims);
  Output out{std::vector<long double>(x.values.size()), std::vector<long double>(x.values.size())};
  for_each_index(x.dims, [&](const Dims& index, std::size_t step) {
    const auto c = static_cast<std::size_t>(index[axis]);
    out.g[step] = (x.values[step] - of.mean[c]) * of.invstd[c] * of.weight[c];
    out.y[step] = out.g[step] + of.bias[c];
  });
  return out;
}

struct Gradients {
  std::vector<long double> dx;              // in the order of for_each_index
  std::vector<long double> dweight, dbias;  // [C]
  std::vector<long double> rss_w, rss_b;    // root of the sum of the squares of their terms, [C]
  std::vector<long double> size_w, size_b;  // the sum of the magnitudes of their terms, [C]
  long double dx_scale = 0;                 // the largest |dx| or |weight * invstd * dy| of the tensor
};

/// The gradients of sum(y * dy). With a correction: x goes through the batch's own mean and M2 / (n - correction) too;
/// without: mean and invstd are constants.
inline Gradients backward(const NdArray& x, const NdArray& dy, int channel_axis, const Coefficients& of,
                          std::optional<int> correction) {
  const std::size_t axis = resolve_axis(channel_axis, x.dims);
  const std::size_t channels = of.mean.size();
  std::vector<Sum> db(channels), dw(channels), squares_w(channels), squares_b(channels), abs_w(channels),
      abs_b(channels);
  const auto xhat = [&](std::size_t c, std::size_t step) { return (x.values[step] - of.mean[c]) * of.invstd[c]; };
  for_each_index(x.dims, [&](const Dims& index, std::size_t step) {
    const auto c = static_cast<std::size_t>(index[axis]);
    const long double b = dy.values[step], w = b * xhat(c, step);
    db[c].add(b);
    dw[c].add(w);
    squares_b[c].add(b * b);
    squares_w[c].add(w * w);
    abs_b[c].add(std::abs(b));
    abs_w[c].add(std::abs(w));
  });
  Gradients out;
  for (std::size_t c = 0; c < channels; ++c) {
    out.dweight.push_back(dw[c].value());
    out.dbias.push_back(db[c].value());
    out.rss_w.push_back(std::sqrt(squares_w[c].value()));
    out.rss_b.push_back(std::sqrt(squares_b[c].value()));
    out.size_w.push_back(abs_w[c].value());
    out.size_b.push_back(abs_b[c].value());
  }
  out.dx.resize(x.values.size());
  const auto n = static_cast<long double>(x.values.size()) / static_cast<long double>(channels);
  for_each_index(x.dims, [&](const Dims& index, std::size_t step) {
    const auto c = static_cast<std::size_t>(index[axis]);
    long double inner = dy.values[step];
    if (correction) {
      inner -= out.dbias[c] / n + xhat(c, step) * out.dweight[c] / (n - static_cast<long double>(*correction));
    }
    const long double scale = of.weight[c] * of.invstd[c];
    out.dx[step] = scale * inner;
    out.dx_scale = std::max({out.dx_scale, std::abs(out.dx[step]), std::abs(scale * dy.values[step])});
  });
  return out;
}

/// An exact value rounded to the nearest Scalar; infinity from half a unit beyond the greatest.
template <typename Scalar>
Scalar nearest(long double exact) {
  constexpr auto greatest = static_cast<long double>(std::numeric_limits<Scalar>::max());
  const long double beyond = std::abs(exact) - greatest;
  if (beyond > 0) {  // a cast would be undefined
    const bool infinite = beyond >= greatest * static_cast<long double>(std::numeric_limits<Scalar>::epsilon()) / 4;
    const Scalar size = infinite ? std::numeric_limits<Scalar>::infinity() : std::numeric_limits<Scalar>::max();
    return exact < 0 ? -size : size;
  }
  return static_cast<Scalar>(exact);
}

/// Rounded to Scalar here and now: no compiler may fuse the product that it holds with a sum that follows.
template <typename Scalar>
Scalar rounded(Scalar value) {
  volatile Scalar stored = value;
  return stored;
}

/// One step of the running mean, every operation rounded as torch rounds it; `mean` is the exact batch mean.
template <typename Scalar>
Scalar next_running_mean(Scalar running, long double mean, double momentum) {
  const auto factor = static_cast<Scalar>(momentum);
  const auto keep = static_cast<Scalar>(1 - factor);
  return rounded(factor * nearest<Scalar>(mean)) + rounded(keep * running);
}

/// One step of the running variance; `variance` is the exact one, M2 / (n - running_correction).
template <typename Scalar>
Scalar next_running_var(Scalar running, long double variance, double momentum) {
  const auto factor = static_cast<Scalar>(momentum);
  const auto keep = static_cast<Scalar>(1 - factor);
  const double batch = rounded(static_cast<double>(factor) * static_cast<double>(nearest<Scalar>(variance)));
  return static_cast<Scalar>(batch + static_cast<double>(rounded(keep * running)));
}

/// The same step in exact arithmetic.
inline long double exact_step(long double running, long double batch, double momentum) {
  const auto factor = static_cast<long double>(momentum);
  return factor * batch + (1 - factor) * running;
}

}  // namespace tn_test
