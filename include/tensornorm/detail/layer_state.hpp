// What a layer owns, and whether that and a user's tensors are fit for a pass. Nothing here computes on a tensor.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "../functional.hpp"
#include "../running_stats.hpp"
#include "layer_checks.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// Parameters, running statistics and gradients: [C] each, or empty. Users hold references to the vectors and may
/// assign or resize them, so that their sizes are checked before every pass.
template <typename Scalar>
struct LayerState {
  using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  Index num_features;
  BatchNormOptions options;
  bool training = true;
  Vector weight, bias;
  Vector weight_grad, bias_grad;
  Vector running_mean, running_var;
  std::int64_t num_batches_tracked = 0;

  LayerState(Index features, const BatchNormOptions& chosen) : num_features(features), options(chosen) {
    check_options(features, chosen);
    if (chosen.affine) weight_grad.setZero(features), bias_grad.setZero(features);
    reset_parameters();
  }

  void reset_running_stats() {
    if (!options.track_running_stats) return;
    give_size(running_mean, running_var);
    running_mean.setZero();
    running_var.setOnes();
    num_batches_tracked = 0;
  }
  void reset_parameters() {
    if (!options.affine) return reset_running_stats();
    if (options.track_running_stats) {
      give_size(running_mean, running_var, weight, bias);
    } else {
      give_size(weight, bias);
    }
    reset_running_stats();
    weight.setOnes();
    bias.setZero();
  }
  /// Gives vectors of another size one of num_features numbers: all of them, or when memory runs out none. (Eigen's own
  /// resize would leave a vector without its memory then.)
  template <typename... Vectors>
  void give_size(Vectors&... vectors) {
    std::array<Vector, sizeof...(vectors)> sized;
    std::size_t k = 0;
    (sized[k++].resize(vectors.size() == num_features ? 0 : num_features), ...);
    k = 0;
    ((sized[k].size() > 0 ? vectors.swap(sized[k]) : void(), ++k), ...);
  }

  /// Whether eval mode normalises with the running statistics; without any, with those of the batch.
  bool has_running_stats() const { return running_mean.size() > 0 || running_var.size() > 0; }

  functional::Affine<Scalar> affine() const {
    return {weight.size() > 0 ? weight.data() : nullptr, bias.size() > 0 ? bias.data() : nullptr};
  }

  /// After a training forward over n values a channel.
  void update_running_stats(const functional::BatchStatistics& batch, Index n) {
    if (!options.track_running_stats) return;
    if (num_batches_tracked < std::numeric_limits<std::int64_t>::max()) ++num_batches_tracked;  // it may be a file's
    const double factor = average_factor(options.momentum, num_batches_tracked);
    const auto freedom = static_cast<double>(n - options.running_correction);
    update_means(running_mean.data(), batch.mean, running_mean.size(), factor);
    update_vars(running_var.data(), batch.m2, freedom, running_var.size(), factor);
  }

  /// After a backward with the invstd of its forward. A gradient is added only for a parameter that is there.
  void add_gradients(const functional::GradientSums& sums, const double* invstd) {
    if (weight.size() > 0) add_products(sums.dy_dev, invstd, weight_grad.size(), weight_grad.data());
    if (bias.size() > 0) add_numbers(sums.dy, bias_grad.size(), bias_grad.data());
  }

  /// x as a view, once it and the vectors are found fit for a pass in the present mode.
  template <typename T, int Rank>
  ChannelView<T> checked_view(const Operand<T, Rank>& x, bool batch_statistics) const {
    const Shape shape = shape_of(x, options.channel_axis, "x");
    const char* owner = running_mean.size() > 0 ? "running_mean" : weight.size() > 0 ? "weight" : "x";
    check_channels(x, shape, num_features, options.channel_axis, owner);
    check_vector("weight", weight.size(), num_features);
    check_vector("bias", bias.size(), num_features);
    check_vector("running_mean", running_mean.size(), num_features);
    check_vector("running_var", running_var.size(), num_features);
    if (!training && has_running_stats()) check_running_stats(running_mean.size(), running_var.size());
    if (shape.size() == 0) return {x.data, shape};
    check_memory(x, "x");
    if (batch_statistics) {
      const bool updates = training && options.track_running_stats && running_var.size() > 0;
      const int least = std::max({1, options.correction, updates ? options.running_correction : 0});
      check_values_per_channel(shape.per_channel(), least, x.dimensions);
    }
    return {x.data, shape};
  }

  template <typename T, int Rank>
  void check_dy(const Operand<T, Rank>& dy, const Operand<T, Rank>& x) const {
    if (dy.dimensions != x.dimensions) {
      fail_argument("dy should have the shape ", x.dimensions, " of x, not ", dy.dimensions);
    }
    check_memory(dy, "dy");
    check_vector("weight_grad", weight_grad.size(), num_features);
    check_vector("bias_grad", bias_grad.size(), num_features);
  }

  /// No output may overlap what the layer owns, or be one of its vectors, which are empty where it has none.
  void check_apart(const Memory& output) const {
    for_each_vector([&output](const char* name, const Vector& v) {
      detail::check_apart(output, {name, v.data(), static_cast<std::size_t>(v.size()) * sizeof(Scalar)});
    });
    if (!overlap(output, {"the layer", this, sizeof(*this)})) return;
    for_each_vector([&output](const char* name, const Vector& v) {
      detail::check_apart(output, {name, &v, sizeof(v)});
    });
  }

  template <typename Visit>
  void for_each_vector(const Visit& visit) const {
    visit("weight", weight);
    visit("bias", bias);
    visit("running_mean", running_mean);
    visit("running_var", running_var);
    visit("weight_grad", weight_grad);
    visit("bias_grad", bias_grad);
  }
};

}}}  // namespace tensornorm::v0::detail
