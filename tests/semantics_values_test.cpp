// What forward does with values that are out of the ordinary: variance 0, empty batches, NaN and infinity, narrow
// types; and what other normalisations are in its terms.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <tensornorm/tensornorm.hpp>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Matrix = Eigen::MatrixXf;
using Tensor4 = Tensor<float, 4>;

namespace {

const Dims kDims{4, 3, 2, 5};
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Tensor4 batch(std::uint64_t seed) {
  Random random(seed);
  return normal<Tensor4>(random, kDims, 1, 2);
}

}  // namespace

TEST_CASE("eps = 0 and variance 0: y is bias in training, not finite in eval") {
  tn::BatchNormOptions options;
  options.eps = 0;
  tn::BatchNorm1d<> bn(2, options);
  bn.weight() << 3, -2;
  bn.bias() << 0.1f, -7;
  Matrix x(5, 2);
  x.col(0).setConstant(0.1f);
  x.col(1) << 1, 2, 3, 4, 6;
  const Matrix y = bn(x);
  for (Index n = 0; n < 5; ++n) CHECK(bits(y(n, 0)) == bits(0.1f));
  CHECK(output_error(bn, logical(x), y, Statistics::kBatch) <= 1);

  bn.eval();
  bn.running_mean() << 0.1f, 2;
  bn.running_var() << 0, 4;
  x(4, 0) = 1;
  const Matrix e = bn(x);
  for (Index n = 0; n < 4; ++n) CHECK(std::isnan(e(n, 0)));  // 0 * inf
  CHECK_FALSE(std::isfinite(e(4, 0)));
  for (Index n = 0; n < 5; ++n) CHECK(e(n, 1) == doctest::Approx(static_cast<double>((x(n, 1) - 2) / -1.f - 7.f)));
}

TEST_CASE("an empty batch: empty output, nothing counted, nothing tracked, nothing forgotten") {
  for_each_order([](auto order) {
    using X = Tensor<float, 4, decltype(order)::value>;
    for (const bool training : {true, false}) {
      tn::BatchNorm2d<> bn(3);
      Random random(5);
      const X x = normal<X>(random, kDims), dy = normal<X>(random, kDims);
      bn(x);
      tn::BatchNorm2d<> other = bn;
      const Snapshot before(bn.train(training));
      for (const Dims& dims : {Dims{0, 3, 2, 5}, Dims{4, 3, 0, 5}, Dims{4, 3, 2, 0}}) {
        const X empty = make<X>(dims);
        CHECK(dims_of(bn(empty)) == dims);
        X y = make<X>(dims), map_target;
        bn.forward(empty, y);
        bn.forward(empty, map_target);
        CHECK(dims_of(y) == dims);
        CHECK(Snapshot(bn) == before);
      }
      bn.train();
      CHECK(same_bits(bn.backward(x, dy), other.backward(x, dy)));  // the remembered statistics are those of x
    }
  });
  tn::BatchNorm1d<> rows(3);
  CHECK(dims_of(rows(Matrix(0, 3))) == Dims{0, 3});
  CHECK(rows.num_batches_tracked() == 0);
}

TEST_CASE("training: infinities of both signs make the running mean NaN") {
  tn::BatchNorm1d<> bn(1);
  const Matrix y = bn(Matrix(Eigen::Vector4f(1, kInf, -kInf, 2)));
  CHECK(y.array().isNaN().all());
  CHECK(std::isnan(bn.running_mean()(0)));
  CHECK(std::isnan(bn.running_var()(0)));
}

