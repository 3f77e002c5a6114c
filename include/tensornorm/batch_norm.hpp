// The layers: BatchNorm1d, BatchNorm2d and BatchNorm3d, with the meaning of torch.nn's.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include "detail/layer_loading.hpp"
#include "detail/operand_passes.hpp"
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
///   nothing on one thread, but for inputs that are expressions or not contiguous, and eval without running statistics.
/// - Threads: the const members, and forward in eval mode, are safe from many threads at once; the others want the
///   layer to themselves.
template <typename Scalar, int SpatialDims>
class BatchNorm {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>,
                "tensornorm: a layer's parameters are float or double");
  static_assert(SpatialDims >= 1 && SpatialDims <= 3, "tensornorm: there are BatchNorm1d, 2d and 3d");

 public:
  /// Eigen::Matrix<Scalar, Eigen::Dynamic, 1>: one number a channel, [C].
  using Vector = typename detail::LayerState<Scalar>::Vector;

  /// A layer in training mode for num_features channels: weight 1, bias 0, running_mean 0, running_var 1.
  /// Throws std::invalid_argument when num_features, eps, momentum or a correction makes no sense.
  explicit BatchNorm(Eigen::Index num_features, BatchNormOptions options = {})
      : state_(num_features, options), passes_(num_features) {}

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
    run_forward(device, in.operand(), y);
  }
  /// The same, in eval mode.
  template <typename Device, typename X, typename Y>
  void forward(const Device& device, const X& x, Y&& y) const {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, std::decay_t<Y>>();
    const detail::Input<X> in(x);
    run_forward(device, in.operand(), y);
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
    passes_.backward(state_, device, in.operand(), in_dy.operand(), dx);
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

  /// As PyTorch prints it, numbers in six digits, with other options where they differ from PyTorch's.
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
    layer.run_forward(Eigen::DefaultDevice{}, in.operand(), y);
    return y;
  }

  template <typename Device, typename X, typename Y>
  void run_forward(const Device& device, const X& x, Y& y) {
    if (!state_.training) return std::as_const(*this).run_forward(device, x, y);
    passes_.training_forward(state_, device, x, y);
  }
  template <typename Device, typename X, typename Y>
  void run_forward(const Device& device, const X& x, Y& y) const {
    if (state_.training) {
      detail::fail_order(name(), " is const and in training mode, where forward would change it: call eval() first");
    }
    passes_.eval_forward(state_, device, x, y);
  }

  detail::LayerState<Scalar> state_;
  detail::OperandPasses<Scalar> passes_;
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
