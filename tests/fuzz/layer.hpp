// A layer's life: any options, shapes, layouts, places in memory, modes and mistakes, in any order. Every result is
// compared with the reference in long double; every mistake must throw what is documented and change nothing.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "fuzz/layer_inputs.hpp"
#include "fuzz/layer_results.hpp"
#include "fuzz/layer_subject.hpp"
#include "fuzz/outcome.hpp"

namespace tn_fuzz {

template <typename T, int Rank, int Order>
class LayerRun {
 public:
  explicit LayerRun(Bytes& bytes) : bytes_(bytes) {}

  void run() {
    const tensornorm::BatchNormOptions options = options_from(bytes_, Rank);
    const Index features = features_from(bytes_);
    const Outcome outcome = attempt([&] { subject_.emplace(Layer(features, options)); });
    Mistakes{!is_legal(features, options), false}.expect(outcome, "construction");
    if (outcome != Outcome::kDone) return;
    for (int step = 0; step < 8 && bytes_.left() > 0; ++step) {
      switch (bytes_.below(8)) {
        case 0:
        case 1:
          forward();
          break;
        case 2:
        case 3:
          backward();
          break;
        case 4:
          forward_of_impossible_size();
          break;
        case 5:
          forward_of_matrix();
          break;
        default:
          subject_->change(bytes_);
      }
    }
  }

 private:
  using Scalar = std::conditional_t<std::is_same_v<T, double>, double, float>;
  using Layer = tn_test::LayerOf<Scalar, Rank>;
  using X = tn_test::Tensor<T, Rank, Order>;
  using Wide = tn_test::Tensor<Scalar, Rank, Order>;  // of the layer's own scalar
  using Map = Eigen::TensorMap<X>;

  Layer& bn() { return subject_->bn; }
  /// Whether a backward in training is that of the forward that it goes with.
  bool is_of_last_forward(const X& x) const {
    return remembered_ && x.dimensions() == remembered_->dimensions() && tn_test::same_bits(x, *remembered_);
  }
  Dims some_dims() { return dims_from(bytes_, Rank, bn().options().channel_axis, bn().num_features()); }

  /// call() with the mistakes known; whether it passed.
  template <typename Call>
  bool passes(const Mistakes& mistakes, const char* name, Call call) {
    const Outcome outcome = attempt(call);
    mistakes.expect(outcome, name);
    return outcome == Outcome::kDone;
  }

  /// An output that does not fit x, of other sizes, without memory or over what the layer holds; `room` is its memory.
  /// Sets `wrong`, unless x is so small or large that the output would be legal.
  Map wrong_output(const X& x, X& room, bool& wrong) {
    const Index which = bytes_.below(8);
    auto dims = x.dimensions();
    if (which == 7) {
      wrong = wrong || x.size() > 0;
      return Map(nullptr, dims);
    }
    if (which < 6 && std::is_same_v<T, Scalar> && x.size() > 0) {
      auto* const vector = subject_->vectors()[static_cast<std::size_t>(which)];
      if (x.size() <= vector->size()) {
        wrong = true;
        return Map(reinterpret_cast<T*>(vector->data()), dims);
      }
    }
    ++dims[static_cast<std::size_t>(bytes_.below(Rank))];
    wrong = true;
    room = X(dims);
    room.setConstant(T(3));
    return Map(room.data(), dims);
  }

  // ---------------------------------------------------------------------------------------------------------- forward

