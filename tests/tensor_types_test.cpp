// Every kind of Eigen tensor as input and output: ranks, storage orders, channel axes, maps, fixed sizes, expressions.
#include <doctest/doctest.h>

#include <array>
#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/random_layer.hpp"
#include "support/reference.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;

namespace {

constexpr Index kExtents[] = {4, 3, 2, 5, 3};

template <int Rank>
Dims dims_of_rank() {
  return Dims(kExtents, kExtents + Rank);
}

/// Training, eval and backward of one tensor type on one channel axis against the reference.
template <typename X>
void check_type(int channel_axis) {
  using Scalar = typename X::Scalar;
  constexpr int kRank = int{rank_of<X>()};
  const Dims dims = dims_of_rank<kRank>();
  const Index channels = dims[resolve_axis(channel_axis, dims)];
  auto bn = random_layer<LayerOf<Scalar, kRank>>(channels, on_axis(channel_axis));
  Random random(4);
  const X x = normal_channels<X>(random, dims, channel_axis, [](Index c) { return Spread{3.0 - 2 * double(c), 1.5}; });
  const X dy = normal<X>(random, dims);
  const NdArray exact_x = logical(x), exact_dy = logical(dy);
  const X y = bn(x), dx = bn.backward(x, dy);
  CHECK(output_error(bn, exact_x, y, Statistics::kBatch) <= 1);
  CHECK(gradient_error(bn, exact_x, exact_dy, dx, Statistics::kBatch) <= 1);
  bn.eval();
  bn.zero_grad();
  const X e = bn(x), de = bn.backward(x, dy);
  CHECK(output_error(bn, exact_x, e, Statistics::kRunning) <= 1);
  CHECK(gradient_error(bn, exact_x, exact_dy, de, Statistics::kRunning) <= 1);
}

}  // namespace

TEST_CASE_TEMPLATE("every rank, storage order and channel axis", Scalar, float, double) {
  for_each_rank([](auto rank) {
    constexpr int kRank = decltype(rank)::value;
    for (int axis = -kRank; axis < kRank; ++axis) {
      INFO("rank " << kRank << " channel_axis " << axis);
      check_type<Tensor<Scalar, kRank, Eigen::RowMajor>>(axis);
      check_type<Tensor<Scalar, kRank, Eigen::ColMajor>>(axis);
    }
  });
}

TEST_CASE("a negative channel axis is the one it counts back to, to the bit") {
  for_each_rank([](auto rank) {
    constexpr int kRank = decltype(rank)::value;
    using X = Tensor<float, kRank>;
    for (int axis = 0; axis < kRank; ++axis) {
      const Dims dims = dims_of_rank<kRank>();
      const Index channels = dims[static_cast<std::size_t>(axis)];
      auto forward = random_layer<LayerOf<float, kRank>>(channels, on_axis(axis));
      auto backward = random_layer<LayerOf<float, kRank>>(channels, on_axis(axis - kRank));
      Random random(5);
      const X x = normal<X>(random, dims);
      CHECK(same_bits(forward(x), backward(x)));
      CHECK(Snapshot(forward) == Snapshot(backward));
    }
  });
}

TEST_CASE("both storage orders of one tensor agree") {
  for_each_rank([](auto rank) {
    constexpr int kRank = decltype(rank)::value;
    using Row = Tensor<float, kRank, Eigen::RowMajor>;
    using Col = Tensor<float, kRank, Eigen::ColMajor>;
    const Dims dims = dims_of_rank<kRank>();
    for (int axis = 0; axis < kRank; ++axis) {
      const Index channels = dims[static_cast<std::size_t>(axis)];
      auto row_bn = random_layer<LayerOf<float, kRank>>(channels, on_axis(axis));
      auto col_bn = row_bn;
      Random random(6);
      const Row x = ill_conditioned<Row>(random, dims, axis);
      const Col same = convert<Col>(x);
      // Each within the bound of the exact value, and so within twice the bound of each other; eval shares everything.
      CHECK(output_error(row_bn, logical(x), row_bn(x), Statistics::kBatch) <= 1);
      CHECK(output_error(col_bn, logical(x), col_bn(same), Statistics::kBatch) <= 1);
      for (Index c = 0; c < channels; ++c) {
        CHECK(ulp_distance(row_bn.running_mean()(c), col_bn.running_mean()(c)) <= 1);
        CHECK(ulp_distance(row_bn.running_var()(c), col_bn.running_var()(c)) <= 1);
      }
      row_bn.running_mean() = col_bn.running_mean();
      row_bn.running_var() = col_bn.running_var();
      CHECK(same_bits(convert<Col>(row_bn.eval()(x)), col_bn.eval()(same)));
    }
  });
}

