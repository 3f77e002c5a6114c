// The layers: BatchNorm1d, BatchNorm2d and BatchNorm3d, with the meaning of torch.nn's.
#pragma once

#include <cstdint>
#include <ostream>
#include <utility>
#include <vector>

#include "detail/layer_checks.hpp"
#include "functional.hpp"
#include "options.hpp"
#include "running_stats.hpp"

namespace tensornorm {

/// Batch normalization of tensors with `SpatialDims` axes beside batch and channels; use it as BatchNorm1d, 2d or 3d.
///
/// Scalar: float or double, the type of parameters and statistics. Inputs have the same scalar; a float layer also
/// takes Eigen::half and Eigen::bfloat16, computes in float and rounds the output once. Inputs are Eigen::Tensor,
/// TensorMap, TensorFixedSize, and for rank 2 any dense Eigen matrix or array; RowMajor or ColMajor, without a copy as
/// long as their memory is contiguous. Other expressions are evaluated first.
///
/// Meaning: torch.nn.BatchNorm2d (https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html).
/// Errors: std::invalid_argument for wrong values, std::logic_error for a wrong order of calls. After a throw layer and
/// outputs are as they were.
/// Cost: O(elements) time; no allocation in forward(x, y) and backward(x, dy, dx) once the layer has run at that size.
/// Threads: the const members are safe from many threads at once; the others want the layer to themselves.
template <typename Scalar, int SpatialDims>
class BatchNorm {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>,
                "tensornorm: a layer's parameters are float or double");

 public:
  using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  /// A layer in training mode for num_features channels: weight 1, bias 0, running_mean 0, running_var 1.
  /// Throws std::invalid_argument when num_features, eps, momentum or a correction makes no sense.
  explicit BatchNorm(Eigen::Index num_features, BatchNormOptions options = {})
      : num_features_(num_features), options_(options) {
    detail::check_options(num_features, options);
    if (options.affine) weight_grad_.setZero(num_features), bias_grad_.setZero(num_features);
    reset_parameters();
    batch_.resize(static_cast<std::size_t>(3 * num_features));
  }

  /// Training mode: batch statistics normalise, and enter the running statistics.
  BatchNorm& train(bool mode = true) {
    training_ = mode;
    return *this;
  }
  /// Eval mode: the running statistics normalise; where there are none, those of the batch.
  BatchNorm& eval() { return train(false); }
  bool is_training() const { return training_; }

  /// y = (x - mean) / sqrt(var + eps) * weight + bias, in a new tensor of x's plain type and shape.
  template <typename X>
  auto forward(const X& x) {
    return forward_to_new(*this, x);
  }
  template <typename X>
  auto forward(const X& x) const {
    return forward_to_new(*this, x);
  }
  template <typename X>
  auto operator()(const X& x) {
    return forward_to_new(*this, x);
  }
  template <typename X>
  auto operator()(const X& x) const {
    return forward_to_new(*this, x);
  }

  /// The same into y, of x's shape, scalar and storage order; y may be x. An empty y that owns its memory is resized.
  template <typename X, typename Y>
  void forward(const X& x, Y&& y) {
    forward(Eigen::DefaultDevice{}, x, y);
  }
  template <typename X, typename Y>
  void forward(const X& x, Y&& y) const {
    forward(Eigen::DefaultDevice{}, x, y);
  }

  /// The same on a device: Eigen::DefaultDevice or Eigen::ThreadPoolDevice. Every device gives the same bits.
  template <typename Device, typename X, typename Y>
  void forward(const Device& device, const X& x, Y&& y) {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, std::decay_t<Y>>();
    const detail::Input<X> in(x);
    forward_operand(device, in.operand(), y);
  }
  /// Eval mode only: a layer in training mode throws std::logic_error.
  template <typename Device, typename X, typename Y>
  void forward(const Device& device, const X& x, Y&& y) const {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, std::decay_t<Y>>();
    const detail::Input<X> in(x);
    forward_operand(device, in.operand(), y);
  }

  /// dx, the gradient of the present mode's forward at x, given that of its output, dy; adds the parameters' gradients
  /// to weight_grad() and bias_grad(). In training mode x must be the x of the last training forward, whose mean and
  /// invstd the layer has kept; std::logic_error when there was none.
  template <typename X, typename DY>
  auto backward(const X& x, const DY& dy) {
    typename detail::EigenTraits<X>::Plain dx;
    backward(Eigen::DefaultDevice{}, x, dy, dx);
    return dx;
  }

