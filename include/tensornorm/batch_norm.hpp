// The layers: BatchNorm1d, BatchNorm2d and BatchNorm3d, with the meaning of torch.nn's.
#pragma once

#include <cstdint>
#include <ostream>
#include <utility>
#include <vector>

#include "detail/layer_loading.hpp"
#include "layer_passes.hpp"
#include "options.hpp"

namespace tensornorm { inline namespace v0 {

/// Batch normalization of tensors with `SpatialDims` axes beside batch and channels: what BatchNorm1d, 2d and 3d do.
///
/// Scalar: float or double, the type of parameters and statistics. Inputs have the same scalar; a float layer also
/// takes Eigen::half and Eigen::bfloat16, computes in float and rounds the output once. Inputs are Eigen::Tensor,
/// TensorMap, TensorFixedSize, and for rank 2 any dense Eigen matrix or array; RowMajor or ColMajor, without a copy as
/// long as their memory is contiguous. Other expressions are evaluated first.
///
/// - Meaning: torch.nn.BatchNorm2d (https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html).
/// - Errors: std::invalid_argument for wrong values, std::logic_error for a wrong order of calls. After a throw layer
///   and outputs are as they were. A layer that was moved from may only be destroyed or assigned to.
/// - Cost: O(elements) time. Once the layer has run at a size, forward(x, y) and backward(x, dy, dx) allocate
///   nothing on one thread, but for x that are expressions, and eval without running statistics.
/// - Threads: the const members, and forward in eval mode, are safe from many threads at once; the others want the
///   layer to themselves.
template <typename Scalar, int SpatialDims>
class BatchNorm {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>,
                "tensornorm: a layer's parameters are float or double");

 public:
  /// Eigen::Matrix<Scalar, Eigen::Dynamic, 1>: one number a channel, [C].
  using Vector = typename detail::LayerState<Scalar>::Vector;

  /// A layer in training mode for num_features channels: weight 1, bias 0, running_mean 0, running_var 1.
  /// Throws std::invalid_argument when num_features, eps, momentum or a correction makes no sense.
  explicit BatchNorm(Eigen::Index num_features, BatchNormOptions options = {})
      : state_(num_features, options), batch_(static_cast<std::size_t>(3 * num_features)) {}

  /// A copy.
  BatchNorm(const BatchNorm&) = default;
  /// Takes over what the other has.
  BatchNorm(BatchNorm&&) = default;
  /// Takes over what the other has.
  BatchNorm& operator=(BatchNorm&&) = default;
  /// By way of a copy: when memory for that runs out, this layer is as it was.
  BatchNorm& operator=(const BatchNorm& other) { return *this = BatchNorm(other); }

  /// Training mode: batch statistics normalise, and enter the running statistics.
  BatchNorm& train(bool mode = true) {
    state_.training = mode;
    return *this;
  }
  /// Eval mode: the running statistics normalise; where there are none, those of the batch.
  BatchNorm& eval() { return train(false); }
  /// Whether the layer is in training mode, as a new one is.
  bool is_training() const { return state_.training; }

  /// \name Forward
  /// The const ones are for eval mode only: on a layer in training mode they throw std::logic_error.
  ///@{

  /// y = (x - mean) / sqrt(var + eps) * weight + bias, in a new tensor of x's plain type and shape.
  template <typename X>
  auto forward(const X& x) {
    return forward_to_new(*this, x);
  }
  /// The same, in eval mode.
  template <typename X>
  auto forward(const X& x) const {
    return forward_to_new(*this, x);
  }
  /// forward(x).
  template <typename X>
  auto operator()(const X& x) {
    return forward_to_new(*this, x);
  }
  /// forward(x), in eval mode.
  template <typename X>
  auto operator()(const X& x) const {
    return forward_to_new(*this, x);
  }