  void forward() {
    const Dims dims = some_dims();
    const X x = tensor_from<X>(bytes_, dims);
    const Layer before = bn();
    Mistakes mistakes{subject_->input_is_wrong(dims, subject_->uses_batch()), false};
    X y;
    bool passed = false;
    switch (bytes_.below(6)) {
      case 0:
        passed = passes(mistakes, "forward", [&] { y = bn().forward(x); });
        break;
      case 1:  // an empty y is given its sizes
        passed = passes(mistakes, "forward into an empty y", [&] { bn().forward(x, y); });
        break;
      case 2:
        mistakes.order = bn().is_training();
        passed = passes(mistakes, "forward of a const layer", [&] { y = std::as_const(bn()).forward(x); });
        break;
      case 3: {
        X room;
        Map out = wrong_output(x, room, mistakes.argument);
        const X was = room;
        passed = passes(mistakes, "forward into a wrong y", [&] { bn().forward(x, out); });
        demand(tn_test::same_bits(room, was), "a y of other sizes was written to");
        break;
      }
      default: {
        Memory<T, 2> memory(bytes_, x.size());
        Map in(memory[0], x.dimensions()), out(memory[1], x.dimensions());
        std::copy_n(x.data(), x.size(), in.data());
        memory.remember();
        mistakes.argument = mistakes.argument || (memory.overlap(0, 1) && !memory.same(0, 1));
        passed = passes(mistakes, "forward in memory", [&] { bn().forward(in, out); });
        demand(memory.unchanged(passed ? 1 : -1), "memory beside y changed");
        if (x.size() > 0) y = out;
      }
    }
    if (!passed || x.size() == 0) return demand_state(before, bn(), May::kNothing);
    demand_forward<Wide>(before, bn(), x, y);
    if (before.is_training()) remembered_ = x;
  }

  /// Matrices with strides: an input is evaluated first, an output is refused unless it lies in one piece.
  void forward_of_matrix() {
    if constexpr (Rank == 2) {
      using Matrix = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>, 0, Eigen::OuterStride<>>;
      const X x = tensor_from<X>(bytes_, some_dims());
      const Index inner = x.dimension(Order == Eigen::RowMajor ? 1 : 0), pad = bytes_.below(3);
      const Index outer = x.dimension(Order == Eigen::RowMajor ? 0 : 1), pad_y = x.size() > 0 ? bytes_.below(3) : 0;
      std::vector<T> memory(static_cast<std::size_t>(outer * (inner + pad)), T(7));
      std::vector<T> memory_y(static_cast<std::size_t>(outer * (inner + pad_y)), T(7));
      Matrix in(memory.data(), x.dimension(0), x.dimension(1), Eigen::OuterStride<>(inner + pad));
      Matrix out(memory_y.data(), x.dimension(0), x.dimension(1), Eigen::OuterStride<>(inner + pad_y));
      tn_test::for_each_index(tn_test::dims_of(x),
                              [&](const Dims& at, std::size_t) { in(at[0], at[1]) = tn_test::element(x, at); });
      const std::vector<T> before_y = memory_y;
      const Layer before = bn();
      const bool in_pieces = pad_y > 0 && outer > 1;
      const bool passed =
          passes({subject_->input_is_wrong(tn_test::dims_of(x), subject_->uses_batch()) || in_pieces, false},
                 "forward of a matrix", [&] { bn().forward(in, out); });
      if (!passed) demand(tn_test::same_bits(memory_y, before_y), "y was written to");
      if (!passed || x.size() == 0) return demand_state(before, bn(), May::kNothing);
      demand_forward<Wide>(before, bn(), x, tn_test::convert<X>(out));
      if (before.is_training()) remembered_ = x;
    }
  }

  /// Sizes that are negative, or that no index can count.
  void forward_of_impossible_size() {
    using Size = typename X::Index;
    constexpr Size most = std::numeric_limits<Size>::max();
    typename X::Dimensions dims;
    for (int axis = 0; axis < Rank; ++axis) {
      const Size size = bytes_.pick<Size>({1, 3, Size{1} << 31, Size{1} << 62, most, -1, -most});
      dims[static_cast<std::size_t>(axis)] = bytes_.below(4) == 0 ? bn().num_features() : size;
    }
    const Layer before = bn();
    Map x(nullptr, dims);
    X y;
    passes({true, false}, "forward of an impossible size", [&] { bn().forward(x, y); });
    demand_state(before, bn(), May::kNothing);
  }

  // --------------------------------------------------------------------------------------------------------- backward