  /// The same into dx, of x's shape, scalar and storage order; dx may be dy, but must not share memory with x.
  template <typename X, typename DY, typename DX>
  void backward(const X& x, const DY& dy, DX&& dx) {
    backward(Eigen::DefaultDevice{}, x, dy, dx);
  }
  template <typename Device, typename X, typename DY, typename DX>
  void backward(const Device& device, const X& x, const DY& dy, DX&& dx) {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, DY>();
    detail::check_same_kind<X, std::decay_t<DX>>();
    const detail::Input<X> in(x);
    const detail::Input<DY> in_dy(dy);
    backward_operand(device, in.operand(), in_dy.operand(), dx);
  }

  /// Parameters, statistics and gradients: size num_features, or 0 where the layer has none. They may be assigned to.
  Vector& weight() { return weight_; }
  Vector& bias() { return bias_; }
  Vector& running_mean() { return running_mean_; }
  Vector& running_var() { return running_var_; }
  Vector& weight_grad() { return weight_grad_; }
  Vector& bias_grad() { return bias_grad_; }
  const Vector& weight() const { return weight_; }
  const Vector& bias() const { return bias_; }
  const Vector& running_mean() const { return running_mean_; }
  const Vector& running_var() const { return running_var_; }
  const Vector& weight_grad() const { return weight_grad_; }
  const Vector& bias_grad() const { return bias_grad_; }
  void zero_grad() { weight_grad_.setZero(), bias_grad_.setZero(); }

  /// Training forwards since the statistics were reset.
  std::int64_t num_batches_tracked() const { return num_batches_tracked_; }
  void set_num_batches_tracked(std::int64_t count) { num_batches_tracked_ = count; }

  /// running_mean 0, running_var 1, counter 0; nothing on a layer that does not track.
  void reset_running_stats() {
    if (!options_.track_running_stats) return;
    running_mean_.setZero(num_features_);
    running_var_.setOnes(num_features_);
    num_batches_tracked_ = 0;
  }
  /// The same, and weight 1 and bias 0 on an affine layer.
  void reset_parameters() {
    reset_running_stats();
    if (options_.affine) weight_.setOnes(num_features_), bias_.setZero(num_features_);
  }

  Eigen::Index num_features() const { return num_features_; }
  const BatchNormOptions& options() const { return options_; }

  /// As PyTorch prints it, with other options where they differ from PyTorch's.
  friend std::ostream& operator<<(std::ostream& out, const BatchNorm& layer) {
    return detail::print_layer(out, name(), layer.num_features_, layer.options_);
  }

 private:
  static constexpr const char* name() {
    return SpatialDims == 1 ? "BatchNorm1d" : SpatialDims == 2 ? "BatchNorm2d" : "BatchNorm3d";
  }

  template <typename Layer, typename X>
  static auto forward_to_new(Layer& layer, const X& x) {
    detail::check_types<X, SpatialDims, Scalar>();
    const detail::Input<X> in(x);
    typename detail::EigenTraits<X>::Plain y;  // given its sizes once everything is checked
    layer.forward_operand(Eigen::DefaultDevice{}, in.operand(), y);
    return y;
  }

  template <typename Device, typename T, int Rank, typename Y>
  void forward_operand(const Device& device, const detail::Operand<T, Rank>& x, Y& y) {
    if (!training_) return std::as_const(*this).forward_operand(device, x, y);
    const auto view = checked_view(x, true);
    check_forward_output(x, y);
    reserve(partials_, functional::scratch_doubles(device, view));
    if (view.size() == 0 || detail::is_resizable(y)) detail::resize(y, x.dimensions);
    if (view.size() == 0) return;
    const functional::BatchStatistics batch = split(batch_);
    functional::training_forward(device, view, affine(), options_.eps, options_.correction, batch, like(view, y.data()),
                                 partials_);
    remembered_ = view.shape.per_channel();
    update_running_stats(batch);
  }