  /// The same into y, of x's shape, scalar and storage order. y may be x, which a backward after a training forward
  /// would then miss. An empty y that owns its memory is resized.
  template <typename X, typename Y>
  void forward(const X& x, Y&& y) {
    forward(Eigen::DefaultDevice{}, x, y);
  }
  /// The same, in eval mode.
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
  /// The same, in eval mode.
  template <typename Device, typename X, typename Y>
  void forward(const Device& device, const X& x, Y&& y) const {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, std::decay_t<Y>>();
    const detail::Input<X> in(x);
    forward_operand(device, in.operand(), y);
  }

  ///@}
  /// \name Backward
  ///@{

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
  /// The same on a device, with the same bits on every one.
  template <typename Device, typename X, typename DY, typename DX>
  void backward(const Device& device, const X& x, const DY& dy, DX&& dx) {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, DY>();
    detail::check_same_kind<X, std::decay_t<DX>>();
    const detail::Input<X> in(x);
    const detail::Input<DY> in_dy(dy);
    backward_operand(device, in.operand(), in_dy.operand(), dx);
  }

  ///@}
  /// \name Parameters, statistics and gradients
  ///@{

  /// Size num_features, or 0 where the layer has none. They may be assigned to; a wrong size throws in the next pass
  /// that uses it.
  Vector& weight() { return state_.weight; }                          ///< gamma, [C] or empty
  Vector& bias() { return state_.bias; }                              ///< beta, [C] or empty
  Vector& running_mean() { return state_.running_mean; }              ///< average of the batches' means, [C] or empty
  Vector& running_var() { return state_.running_var; }                ///< average of their variances, [C] or empty
  Vector& weight_grad() { return state_.weight_grad; }                ///< summed by backward, [C] or empty
  Vector& bias_grad() { return state_.bias_grad; }                    ///< likewise
  const Vector& weight() const { return state_.weight; }              ///< gamma, [C] or empty
  const Vector& bias() const { return state_.bias; }                  ///< beta, [C] or empty
  const Vector& running_mean() const { return state_.running_mean; }  ///< average of the batches' means, [C] or empty
  const Vector& running_var() const { return state_.running_var; }    ///< average of their variances, [C] or empty
  const Vector& weight_grad() const { return state_.weight_grad; }    ///< summed by backward, [C] or empty
  const Vector& bias_grad() const { return state_.bias_grad; }        ///< likewise
  /// weight_grad and bias_grad back to 0. O(C).
  void zero_grad() { state_.weight_grad.setZero(), state_.bias_grad.setZero(); }

  /// Training forwards since the statistics were reset, counted up to 2^63 - 1.
  std::int64_t num_batches_tracked() const { return state_.num_batches_tracked; }
  /// Throws std::invalid_argument when count is below 0.
  void set_num_batches_tracked(std::int64_t count) {
    if (count < 0) detail::fail_argument("num_batches_tracked should be at least 0, not ", count);
    state_.num_batches_tracked = count;
  }

  /// running_mean 0, running_var 1, counter 0; nothing on a layer that does not track.
  void reset_running_stats() { state_.reset_running_stats(); }
  /// The same, and weight 1 and bias 0 on an affine layer.
  void reset_parameters() { state_.reset_parameters(); }

  ///@}
  /// \name State
  ///@{

  /// weight, bias, running_mean, running_var and num_batches_tracked, as far as the layer has them, with the prefix
  /// ("features.1.") before every name.
  StateDict state_dict(const std::string& prefix = "") const { return detail::saved_state(state_, prefix); }

  /// Parameters and statistics from a dict, converted to the layer's scalar: the meaning and words of
  /// torch.nn.Module.load_state_dict. Missing and unexpected names are errors when `strict`, wrong shapes and values
  /// always; num_batches_tracked may be missing. Names without the prefix are no concern of this layer's.
  /// Throws std::invalid_argument with all that is wrong in one message; nothing is changed then.
  void load_state_dict(const StateDict& dict, const std::string& prefix = "", bool strict = true) {
    detail::load_state(state_, name(), dict, prefix, strict);
  }

  ///@}

  /// The number of channels, C, that the layer was made for.
  Eigen::Index num_features() const { return state_.num_features; }
  /// The options that it was made with.
  const BatchNormOptions& options() const { return state_.options; }

