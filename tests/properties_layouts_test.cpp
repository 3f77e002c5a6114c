// What must hold of one batch in every layout, and of one piece of memory under every type that can name it. Over
// random cases; support/random_cases.hpp says how to run one of them again.
#include <doctest/doctest.h>

#include <algorithm>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/hard_cases.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/random_cases.hpp"
#include "support/reference.hpp"

namespace tn = tensornorm;
using namespace tn_test;

namespace {

/// The same values with the channels on another axis, as a tensor of type To.
template <typename To, typename X>
To moved(const X& x, const Layout& from, const Layout& to) {
  To out = make<To>(to.dims);
  for_each_index(from.shape, [&](const Dims& at, std::size_t) {
    element(out, with_channels_at(at, to.axis)) = element(x, with_channels_at(at, from.axis));
  });
  return out;
}

template <typename To, typename X>
void check_layouts(const X& x, const X& dy, const Layout& layout, const Layout& other_layout, Random& random) {
  auto bn = with_random_affine(recording_layer<float>(layout.channels(), layout.axis), random);
  auto other = recording_layer<float>(layout.channels(), other_layout.axis);
  other.weight() = bn.weight();
  other.bias() = bn.bias();
  const To other_x = moved<To>(x, layout, other_layout), other_dy = moved<To>(dy, layout, other_layout);
  INFO("the other: " << to_text(other_layout.dims) << " channel_axis " << other_layout.axis);
  const NdArray exact = logical(other_x);
  const std::vector<Moments> exact_moments = moments(exact, other_layout.axis);
  CHECK(output_error(other, exact, other(other_x), Statistics::kBatch) <= 1);
  CHECK(mean_error(other.running_mean(), exact_moments) <= 1);
  CHECK(variance_error(other.running_var(), exact_moments, 1) <= 1);
  const To other_dx = other.backward(other_x, other_dy);
  CHECK(gradient_error(other, exact, logical(other_dy), other_dx, Statistics::kBatch) <= 1);

  bn.running_mean() = other.running_mean();
  bn.running_var() = other.running_var();
  bn.eval();
  other.eval();
  CHECK(same_bits(other(other_x), moved<To>(bn(x), layout, other_layout)));
  CHECK(same_bits(other.backward(other_x, other_dy), moved<To>(bn.backward(x, dy), layout, other_layout)));
}

}  // namespace

TEST_CASE("property: every layout of a batch keeps the bounds and in eval the bits") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    const X x = ill_conditioned<X>(random, layout.dims, layout.axis), dy = normal<X>(random, layout.dims);
    const Layout other{layout.shape, static_cast<int>(random.below(4))};
    if (random.below(2) == 0) {
      check_layouts<Tensor<float, 4, Eigen::RowMajor>>(x, dy, layout, other, random);
    } else {
      check_layouts<Tensor<float, 4, Eigen::ColMajor>>(x, dy, layout, other, random);
    }
  });
}

namespace {

/// What a training and an eval step leave behind, in the order of memory.
struct Trace {
  std::vector<float> y, dx, eval, eval_dx, running_mean, running_var, weight_grad, bias_grad;

  bool operator==(const Trace& other) const {
    return same_bits(y, other.y) && same_bits(dx, other.dx) && same_bits(eval, other.eval) &&
           same_bits(eval_dx, other.eval_dx) && same_bits(running_mean, other.running_mean) &&
           same_bits(running_var, other.running_var) && same_bits(weight_grad, other.weight_grad) &&
           same_bits(bias_grad, other.bias_grad);
  }
};

template <typename X>
std::vector<float> values_of(const X& x) {
  return std::vector<float>(x.data(), x.data() + x.size());
}

/// Layer: with the parameters of `like`, for x and dy, tensors or maps or matrices of the same memory.
template <typename Layer, typename X>
Trace trace(const tn::BatchNorm2d<>& like, int axis, const X& x, const X& dy) {
  tn::BatchNormOptions options = like.options();
  options.channel_axis = axis;
  Layer bn(like.num_features(), options);
  bn.weight() = like.weight();
  bn.bias() = like.bias();
  bn.running_mean() = like.running_mean();
  bn.running_var() = like.running_var();
  Trace of;
  of.y = values_of(bn(x));
  of.dx = values_of(bn.backward(x, dy));
  bn.eval();
  of.eval = values_of(bn(x));
  of.eval_dx = values_of(bn.backward(x, dy));
  of.running_mean = values_of(bn.running_mean());
  of.running_var = values_of(bn.running_var());
  of.weight_grad = values_of(bn.weight_grad());
  of.bias_grad = values_of(bn.bias_grad());
  return of;
}

}  // namespace