  template <typename Device, typename T, int Rank, typename Y>
  void forward_operand(const Device& device, const detail::Operand<T, Rank>& x, Y& y) const {
    if (training_) {
      detail::fail_order(name(), " is const and in training mode, where forward would change it: call eval() first");
    }
    const auto view = checked_view(x, !has_running_stats());
    check_forward_output(x, y);
    std::vector<double> statistics, partials;  // of the batch, where there are no running statistics
    if (!has_running_stats() && view.size() > 0) {
      reserve(statistics, 3 * num_features_);
      reserve(partials, functional::scratch_doubles(device, view));
    }
    if (view.size() == 0 || detail::is_resizable(y)) detail::resize(y, x.dimensions);
    if (view.size() == 0) return;
    if (has_running_stats()) {
      functional::eval_forward(device, view, running_mean_.data(), running_var_.data(), options_.eps, affine(),
                               like(view, y.data()));
    } else {
      functional::training_forward(device, view, affine(), options_.eps, options_.correction, split(statistics),
                                   like(view, y.data()), partials);
    }
  }

  template <typename Device, typename T, int Rank, typename DX>
  void backward_operand(const Device& device, const detail::Operand<T, Rank>& x, const detail::Operand<T, Rank>& dy,
                        DX& dx) {
    const bool batch_statistics = !training_ && !has_running_stats();  // found again from x
    const auto view = checked_view(x, batch_statistics);
    check_gradients(x, dy, view);
    detail::check_output("dx", dx, x, {"dy", dy.data, dy.bytes()},
                         {{"x", x.data, x.bytes()},
                          memory("weight", weight_),
                          memory("bias", bias_),
                          memory("running_mean", running_mean_),
                          memory("running_var", running_var_),
                          memory("weight_grad", weight_grad_),
                          memory("bias_grad", bias_grad_)});
    reserve(work_, 5 * num_features_);
    reserve(partials_, functional::scratch_doubles(device, view));
    if (view.size() == 0 || detail::is_resizable(dx)) detail::resize(dx, x.dimensions);
    if (view.size() == 0) return;

    const ChannelView<T> dy_view{dy.data, view.shape};
    const functional::GradientSums sums{work_.data() + 3 * num_features_, work_.data() + 4 * num_features_};
    functional::BatchStatistics of = split(training_ ? batch_ : work_);
    if (batch_statistics) {
      functional::batch_moments(device, view, of, partials_);
      functional::batch_invstd(0, num_features_, view.shape.per_channel(), options_.eps, options_.correction, of);
    }
    if (training_ || batch_statistics) {
      functional::training_backward(device, view, dy_view, of.mean, of.invstd, affine(), options_.correction, sums,
                                    like(view, dx.data()), partials_);
    } else {
      for (Eigen::Index c = 0; c < num_features_; ++c) {
        of.mean[c] = static_cast<double>(running_mean_[c]);
        of.invstd[c] = 1 / std::sqrt(static_cast<double>(running_var_[c]) + options_.eps);
      }
      if (weight_.size() + bias_.size() > 0) functional::gradient_sums(device, view, dy_view, of.mean, sums, partials_);
      functional::eval_input_gradient(device, dy_view, running_var_.data(), options_.eps, affine(),
                                      like(view, dx.data()));
    }
    for (Eigen::Index c = 0; c < (weight_.size() > 0 ? weight_grad_.size() : 0); ++c) {
      weight_grad_[c] = static_cast<Scalar>(static_cast<double>(weight_grad_[c]) + sums.dy_dev[c] * of.invstd[c]);
    }
    for (Eigen::Index c = 0; c < (bias_.size() > 0 ? bias_grad_.size() : 0); ++c) {
      bias_grad_[c] = static_cast<Scalar>(static_cast<double>(bias_grad_[c]) + sums.dy[c]);
    }
  }

  // ------------------------------------------------------------------------------------------------------------ checks

  bool has_running_stats() const { return running_mean_.size() > 0 || running_var_.size() > 0; }

  /// x as a view, once it and the layer's vectors are found fit for a pass in the present mode.
  template <typename T, int Rank>
  ChannelView<T> checked_view(const detail::Operand<T, Rank>& x, bool batch_statistics) const {
    const detail::Shape shape = detail::shape_of(x, options_.channel_axis, "x");
    const char* owner = running_mean_.size() > 0 ? "running_mean" : weight_.size() > 0 ? "weight" : "x";
    detail::check_channels(x, shape, num_features_, options_.channel_axis, owner);
    detail::check_vector("weight", weight_.size(), num_features_);
    detail::check_vector("bias", bias_.size(), num_features_);
    detail::check_vector("running_mean", running_mean_.size(), num_features_);
    detail::check_vector("running_var", running_var_.size(), num_features_);
    if (!training_ && has_running_stats()) {
      if (running_mean_.size() == 0) detail::fail_argument("running_mean must be defined in evaluation mode");
      if (running_var_.size() == 0) detail::fail_argument("running_var must be defined in evaluation mode");
    }
    if (shape.size() == 0) return {x.data, shape};
    detail::check_memory(x, "x");
    if (batch_statistics) {
      const bool updates = training_ && options_.track_running_stats && running_var_.size() > 0;
      const int least = std::max({1, options_.correction, updates ? options_.running_correction : 0});
      detail::check_values_per_channel(shape.per_channel(), least, x.dimensions);
    }
    return {x.data, shape};
  }

