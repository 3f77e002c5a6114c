// The results that are compared to torch's: ours, and the exact ones, each named as in fixtures.txt.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/layouts.hpp"
#include "support/nd_array.hpp"
#include "support/reference.hpp"
#include "torch/fixtures.hpp"
#include "torch/inputs.hpp"

namespace tn_test {

constexpr int kBatchesBefore = 2;  // the counter of a layer before its training forward

/// A result in exact arithmetic, in logical order, and the largest sum of magnitudes of the terms of an element.
struct Exact {
  std::vector<long double> values;
  long double terms = 0;
};

using Values = std::map<std::string, std::vector<long double>>;

inline long double largest(const std::vector<long double>& values) {
  long double most = 0;
  for (const long double value : values) most = std::max(most, std::abs(value));
  return most;
}

template <typename Vector>
std::vector<long double> long_doubles(const Vector& vector) {
  return std::vector<long double>(vector.begin(), vector.end());
}

template <typename Scalar, int Rank>
LayerOf<Scalar, Rank> layer(const TorchCase& of, const TorchInputs<Scalar, Rank>& inputs, int channel_axis) {
  tensornorm::BatchNormOptions options = of.options;
  options.channel_axis = channel_axis;
  LayerOf<Scalar, Rank> bn(of.dims[1], options);
  if (options.affine) bn.weight() = inputs.weight, bn.bias() = inputs.bias;
  if (options.track_running_stats) {
    bn.running_mean() = inputs.mean;
    bn.running_var() = inputs.var;
    bn.set_num_batches_tracked(kBatchesBefore);
  }
  return bn;
}

/// Ours, eval forward and backward, then training forward and backward, named as in the file.
template <typename Scalar, int Rank>
Values our_results(const TorchCase& of, const TorchInputs<Scalar, Rank>& inputs, int channel_axis) {
  using X = Tensor<Scalar, Rank>;
  const Dims moved = with_channels_at(of.dims, channel_axis);
  X x = make<X>(moved), dy = make<X>(moved);
  for_each_place(of.dims, channel_axis, [&](std::size_t from, std::size_t to) {
    x.data()[to] = inputs.x.data()[from];
    dy.data()[to] = inputs.dy.data()[from];
  });
  const auto channels_first = [&](const X& result) {
    std::vector<long double> values(static_cast<std::size_t>(result.size()));
    for_each_place(of.dims, channel_axis, [&](std::size_t to, std::size_t from) {
      values[to] = static_cast<long double>(result.data()[from]);
    });
    return values;
  };
  auto bn = layer(of, inputs, channel_axis);
  Values results;
  for (const std::string mode : {"eval", "training"}) {
    bn.train(mode == "training");
    bn.zero_grad();
    results[mode + "_y"] = channels_first(bn(x));
    results[mode + "_dx"] = channels_first(bn.backward(x, dy));
    results[mode + "_dweight"] = long_doubles(bn.weight_grad());
    results[mode + "_dbias"] = long_doubles(bn.bias_grad());
  }
  results["running_mean"] = long_doubles(bn.running_mean());
  results["running_var"] = long_doubles(bn.running_var());
  CHECK(bn.num_batches_tracked() == (of.options.track_running_stats ? kBatchesBefore + 1 : 0));
  return results;
}

/// The terms of dx = weight * invstd * (dy - sum(dy) / n - xhat * sum(dy * xhat) / n); the last two in training alone.
inline long double terms_of_dx(const NdArray& x, const NdArray& dy, const Coefficients& of, const Gradients& sums,
                               bool batch) {
  const long double n = static_cast<long double>(x.values.size()) / static_cast<long double>(of.mean.size());
  long double most = 0;
  for_each_index(x.dims, [&](const Dims& index, std::size_t step) {
    const auto c = static_cast<std::size_t>(index[1]);
    const long double xhat = (x.values[step] - of.mean[c]) * of.invstd[c];
    const long double rest = batch ? (sums.size_b[c] + std::abs(xhat) * sums.size_w[c]) / n : 0;
    most = std::max(most, std::abs(of.weight[c] * of.invstd[c]) * (std::abs(dy.values[step]) + rest));
  });
  return most;
}

template <typename Scalar, int Rank>
std::map<std::string, Exact> exact_results(const TorchCase& of, const TorchInputs<Scalar, Rank>& inputs) {
  const auto bn = layer(of, inputs, 1);
  const NdArray x = logical(inputs.x), dy = logical(inputs.dy);
  std::map<std::string, Exact> results;
  for (const std::string mode : {"eval", "training"}) {
    const bool batch = mode == "training" || !of.options.track_running_stats;
    const Coefficients with = batch ? batch_coefficients(bn, x) : running_coefficients(bn);
    const std::vector<long double> y = forward(x, 1, with).y;
    results[mode + "_y"] = {y, largest(y)};
    const Gradients gradients = backward(x, dy, 1, with, batch ? std::optional<int>(0) : std::nullopt);
    results[mode + "_dx"] = {gradients.dx, terms_of_dx(x, dy, with, gradients, batch)};
    if (!of.options.affine) continue;
    results[mode + "_dweight"] = {gradients.dweight, largest(gradients.size_w)};
    results[mode + "_dbias"] = {gradients.dbias, largest(gradients.size_b)};
  }
  if (!of.options.track_running_stats) return results;
  const double factor = tensornorm::average_factor(of.options.momentum, kBatchesBefore + 1);
  Exact &mean = results["running_mean"], &var = results["running_var"];
  for (const Moments& channel : moments(x, 1)) {
    const auto c = static_cast<Index>(mean.values.size());
    mean.values.push_back(exact_step(static_cast<long double>(bn.running_mean()(c)), channel.mean, factor));
    var.values.push_back(exact_step(static_cast<long double>(bn.running_var()(c)), channel.variance(1), factor));
  }
  mean.terms = largest(mean.values);
  var.terms = largest(var.values);
  return results;
}

}  // namespace tn_test