TEST_CASE("property: every type over the same memory gives the same bits") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    constexpr int kOrder = decltype(order)::value;
    constexpr bool kRows = kOrder == Eigen::RowMajor;
    constexpr int kOther = kRows ? Eigen::ColMajor : Eigen::RowMajor;
    using X = Tensor<float, 4, kOrder>;
    const X x = ill_conditioned<X>(random, layout.dims, layout.axis), dy = normal<X>(random, layout.dims);
    const tn::BatchNorm2d<> bn = random_layer(random, layout);
    const Trace expected = trace<tn::BatchNorm2d<>>(bn, layout.axis, x, dy);

    // Memory that starts anywhere.
    std::vector<float> x_memory(static_cast<std::size_t>(x.size()) + 16), dy_memory = x_memory;
    float* const x_at = x_memory.data() + random.below(16);
    float* const dy_at = dy_memory.data() + random.below(16);
    std::copy(x.data(), x.data() + x.size(), x_at);
    std::copy(dy.data(), dy.data() + dy.size(), dy_at);
    const Dims& d = layout.dims;
    using Map = Eigen::TensorMap<const X>;
    CHECK(trace<tn::BatchNorm2d<>>(bn, layout.axis - 4, Map(x_at, d[0], d[1], d[2], d[3]),
                                   Map(dy_at, d[0], d[1], d[2], d[3])) == expected);
    // The axes listed the other way round.
    using Reversed = Eigen::TensorMap<const Tensor<float, 4, kOther>>;
    CHECK(trace<tn::BatchNorm2d<>>(bn, 3 - layout.axis, Reversed(x_at, d[3], d[2], d[1], d[0]),
                                   Reversed(dy_at, d[3], d[2], d[1], d[0])) == expected);
    // Axes on the same side of the channels taken together, or more of them.
    Index before = 1, after = 1;
    for (int axis = 0; axis < 4; ++axis) {
      if (axis < layout.axis) before *= d[static_cast<std::size_t>(axis)];
      if (axis > layout.axis) after *= d[static_cast<std::size_t>(axis)];
    }
    const Index channels = layout.channels();
    using Map3 = Eigen::TensorMap<const Tensor<float, 3, kOrder>>;
    CHECK(trace<tn::BatchNorm1d<>>(bn, 1, Map3(x_at, before, channels, after), Map3(dy_at, before, channels, after)) ==
          expected);
    using Map5 = Eigen::TensorMap<const Tensor<float, 5, kOrder>>;
    CHECK(trace<tn::BatchNorm3d<>>(bn, 2, Map5(x_at, 1, before, channels, 1, after),
                                   Map5(dy_at, 1, before, channels, 1, after)) == expected);
    // Matrices, where axes of one lie on one side at least.
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, kOrder>;
    using MatrixMap = Eigen::Map<const Matrix>;
    if (after == 1) {
      CHECK(trace<tn::BatchNorm1d<>>(bn, 1, MatrixMap(x_at, before, channels), MatrixMap(dy_at, before, channels)) ==
            expected);
    } else if (before == 1) {
      CHECK(trace<tn::BatchNorm1d<>>(bn, 0, MatrixMap(x_at, channels, after), MatrixMap(dy_at, channels, after)) ==
            expected);
    }
  });
}