TEST_CASE("maps, fixed sizes and expressions give the bits of the tensor they stand for") {
  for_each_order([](auto order) {
    constexpr int kOrder = decltype(order)::value;
    using X = Tensor<float, 4, kOrder>;
    using Fixed = Eigen::TensorFixedSize<float, Eigen::Sizes<4, 3, 2, 5>, kOrder>;
    const Dims dims = dims_of_rank<4>();
    Random random(7);
    X x = normal<X>(random, dims), dy = normal<X>(random, dims);
    Fixed fixed, fixed_dy;
    fixed = x;
    fixed_dy = dy;
    const Eigen::TensorMap<X> map(x.data(), x.dimensions());
    const Eigen::TensorMap<const X> const_map(x.data(), x.dimensions());
    const auto prototype = random_layer<tn::BatchNorm2d<>>(3);

    for (const bool training : {true, false}) {
      auto reference = prototype;
      const X y = reference(x);
      reference.train(training);
      const X out = reference(x), dx = reference.backward(x, dy);
      const auto check = [&](const auto& in, const auto& grad) {
        auto bn = prototype;
        CHECK(same_bits(bn(in), y));
        bn.train(training);
        CHECK(same_bits(bn(in), out));
        CHECK(same_bits(bn.backward(in, grad), dx));
        CHECK(Snapshot(bn) == Snapshot(reference));
      };
      check(map, dy);
      check(const_map, Eigen::TensorMap<const X>(dy.data(), dy.dimensions()));
      check(fixed, fixed_dy);
      check(x, fixed_dy);
      check(fixed, dy * 1.f);
      check(const_map, Eigen::TensorMap<X>(dy.data(), dy.dimensions()));
    }
  });
}

TEST_CASE("expressions are evaluated first") {
  for_each_order([](auto order) {
    constexpr int kOrder = decltype(order)::value;
    using X = Tensor<float, 4, kOrder>;
    Random random(8);
    const X x = normal<X>(random, {6, 3, 4, 5}), dy = normal<X>(random, {6, 3, 4, 5});
    const auto check = [&](const auto& expression) {
      const X value = expression;
      auto bn = random_layer<tn::BatchNorm2d<>>(3), expected = bn;
      const X y = bn(expression);
      CHECK(same_bits(y, expected(value)));
      X into(value.dimensions()), in_place(value.dimensions());
      bn.forward(expression, into);
      CHECK(same_bits(into, expected(value)));
      CHECK(same_bits(bn.backward(expression, expression * 2.f), expected.backward(value, X(value * 2.f))));
      bn.eval();
      expected.eval();
      CHECK(same_bits(bn(expression), expected(value)));
      CHECK(Snapshot(bn) == Snapshot(expected));
    };
    using Four = Eigen::array<Index, 4>;
    check(x * 2.f + 1.f);
    check(x.slice(Four{1, 0, 1, 2}, Four{4, 3, 2, 3}));
    check(x.stride(Four{2, 1, 2, 1}));
    check(x.slice(Four{0, 0, 0, 0}, Four{6, 1, 4, 5}).broadcast(Four{1, 3, 1, 1}));
    check(x.shuffle(Four{0, 1, 3, 2}));
    check(x.cwiseMax(0.f));
    X both = x;
    auto bn = random_layer<tn::BatchNorm2d<>>(3), expected = bn;
    bn.forward(both * 2.f, both);  // the input is a value by the time the output is written
    CHECK(same_bits(both, expected(X(x * 2.f))));
  });
}

TEST_CASE("a chip of a larger tensor is an input like any other") {
  Random random(9);
  const auto x = normal<Tensor<float, 5>>(random, {2, 4, 3, 2, 5});
  const Tensor<float, 4> second = x.chip<0>(1);
  tn::BatchNorm2d<> bn(3), expected(3);
  CHECK(same_bits(bn(x.chip<0>(1)), expected(second)));
}

