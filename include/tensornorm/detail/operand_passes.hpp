// The passes of a layer on operands, memory with sizes, whatever Eigen types they came from; and what these passes keep
// for one another. In each: check everything, then find all memory, then write.
#pragma once

#include <vector>

#include "../layer_passes.hpp"
#include "layer_state.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// The passes of a layer with the given state, which belongs to the caller. Outputs (y, dx) are Eigen tensors or
/// matrices, as an empty one is given its size here.
template <typename Scalar>
class OperandPasses {
 public:
  using State = LayerState<Scalar>;

  explicit OperandPasses(Index num_features) : batch_(static_cast<std::size_t>(3 * num_features)) {}

  /// Normalises with the statistics of the batch, and adds them to the running ones.
  template <typename Device, typename T, int Rank, typename Y>
  void training_forward(State& state, const Device& device, const Operand<T, Rank>& x, Y& y) {
    const auto view = state.checked_view(x, true);
    state.check_apart(check_output("y", y, x, {"x", x.data, x.bytes()}));
    grow(partials_, functional::scratch_doubles(device, view));
    give_sizes(y, x.dimensions);
    if (view.size() == 0) return;
    const auto batch = statistics_in(batch_, state);
    PassesOf<T, Device>::training_forward(device, view, state.affine(), state.options.eps, state.options.correction,
                                          batch, like(view, y.data()), partials_);
    remembered_ = view.shape.per_channel();
    state.update_running_stats(batch, remembered_);
  }

  /// Normalises with the running statistics or, where there are none, with those of the batch.
  template <typename Device, typename T, int Rank, typename Y>
  static void eval_forward(const State& state, const Device& device, const Operand<T, Rank>& x, Y& y) {
    const bool running = state.has_running_stats();
    const auto view = state.checked_view(x, !running);
    state.check_apart(check_output("y", y, x, {"x", x.data, x.bytes()}));
    std::vector<double> statistics, partials;  // of the batch, where there are no running statistics
    if (!running && view.size() > 0) {
      grow(statistics, 3 * state.num_features);
      grow(partials, functional::scratch_doubles(device, view));
    }
    give_sizes(y, x.dimensions);
    if (view.size() == 0) return;
    const auto y_view = like(view, y.data());
    if (running) {
      PassesOf<T, Device>::eval_forward(device, view, state.running_mean.data(), state.running_var.data(),
                                        state.options.eps, state.affine(), y_view);
    } else {
      PassesOf<T, Device>::training_forward(device, view, state.affine(), state.options.eps, state.options.correction,
                                            statistics_in(statistics, state), y_view, partials);
    }
  }

  /// The gradient of the present mode's forward; adds those of the parameters to the state's.
  template <typename Device, typename T, int Rank, typename DX>
  void backward(State& state, const Device& device, const Operand<T, Rank>& x, const Operand<T, Rank>& dy, DX& dx) {
    using Passes = PassesOf<T, Device>;
    const Index channels = state.num_features;
    const double eps = state.options.eps;
    const int correction = state.options.correction;
    const bool of_batch = !state.training && !state.has_running_stats();  // eval with statistics, found anew from x
    const auto view = state.checked_view(x, of_batch);
    state.check_dy(dy, x);
    if (state.training && view.size() > 0) check_remembered(view.shape.per_channel());
    const auto output = check_output("dx", dx, x, {"dy", dy.data, dy.bytes()});
    check_apart(output, {"x", x.data, x.bytes()});
    state.check_apart(output);
    if (view.size() > 0) {
      grow(work_, 5 * channels);
      grow(partials_, functional::scratch_doubles(device, view));
    }
    give_sizes(dx, x.dimensions);
    if (view.size() == 0) return;

    const ChannelView<T> dy_view{dy.data, view.shape};
    const auto dx_view = like(view, dx.data());
    const functional::GradientSums sums{work_.data() + 3 * channels, work_.data() + 4 * channels};
    const auto of = statistics_in(state.training ? batch_ : work_, state);
    if (of_batch) {
      Passes::batch_moments(device, view, of, partials_);
      functional::batch_invstd(0, channels, view.shape.per_channel(), eps, correction, of);
    }
    if (state.training || of_batch) {
      Passes::training_backward(device, view, dy_view, of, state.affine(), correction, sums, dx_view, partials_);
    } else {
      const functional::BatchStatistics running{of.mean, nullptr, of.invstd};
      functional::running_statistics(channels, state.running_mean.data(), state.running_var.data(), eps, running);
      const bool parameters = state.weight.size() > 0 || state.bias.size() > 0;
      if (parameters) Passes::gradient_sums(device, view, dy_view, running, sums, partials_);
      Passes::eval_input_gradient(device, dy_view, state.running_var.data(), eps, state.affine(), dx_view);
    }
    state.add_gradients(sums, of.invstd);
  }

 private:
  template <typename T, typename Device>
  using PassesOf = LayerPasses<std::remove_const_t<T>, Device>;

  void check_remembered(Index n) const {
    if (remembered_ == 0) fail_order("backward in training mode needs a training forward before it");
    if (n != remembered_) {
      fail_argument("x should be that of the last training forward, with ", remembered_, " values per channel, not ",
                    n);
    }
  }

  /// Mean, m2 and invstd in a buffer of at least [3, C].
  static functional::BatchStatistics statistics_in(std::vector<double>& buffer, const State& state) {
    return {buffer.data(), buffer.data() + state.num_features, buffer.data() + 2 * state.num_features};
  }
  template <typename T>
  static ChannelView<std::remove_const_t<T>> like(const ChannelView<T>& view, std::remove_const_t<T>* data) {
    return {data, view.shape};
  }
  static void grow(std::vector<double>& buffer, Index size) {
    if (static_cast<Index>(buffer.size()) < size) buffer.resize(static_cast<std::size_t>(size));
  }

  Index remembered_ = 0;       // values a channel of the last training forward; 0: there was none
  std::vector<double> batch_;  // its mean, m2 and invstd, [3, C]
  std::vector<double> work_;   // of a backward: statistics [3, C], then its two sums [2, C]
  Scratch partials_;           // of chunks, when threads share a channel
};

}}}  // namespace tensornorm::v0::detail