  /// As PyTorch prints it, with other options where they differ from PyTorch's.
  friend std::ostream& operator<<(std::ostream& out, const BatchNorm& layer) {
    return out << detail::layer_text(name(), layer.num_features(), layer.options());
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

  // In each pass: check everything, then find all memory, then write.

  template <typename Device, typename T, int Rank, typename Y>
  void forward_operand(const Device& device, const detail::Operand<T, Rank>& x, Y& y) {
    using Passes = LayerPasses<std::remove_const_t<T>, Device>;
    if (!state_.training) return std::as_const(*this).forward_operand(device, x, y);
    const auto view = state_.checked_view(x, true);
    state_.check_apart(detail::check_output("y", y, x, {"x", x.data, x.bytes()}));
    grow(partials_, functional::scratch_doubles(device, view));
    detail::give_sizes(y, x.dimensions);
    if (view.size() == 0) return;
    const functional::BatchStatistics batch = split(batch_);
    Passes::training_forward(device, view, state_.affine(), options().eps, options().correction, batch,
                             like(view, y.data()), partials_);
    remembered_ = view.shape.per_channel();
    state_.update_running_stats(batch, remembered_);
  }

  template <typename Device, typename T, int Rank, typename Y>
  void forward_operand(const Device& device, const detail::Operand<T, Rank>& x, Y& y) const {
    using Passes = LayerPasses<std::remove_const_t<T>, Device>;
    if (state_.training) {
      detail::fail_order(name(), " is const and in training mode, where forward would change it: call eval() first");
    }
    const bool running = state_.has_running_stats();
    const auto view = state_.checked_view(x, !running);
    state_.check_apart(detail::check_output("y", y, x, {"x", x.data, x.bytes()}));
    std::vector<double> statistics, partials;  // of the batch, where there are no running statistics
    if (!running && view.size() > 0) {
      grow(statistics, 3 * num_features());
      grow(partials, functional::scratch_doubles(device, view));
    }
    detail::give_sizes(y, x.dimensions);
    if (view.size() == 0) return;
    if (running) {
      Passes::eval_forward(device, view, running_mean().data(), running_var().data(), options().eps, state_.affine(),
                           like(view, y.data()));
    } else {
      Passes::training_forward(device, view, state_.affine(), options().eps, options().correction, split(statistics),
                               like(view, y.data()), partials);
    }
  }

  template <typename Device, typename T, int Rank, typename DX>
  void backward_operand(const Device& device, const detail::Operand<T, Rank>& x, const detail::Operand<T, Rank>& dy,
                        DX& dx) {
    using Passes = LayerPasses<std::remove_const_t<T>, Device>;
    const bool again = !state_.training && !state_.has_running_stats();  // batch statistics, found again from x
    const auto view = state_.checked_view(x, again);
    state_.check_dy(dy, x);
    if (state_.training && view.size() > 0) check_remembered(view.shape.per_channel());
    const auto output = detail::check_output("dx", dx, x, {"dy", dy.data, dy.bytes()});
    detail::check_apart(output, {"x", x.data, x.bytes()});
    state_.check_apart(output);
    grow(work_, 5 * num_features());
    grow(partials_, functional::scratch_doubles(device, view));
    detail::give_sizes(dx, x.dimensions);
    if (view.size() == 0) return;

    const ChannelView<T> dy_view{dy.data, view.shape};
    const auto dx_view = like(view, dx.data());
    const functional::GradientSums sums{work_.data() + 3 * num_features(), work_.data() + 4 * num_features()};
    const functional::BatchStatistics of = split(state_.training ? batch_ : work_);
    if (again) {
      Passes::batch_moments(device, view, of, partials_);
      functional::batch_invstd(0, num_features(), view.shape.per_channel(), options().eps, options().correction, of);
    }
    if (state_.training || again) {
      Passes::training_backward(device, view, dy_view, of.mean, of.invstd, state_.affine(), options().correction, sums,
                                dx_view, partials_);
    } else {
      for (Eigen::Index c = 0; c < num_features(); ++c) {
        of.mean[c] = static_cast<double>(running_mean()[c]);
        of.invstd[c] = 1 / std::sqrt(static_cast<double>(running_var()[c]) + options().eps);
      }
      const bool parameters = weight().size() > 0 || bias().size() > 0;
      if (parameters) Passes::gradient_sums(device, view, dy_view, of.mean, sums, partials_);
      Passes::eval_input_gradient(device, dy_view, running_var().data(), options().eps, state_.affine(), dx_view);
    }
    state_.add_gradients(sums, of.invstd);
  }

  void check_remembered(Eigen::Index n) const {
    if (remembered_ == 0) detail::fail_order("backward in training mode needs a training forward before it");
    if (n != remembered_) {
      detail::fail_argument("x should be that of the last training forward, with ", remembered_,
                            " values per channel, not ", n);
    }
  }

  /// Mean, m2 and invstd in a buffer of at least [3, C].
  functional::BatchStatistics split(std::vector<double>& buffer) const {
    return {buffer.data(), buffer.data() + num_features(), buffer.data() + 2 * num_features()};
  }
  template <typename T>
  static ChannelView<std::remove_const_t<T>> like(const ChannelView<T>& view, std::remove_const_t<T>* data) {
    return {data, view.shape};
  }
  static void grow(std::vector<double>& buffer, Eigen::Index size) {
    if (static_cast<Eigen::Index>(buffer.size()) < size) buffer.resize(static_cast<std::size_t>(size));
  }

  detail::LayerState<Scalar> state_;
  Eigen::Index remembered_ = 0;  // values a channel of the last training forward; 0: there was none
  std::vector<double> batch_;    // its mean, m2 and invstd, [3, C]
  std::vector<double> work_;     // of a backward: statistics [3, C], then its two sums [2, C]
  detail::Scratch partials_;     // of chunks, when threads share a channel
};

/// BatchNorm for (N, C) and (N, C, L).
template <typename Scalar = float>
class BatchNorm1d : public BatchNorm<Scalar, 1> {
 public:
  using BatchNorm<Scalar, 1>::BatchNorm;
  /// BatchNorm::train().
  BatchNorm1d& train(bool mode = true) { return BatchNorm<Scalar, 1>::train(mode), *this; }
  /// BatchNorm::eval().
  BatchNorm1d& eval() { return train(false); }
};
/// Without a scalar a layer is of float: BatchNorm1d bn(64).
explicit BatchNorm1d(Eigen::Index, BatchNormOptions = {})->BatchNorm1d<>;

/// BatchNorm for (N, C, H, W).
template <typename Scalar = float>
class BatchNorm2d : public BatchNorm<Scalar, 2> {
 public:
  using BatchNorm<Scalar, 2>::BatchNorm;
  /// BatchNorm::train().
  BatchNorm2d& train(bool mode = true) { return BatchNorm<Scalar, 2>::train(mode), *this; }
  /// BatchNorm::eval().
  BatchNorm2d& eval() { return train(false); }
};
/// Without a scalar a layer is of float: BatchNorm2d bn(64).
explicit BatchNorm2d(Eigen::Index, BatchNormOptions = {})->BatchNorm2d<>;

/// BatchNorm for (N, C, D, H, W).
template <typename Scalar = float>
class BatchNorm3d : public BatchNorm<Scalar, 3> {
 public:
  using BatchNorm<Scalar, 3>::BatchNorm;
  /// BatchNorm::train().
  BatchNorm3d& train(bool mode = true) { return BatchNorm<Scalar, 3>::train(mode), *this; }
  /// BatchNorm::eval().
  BatchNorm3d& eval() { return train(false); }
};
/// Without a scalar a layer is of float: BatchNorm3d bn(64).
explicit BatchNorm3d(Eigen::Index, BatchNormOptions = {})->BatchNorm3d<>;

}}  // namespace tensornorm::v0