  template <typename T, int Rank, typename Y>
  void check_forward_output(const detail::Operand<T, Rank>& x, const Y& y) const {
    detail::check_output(
        "y", y, x, {"x", x.data, x.bytes()},
        {memory("weight", weight_), memory("bias", bias_), memory("running_mean", running_mean_),
         memory("running_var", running_var_), memory("weight_grad", weight_grad_), memory("bias_grad", bias_grad_)});
  }

  template <typename T, int Rank>
  void check_gradients(const detail::Operand<T, Rank>& x, const detail::Operand<T, Rank>& dy,
                       const ChannelView<T>& view) const {
    if (dy.dimensions != x.dimensions) {
      detail::fail_argument("dy should have the shape ", x.dimensions, " of x, not ", dy.dimensions);
    }
    detail::check_memory(dy, "dy");
    detail::check_vector("weight_grad", weight_grad_.size(), num_features_);
    detail::check_vector("bias_grad", bias_grad_.size(), num_features_);
    if (!training_ || view.size() == 0) return;
    if (remembered_ == 0) detail::fail_order("backward in training mode needs a training forward before it");
    if (view.shape.per_channel() != remembered_) {
      detail::fail_argument("x should be that of the last training forward, with ", remembered_,
                            " values per channel, not ", view.shape.per_channel());
    }
  }

  static detail::Memory memory(const char* name, const Vector& v) {
    return {name, v.data(), static_cast<std::size_t>(v.size()) * sizeof(Scalar)};
  }

  // ------------------------------------------------------------------------------------------------------------- state

  functional::Affine<Scalar> affine() const {
    return {weight_.size() > 0 ? weight_.data() : nullptr, bias_.size() > 0 ? bias_.data() : nullptr};
  }
  /// Mean, m2 and invstd in a buffer of at least [3 * num_features].
  functional::BatchStatistics split(std::vector<double>& buffer) const {
    return {buffer.data(), buffer.data() + num_features_, buffer.data() + 2 * num_features_};
  }
  template <typename T>
  static ChannelView<std::remove_const_t<T>> like(const ChannelView<T>& view, std::remove_const_t<T>* data) {
    return {data, view.shape};
  }
  static void reserve(std::vector<double>& buffer, Eigen::Index size) {
    if (static_cast<Eigen::Index>(buffer.size()) < size) buffer.resize(static_cast<std::size_t>(size));
  }

  void update_running_stats(const functional::BatchStatistics& batch) {
    if (!options_.track_running_stats) return;
    const double factor = average_factor(options_.momentum, ++num_batches_tracked_);
    const auto freedom = static_cast<double>(remembered_ - options_.running_correction);
    for (Eigen::Index c = 0; c < running_mean_.size(); ++c) {
      running_mean_[c] = updated_mean(running_mean_[c], batch.mean[c], factor);
    }
    for (Eigen::Index c = 0; c < running_var_.size(); ++c) {
      running_var_[c] = updated_var(running_var_[c], batch.m2[c] / freedom, factor);
    }
  }

  Eigen::Index num_features_;
  BatchNormOptions options_;
  bool training_ = true;
  Vector weight_, bias_;               // [C], or empty
  Vector weight_grad_, bias_grad_;     // [C], or empty
  Vector running_mean_, running_var_;  // [C], or empty
  std::int64_t num_batches_tracked_ = 0;
  Eigen::Index remembered_ = 0;  // values a channel of the last training forward; 0: there was none
  std::vector<double> batch_;    // its mean, m2 and invstd, [3, C]
  std::vector<double> work_;     // of a backward: statistics [3, C], then its two sums [2, C]
  detail::Scratch partials_;     // of chunks, when threads share a channel
};

template <typename Scalar = float>
using BatchNorm1d = BatchNorm<Scalar, 1>;
template <typename Scalar = float>
using BatchNorm2d = BatchNorm<Scalar, 2>;
template <typename Scalar = float>
using BatchNorm3d = BatchNorm<Scalar, 3>;

}  // namespace tensornorm