TEST_CASE("forward(x) returns x's own plain type") {
  using X = Tensor<float, 4>;
  using Col = Tensor<double, 4, Eigen::ColMajor>;
  using Fixed = Eigen::TensorFixedSize<float, Eigen::Sizes<4, 3, 2, 5>, Eigen::RowMajor>;
  using Bn = tn::BatchNorm2d<>;
  Bn* bn = nullptr;
  const Bn* shared = nullptr;
  tn::BatchNorm2d<double>* wide = nullptr;
  X x(4, 3, 2, 5);
  Fixed fixed;
  static_assert(std::is_same_v<decltype(bn->forward(x)), X>);
  static_assert(std::is_same_v<decltype((*bn)(x)), X>);
  static_assert(std::is_same_v<decltype(shared->forward(x)), X>);
  static_assert(std::is_same_v<decltype((*shared)(x)), X>);
  static_assert(std::is_same_v<decltype(bn->backward(x, x)), X>);
  static_assert(std::is_same_v<decltype(wide->forward(std::declval<Col&>())), Col>);
  static_assert(std::is_same_v<decltype(bn->forward(fixed)), Fixed>);
  static_assert(std::is_same_v<decltype(shared->forward(fixed)), Fixed>);
  static_assert(std::is_same_v<decltype(bn->backward(fixed, fixed)), Fixed>);
  static_assert(std::is_same_v<decltype(bn->forward(std::declval<Eigen::TensorMap<X>>())), X>);
  static_assert(std::is_same_v<decltype(bn->forward(std::declval<Eigen::TensorMap<const X>>())), X>);
  static_assert(std::is_same_v<decltype(bn->forward(x * 2.f)), X>);
  static_assert(std::is_same_v<decltype(bn->forward(std::declval<Tensor<Eigen::half, 4>>())), Tensor<Eigen::half, 4>>);
  CHECK(dims_of(tn::BatchNorm2d<>(3)(fixed.setZero())) == Dims{4, 3, 2, 5});
}

TEST_CASE("outputs: tensor, map, fixed size, empty and resized, in place") {
  for_each_order([](auto order) {
    constexpr int kOrder = decltype(order)::value;
    using X = Tensor<float, 4, kOrder>;
    using Fixed = Eigen::TensorFixedSize<float, Eigen::Sizes<4, 3, 2, 5>, kOrder>;
    Random random(10);
    X x = normal<X>(random, dims_of_rank<4>());
    const auto prototype = random_layer<tn::BatchNorm2d<>>(3);
    for (const bool training : {true, false}) {
      auto bn = prototype;
      bn.train(training);
      const X wanted = tn::BatchNorm2d<>(bn)(x);
      X y(4, 3, 2, 5), other(4, 3, 2, 5), empty, in_place = x, in_place_map = x;
      Fixed fixed, fixed_in_place;
      fixed_in_place = x;
      Eigen::TensorMap<X> map(other.data(), other.dimensions());
      const auto check = [&](const auto& in, auto&& out) {
        auto layer = bn;
        layer.forward(in, out);
        CHECK(same_bits(out, wanted));
      };
      check(x, y);
      check(x, map);
      check(x, Eigen::TensorMap<X>(y.setZero().data(), y.dimensions()));
      check(x, fixed);
      check(x, empty);
      check(in_place, in_place);
      check(fixed_in_place, fixed_in_place);
      check(fixed_in_place.setZero() = x, y.setZero());
      check(in_place_map, Eigen::TensorMap<X>(in_place_map.data(), in_place_map.dimensions()));
      CHECK(dims_of(empty) == dims_of(x));
      CHECK(empty.data() != x.data());
    }
  });
}

TEST_CASE("tensors with another index type") {
  using X = Eigen::Tensor<float, 4, Eigen::RowMajor, int>;
  Random random(11);
  const X x = normal<X>(random, dims_of_rank<4>());
  auto bn = random_layer<tn::BatchNorm2d<>>(3), usual = bn;
  const X y = bn(x);
  CHECK(same_bits(y, usual(convert<Tensor<float, 4>>(x))));
}