TEST_CASE("eval: NaN and infinity element by element, and a NaN parameter or a negative variance in its channel") {
  Random random(8);
  tn::BatchNorm2d<> bn(3);
  randomise_parameters(random, bn);
  bn.weight() << 2, -2, 1;
  bn.eval();
  Tensor4 x = batch(9), clean = bn(x);
  x(0, 0, 1, 4) = kNaN;
  x(1, 0, 0, 0) = kInf;
  x(2, 1, 1, 1) = kInf;
  x(3, 2, 1, 4) = -kInf;
  Tensor4 y = bn(x);
  CHECK(std::isnan(y(0, 0, 1, 4)));
  CHECK(y(1, 0, 0, 0) == kInf);
  CHECK(y(2, 1, 1, 1) == -kInf);
  CHECK(y(3, 2, 1, 4) == -kInf);
  for (const Dims& index : {Dims{0, 0, 1, 4}, Dims{1, 0, 0, 0}, Dims{2, 1, 1, 1}, Dims{3, 2, 1, 4}}) {
    element(y, index) = element(clean, index);
  }
  CHECK(same_bits(y, clean));

  const auto only_channel_one_is_nan = [&](const Tensor4& got) {
    bool right = true;
    for_each_index(kDims, [&](const Dims& at, std::size_t) {
      right = right && (at[1] == 1 ? std::isnan(element(got, at)) : bits(element(got, at)) == bits(element(clean, at)));
    });
    return right;
  };
  tn::BatchNorm2d<> negative = bn, spoilt = bn;
  negative.running_var()(1) = -1;
  CHECK(only_channel_one_is_nan(negative(batch(9))));
  spoilt.weight()(1) = kNaN;
  CHECK(only_channel_one_is_nan(spoilt(batch(9))));
}

// Their outputs are promise 10.
TEST_CASE_TEMPLATE("half and bfloat16 inputs leave a float layer as the same floats do", Low, Eigen::half,
                   Eigen::bfloat16) {
  for_each_order([](auto order) {
    constexpr int kOrder = decltype(order)::value;
    using Narrow = Tensor<Low, 4, kOrder>;
    using Wide = Tensor<float, 4, kOrder>;
    for (const Dims& dims : {kDims, Dims{2, 3, 9, 11}, Dims{70, 3, 1, 1}}) {
      Random random(10);
      tn::BatchNorm2d<> bn(3);
      randomise_parameters(random, bn);
      tn::BatchNorm2d<> wide_bn = bn;
      const Narrow x = normal<Narrow>(random, dims, 3, 2), dy = normal<Narrow>(random, dims);
      const Wide wide_x = convert<Wide>(x), wide_dy = convert<Wide>(dy);
      INFO(to_text(dims, 1, kOrder, 10));
      for (const bool training : {true, false}) {
        bn.train(training);
        wide_bn.train(training);
        bn(x);
        wide_bn(wide_x);
        bn.backward(x, dy);
        wide_bn.backward(wide_x, wide_dy);
        CHECK(Snapshot(bn) == Snapshot(wide_bn));
      }
    }
  });
}

TEST_CASE("InstanceNorm is batch norm on (1, N*C, ...), GroupNorm and LayerNorm on (1, N*G, ...)") {
  constexpr Index kN = 4, kC = 6;
  Random random(11);
  const auto x = normal<Tensor4>(random, {kN, kC, 2, 5}, 1, 2);
  tn::BatchNormOptions options;
  options.affine = false;
  options.track_running_stats = false;
  // Groups of one channel: instance norm; of three: group norm; of all: layer norm.
  for (const Index groups : {kC, Index{2}, Index{1}}) {
    const Index channels = kC / groups;  // of a group
    tn::BatchNorm2d<> bn(kN * groups, options);
    const Tensor4 y = bn(x.reshape(Eigen::array<Index, 4>{1, kN * groups, channels * 2, 5})).reshape(x.dimensions());
    Worst worst;
    for (Index n = 0; n < kN; ++n) {
      for (Index g = 0; g < groups; ++g) {
        const auto each = [&](auto visit) {
          for (Index c = g * channels; c < (g + 1) * channels; ++c) {
            for (Index i = 0; i < 10; ++i) visit(n, c, i / 5, i % 5);
          }
        };
        double mean = 0, m2 = 0;
        const double size = 10.0 * double(channels);
        each([&](Index a, Index b, Index c, Index d) { mean += static_cast<double>(x(a, b, c, d)) / size; });
        each([&](Index a, Index b, Index c, Index d) { m2 += std::pow(static_cast<double>(x(a, b, c, d)) - mean, 2); });
        each([&](Index a, Index b, Index c, Index d) {
          const double wanted = (static_cast<double>(x(a, b, c, d)) - mean) / std::sqrt(m2 / size + 1e-5);
          // Promise 2, weight being 1 and bias 0; u^2 * mean and what 60 doubles are summed with are less than 1e-13.
          const double bound = static_cast<double>(unit_roundoff<float>) * (5 * std::abs(wanted) + 0.25) + 1e-13;
          worst.add(std::abs(static_cast<double>(y(a, b, c, d)) - wanted) / bound);
        });
      }
    }
    INFO("groups " << groups);
    CHECK(worst.ratio() <= 1);
  }
}