  void backward() {
    const bool again = bytes_.below(8) != 7 && remembered_;  // of the x that was last trained on
    const X x = again ? *remembered_ : tensor_from<X>(bytes_, some_dims());
    const Dims dims = tn_test::dims_of(x);
    const X dy = tensor_from<X>(bytes_, dims);
    const Layer before = bn();
    Mistakes mistakes{subject_->input_is_wrong(dims, !bn().is_training() && !subject_->has_running_stats()), false};
    mistakes.argument = mistakes.argument || !subject_->gradients_fit();
    if (bn().is_training() && x.size() > 0) {
      mistakes.order = !remembered_;
      mistakes.argument = mistakes.argument || (remembered_ && remembered_->size() != x.size());
    }
    X dx;
    bool passed = false;
    switch (bytes_.below(6)) {
      case 0:
        passed = passes(mistakes, "backward", [&] { dx = bn().backward(x, dy); });
        break;
      case 1:
        passed = passes(mistakes, "backward into an empty dx", [&] { bn().backward(x, dy, dx); });
        break;
      case 2: {
        X room;
        Map out = wrong_output(x, room, mistakes.argument);
        const X was = room;
        passed = passes(mistakes, "backward into a wrong dx", [&] { bn().backward(x, dy, out); });
        demand(tn_test::same_bits(room, was), "a dx of other sizes was written to");
        break;
      }
      case 3: {
        auto other_dims = x.dimensions();
        ++other_dims[static_cast<std::size_t>(bytes_.below(Rank))];
        X other(other_dims);
        other.setZero();
        mistakes.argument = true;
        passed = passes(mistakes, "backward with a dy of other sizes", [&] { dx = bn().backward(x, other); });
        break;
      }
      default:
        return backward_in_memory(mistakes, x, dy);
    }
    if (!passed || x.size() == 0) return demand_state(before, bn(), May::kNothing);
    demand_backward<Wide>(before, bn(), x, dy, dx, is_of_last_forward(x));
  }

  void backward_in_memory(Mistakes mistakes, const X& x, const X& dy) {
    const Layer before = bn();
    Memory<T, 3> memory(bytes_, x.size());
    Map in(memory[0], x.dimensions()), in_dy(memory[1], x.dimensions()), out(memory[2], x.dimensions());
    std::copy_n(dy.data(), x.size(), in_dy.data());
    std::copy_n(x.data(), x.size(), in.data());  // over a part of dy, perhaps
    memory.remember();
    const X dy_there = x.size() > 0 ? X(in_dy) : dy;
    mistakes.argument = mistakes.argument || memory.overlap(0, 2) || (memory.overlap(1, 2) && !memory.same(1, 2));
    const bool passed = passes(mistakes, "backward in memory", [&] { bn().backward(in, in_dy, out); });
    demand(memory.unchanged(passed ? 2 : -1), "memory beside dx changed");
    if (!passed || x.size() == 0) return demand_state(before, bn(), May::kNothing);
    demand_backward<Wide>(before, bn(), x, dy_there, X(out), is_of_last_forward(x));
  }

  Bytes& bytes_;
  std::optional<Subject<Layer>> subject_;
  std::optional<X> remembered_;  // x of the last training forward
};

/// One life of one layer.
inline void fuzz_layer(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  using Eigen::bfloat16;
  using Eigen::half;
  constexpr int Row = Eigen::RowMajor, Col = Eigen::ColMajor;
  switch (bytes.below(10)) {
    case 0:
      return LayerRun<float, 2, Row>(bytes).run();
    case 1:
      return LayerRun<float, 3, Col>(bytes).run();
    case 2:
      return LayerRun<float, 4, Row>(bytes).run();
    case 3:
      return LayerRun<float, 4, Col>(bytes).run();
    case 4:
      return LayerRun<float, 5, Row>(bytes).run();
    case 5:
      return LayerRun<double, 2, Col>(bytes).run();
    case 6:
      return LayerRun<double, 4, Row>(bytes).run();
    case 7:
      return LayerRun<half, 3, Row>(bytes).run();
    case 8:
      return LayerRun<bfloat16, 2, Row>(bytes).run();
    default:
      return LayerRun<half, 4, Col>(bytes).run();
  }
}

}  // namespace tn_fuzz
