// What float layers promise of any finite values, and how NaN and infinity go through them; element by element against
// the reference in long double.
//
// The bounds are those of support/bounds.hpp, with what they leave open: results beyond the range of float, and below
// that of normal floats.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "fuzz/bytes.hpp"
#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/reference.hpp"

namespace tn_fuzz {

using tn_test::NdArray;
using tn_test::Statistics;

inline constexpr long double kU = 0x1p-24L, kLeast = 0x1p-149L;
inline constexpr auto kMost = static_cast<long double>(std::numeric_limits<float>::max());

/// Whether a float is an exact number to within a bound: infinite only when that number may round to it.
template <typename Float>
bool is_near(Float result, long double exact, long double bound) {
  const auto got = static_cast<long double>(result);
  if (std::isnan(exact)) return std::isnan(got);
  if (std::isinf(exact)) return got == exact;
  if (std::isinf(got)) return (got > 0 ? exact : -exact) + bound >= kMost * (1 + kU / 2);
  return std::abs(got - exact) <= bound;
}

/// One batch in a layer of floats, and the results that it must give. The layer's parameters, and in eval its running
/// statistics, are those of the pass.
template <typename Layer>
class Promises {
 public:
  Promises(const Layer& bn, const NdArray& x, Statistics statistics)
      : bn_(bn),
        x_(x),
        batch_(statistics == Statistics::kBatch),
        axis_(bn.options().channel_axis),
        moments_(tn_test::moments(x, axis_)),
        of_(tn_test::coefficients(bn, x, statistics)),
        output_(tn_test::forward(x, axis_, of_)) {
    const std::size_t channel_of = tn_test::resolve_axis(axis_, x.dims);
    tn_test::for_each_index(x.dims, [&](const tn_test::Dims& at, std::size_t) {
      channel_.push_back(static_cast<std::size_t>(at[channel_of]));
    });
  }

  /// The mean and a variance of a channel's finite values, as floats.
  void demand_moments(std::size_t c, float mean, float variance, int correction) const {
    const tn_test::Moments& exact = moments_[c];
    const long double bound = 0.51L * tn_test::ulp<float>(exact.mean) + 0.125L * kU * sd(c);
    demand(is_near(mean, exact.mean, bound), "the mean is ", mean, ", not ", exact.mean);
    const auto nearest = tn_test::nearest<float>(exact.variance(correction));
    demand(tn_test::ulp_distance(variance, nearest) <= 1, "the variance is ", variance, ", not ", nearest);
  }

  /// y of every element, but those of a training pass with an infinite weight: 0 * infinity where x is the mean.
  void demand_output(const NdArray& y) const {
    for (std::size_t i = 0; i < y.values.size(); ++i) {
      const std::size_t c = channel_[i];
      const long double g = std::abs(output_.g[i]), weight = std::abs(of_.weight[c]);
      if (batch_ && std::isinf(weight)) continue;
      long double bound = kU * (3 * g + std::abs(output_.y[i])) + kLeast;
      if (batch_) bound += kU * (g + weight / 4) + weight * of_.invstd[c] * kU * kU * std::abs(of_.mean[c]);
      demand(is_near(y.values[i], output_.y[i], bound), "y is ", y.values[i], ", not ", output_.y[i], " for x ",
             x_.values[i], ", bound ", bound);
    }
  }

  /// The three gradients: in training of channels whose x, dy and coefficients are finite; in eval dx of every element;
  /// bias_grad wherever dy is finite. weight_grad and bias_grad of the layer were zero before backward. dx is judged
  /// beside its own channel, not the tensor, by the six roundings that it has without FMA.
  void demand_gradients(const NdArray& dy, const NdArray& dx) const {
    const auto exact = tn_test::backward(x_, dy, axis_, of_, correction());
    std::vector<long double> size(of_.mean.size());  // largest |dx| or |weight * invstd * dy| of a channel, [C]
    for (std::size_t i = 0; i < channel_.size(); ++i) {
      const std::size_t c = channel_[i];
      const long double term = of_.weight[c] * of_.invstd[c] * dy.values[i];
      for (const long double value : {exact.dx[i], term}) {
        size[c] = std::isfinite(value) && !std::isnan(size[c]) ? std::max(size[c], std::abs(value)) : std::nanl("");
      }
    }
    for (std::size_t c = 0; c < size.size(); ++c) demand_parameter_gradients(exact, c);
    for (std::size_t i = 0; i < channel_.size(); ++i) {
      const std::size_t c = channel_[i];
      if (batch_ && !(size[c] <= kMost)) continue;                          // a term of dx overflows
      const long double beside = batch_ ? size[c] : std::abs(exact.dx[i]);  // in eval there is one term
      long double bound = 6 * kU * beside + kLeast;
      if (batch_) {
        const long double freedom = moments_[c].count - static_cast<long double>(bn_.options().correction);
        bound += tn_test::dx_of_shift(of_, exact, c, x_.values[i], tn_test::mean_shift<float>(moments_[c]), freedom);
      }
      demand(is_near(dx.values[i], exact.dx[i], bound), "dx is ", dx.values[i], ", not ", exact.dx[i], ", bound ",
             bound);
    }
  }

  const tn_test::Moments& moments(std::size_t c) const { return moments_[c]; }

 private:
  long double sd(std::size_t c) const { return std::sqrt(moments_[c].variance(0)); }
  std::optional<int> correction() const { return batch_ ? std::optional<int>(bn_.options().correction) : std::nullopt; }

  void demand_parameter_gradients(const tn_test::Gradients& exact, std::size_t c) const {
    const auto at = static_cast<Index>(c);
    const long double of_mean = kU * kU * std::abs(of_.mean[c]);
    const bool finite = std::isfinite(of_.invstd[c]) && std::isfinite(exact.dweight[c]);
    if (finite && bn_.weight_grad().size() > 0 && bn_.weight().size() > 0) {
      const long double bound = kU * (1.7L * std::abs(exact.dweight[c]) + 2 * exact.rss_w[c]) +
                                std::abs(of_.invstd[c] * exact.dbias[c]) * of_mean + kLeast;
      demand(is_near(bn_.weight_grad()(at), exact.dweight[c], bound), "weight_grad is ", bn_.weight_grad()(at),
             ", not ", exact.dweight[c], ", bound ", bound);
    }
    if (std::isfinite(exact.rss_b[c]) && bn_.bias_grad().size() > 0 && bn_.bias().size() > 0) {
      const long double bound = kU * (1.7L * std::abs(exact.dbias[c]) + 2 * exact.rss_b[c]) + kLeast;
      demand(is_near(bn_.bias_grad()(at), exact.dbias[c], bound), "bias_grad is ", bn_.bias_grad()(at), ", not ",
             exact.dbias[c], ", bound ", bound);
    }
  }

  const Layer& bn_;
  const NdArray& x_;
  bool batch_;  // normalised with the batch's own statistics
  int axis_;
  std::vector<tn_test::Moments> moments_;  // [C]
  tn_test::Coefficients of_;
  tn_test::Output output_;
  std::vector<std::size_t> channel_;  // of every value
};

}  // namespace tn_fuzz
