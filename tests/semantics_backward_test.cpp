// What backward means, point by point: which statistics each mode differentiates through, what it remembers, where
// gradients go.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <tensornorm/tensornorm.hpp>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/random_layer.hpp"
#include "support/reference.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Matrix = Eigen::MatrixXf;
using Tensor4 = Tensor<float, 4>;

namespace {

const Dims kDims{4, 3, 2, 5};

struct Batch {
  Tensor4 x, dy;
  explicit Batch(std::uint64_t seed) {
    Random random(seed);
    x = normal_channels<Tensor4>(random, kDims, 1, [](Index c) {
      return Spread{3.0 * double(c) - 2, 0.5 + double(c)};
    });
    dy = normal<Tensor4>(random, kDims, 0.25);
  }
};

/// backward of the layer's present mode against the reference, gradients starting from zero.
void check_backward(tn::BatchNorm2d<>& bn, const Batch& batch, Statistics statistics) {
  bn.zero_grad();
  const Tensor4 dx = bn.backward(batch.x, batch.dy);
  CHECK(gradient_error(bn, logical(batch.x), logical(batch.dy), dx, statistics) <= 1);
}

}  // namespace

TEST_CASE("backward: training goes through the batch's statistics, with every correction") {
  for (const int correction : {0, 1, 3}) {
    tn::BatchNormOptions options;
    options.correction = correction;
    tn::BatchNorm2d<> bn = random_layer(3, options);
    const Batch batch(1);
    bn(batch.x);
    INFO("correction " << correction);
    check_backward(bn, batch, Statistics::kBatch);
  }
}

TEST_CASE("backward: eval takes the running statistics as constants and needs no forward before it") {
  tn::BatchNorm2d<> bn = random_layer();
  bn.eval();
  check_backward(bn, Batch(2), Statistics::kRunning);
}

TEST_CASE("backward: eval without buffers computes the batch's statistics again and differentiates through them") {
  for (const int correction : {0, 2}) {
    tn::BatchNormOptions options;
    options.track_running_stats = false;
    options.correction = correction;
    tn::BatchNorm2d<> bn = random_layer(3, options);
    const Batch other(3), batch(4);
    bn(other.x);  // remembered, and not what eval is to use
    bn.eval();
    check_backward(bn, batch, Statistics::kBatch);
  }
}

TEST_CASE("backward: buffers assigned by hand serve eval, the batch serves training") {
  tn::BatchNormOptions options;
  options.track_running_stats = false;
  tn::BatchNorm2d<> bn = random_layer(3, options);
  bn.running_mean() = Eigen::Vector3f(1, 2, 3);
  bn.running_var() = Eigen::Vector3f(0.5f, 1, 2);
  const Batch batch(5);
  bn(batch.x);
  check_backward(bn, batch, Statistics::kBatch);
  bn.eval();
  check_backward(bn, batch, Statistics::kRunning);
}

TEST_CASE("backward: training uses the last training forward, whatever happened between") {
  tn::BatchNorm2d<> bn = random_layer();
  const Batch batch(6), later(7);
  bn(later.x);
  bn(batch.x);
  tn::BatchNorm2d<> straight = bn;
  bn.eval();
  bn(later.x);
  bn.backward(later.x, later.dy);
  bn.train();
  bn.running_mean().setConstant(1e3f);
  bn.running_var().setConstant(1e-3f);
  bn.reset_running_stats();
  bn.zero_grad();
  CHECK(same_bits(bn.backward(batch.x, batch.dy), straight.backward(batch.x, batch.dy)));
  CHECK(same_bits(bn.weight_grad(), straight.weight_grad()));
  CHECK(same_bits(bn.bias_grad(), straight.bias_grad()));
}

TEST_CASE("backward: the weight is the present one, and a copy of a layer remembers what the layer did") {
  tn::BatchNorm2d<> bn = random_layer();
  const Batch batch(8);
  bn(batch.x);
  tn::BatchNorm2d<> copy = bn;
  copy.weight() *= -2.f;
  const Tensor4 dx = bn.backward(batch.x, batch.dy), scaled = copy.backward(batch.x, batch.dy);
  const Tensor4 wanted = dx * -2.f;
  CHECK(same_bits(scaled, wanted));
  CHECK(same_bits(copy.weight_grad(), bn.weight_grad()));  // dweight does not know the weight
}

TEST_CASE("backward: gradients accumulate until zero_grad, and dx does not") {
  for (const bool training : {true, false}) {
    tn::BatchNorm2d<> bn = random_layer();
    const Batch batch(9);
    bn(batch.x);
    bn.train(training);
    const Tensor4 first = bn.backward(batch.x, batch.dy);
    const Eigen::VectorXf weight_grad = bn.weight_grad(), bias_grad = bn.bias_grad();
    CHECK(weight_grad.cwiseAbs().minCoeff() > 0);
    CHECK(bias_grad.cwiseAbs().minCoeff() > 0);
    const Tensor4 second = bn.backward(batch.x, batch.dy);
    CHECK(same_bits(first, second));
    CHECK(same_bits(bn.weight_grad(), Eigen::VectorXf(2.f * weight_grad)));
    CHECK(same_bits(bn.bias_grad(), Eigen::VectorXf(2.f * bias_grad)));
    bn.zero_grad();
    CHECK(same_bits(bn.weight_grad(), Eigen::VectorXf(Eigen::VectorXf::Zero(3))));
    CHECK(same_bits(bn.bias_grad(), Eigen::VectorXf(Eigen::VectorXf::Zero(3))));
    bn.backward(batch.x, batch.dy);
    CHECK(same_bits(bn.weight_grad(), weight_grad));
    CHECK(same_bits(bn.bias_grad(), bias_grad));
  }
}

TEST_CASE("backward: y.sum() gives weight a gradient of exactly 0 and bias one of n") {
  const auto check = [](auto& bn, const auto& x) {
    auto ones = x;
    for (Index i = 0; i < ones.size(); ++i) ones.data()[i] = 1;
    bn(x);
    bn.backward(x, ones);
    const auto n = static_cast<float>(x.size() / bn.num_features());
    for (Index c = 0; c < bn.num_features(); ++c) {
      CHECK(bits(bn.weight_grad()(c)) == bits(0.f));
      CHECK(bn.bias_grad()(c) == n);
    }
  };
  Matrix x(3, 5);
  for (Index i = 0; i < 15; ++i) x(i / 5, i % 5) = static_cast<float>(i);
  tn::BatchNorm1d<> rows(5);
  check(rows, x);
  Tensor4 images(3, 2, 4, 5);
  for (Index i = 0; i < images.size(); ++i) images.data()[i] = static_cast<float>(i);
  tn::BatchNorm2d<> planes(2);
  check(planes, images);
}

TEST_CASE("backward: a gradient is added for the parameters there are") {
  for (const bool training : {true, false}) {
    for (int without = 1; without < 4; ++without) {
      tn::BatchNorm2d<> whole = random_layer(), bn = whole;
      if (without & 1) bn.weight().resize(0);
      if (without & 2) bn.bias().resize(0);
      const Batch batch(10);
      whole(batch.x);
      bn(batch.x);
      whole.train(training);
      bn.train(training);
      whole.backward(batch.x, batch.dy);
      INFO("training " << training << ", without " << without);
      check_backward(bn, batch, training ? Statistics::kBatch : Statistics::kRunning);
      const Eigen::VectorXf zero = Eigen::VectorXf::Zero(3);
      CHECK(same_bits(bn.weight_grad(), without & 1 ? zero : whole.weight_grad()));
      CHECK(same_bits(bn.bias_grad(), without & 2 ? zero : whole.bias_grad()));
    }
  }
  tn::BatchNormOptions options;
  options.affine = false;
  tn::BatchNorm2d<> bare(3, options);
  const Batch batch(11);
  bare(batch.x);
  check_backward(bare, batch, Statistics::kBatch);
  CHECK(bare.weight_grad().size() == 0);
  CHECK(bare.bias_grad().size() == 0);
}

TEST_CASE("backward: dx may be dy, and an empty dx is resized") {
  for (const bool training : {true, false}) {
    tn::BatchNorm2d<> bn = random_layer();
    const Batch batch(12);
    bn(batch.x);
    bn.train(training);
    const Tensor4 dx = bn.backward(batch.x, batch.dy);
    Tensor4 in_place = batch.dy, empty;
    bn.backward(batch.x, in_place, in_place);
    bn.backward(batch.x, batch.dy, empty);
    CHECK(same_bits(in_place, dx));
    CHECK(same_bits(empty, dx));
  }
}

TEST_CASE("backward: nothing but the gradients of the layer changes") {
  tn::BatchNorm2d<> bn = random_layer();
  const Batch batch(13);
  bn(batch.x);
  const Snapshot before(bn);
  bn.backward(batch.x, batch.dy);
  CHECK_FALSE(Snapshot(bn) == before);
  bn.zero_grad();
  CHECK(Snapshot(bn) == before);
}

TEST_CASE("backward: an empty batch gives an empty dx and adds nothing, before any forward too") {
  for (const Dims& dims : {Dims{0, 3, 2, 5}, Dims{4, 3, 0, 5}}) {
    for (const bool training : {true, false}) {
      tn::BatchNorm2d<> bn = random_layer();
      bn.train(training);
      const Snapshot before(bn);
      const Tensor4 empty = make<Tensor4>(dims);
      CHECK(dims_of(bn.backward(empty, empty)) == dims);
      Tensor4 dx;
      bn.backward(empty, empty, dx);
      CHECK(Snapshot(bn) == before);
    }
  }
}

TEST_CASE("backward: a NaN or infinity in x leaves the gradient of bias finite and other channels alone, to the bit") {
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const bool training : {true, false}) {
      tn::BatchNorm2d<> clean = random_layer(), bn = clean;
      Batch batch(14);
      clean(batch.x);
      const Eigen::VectorXf mean = clean.running_mean(), var = clean.running_var();
      clean.train(training);
      const Tensor4 wanted = clean.backward(batch.x, batch.dy);
      batch.x(2, 1, 1, 3) = poison;
      bn(batch.x);
      bn.running_mean() = mean;
      bn.running_var() = var;
      bn.train(training);
      const Tensor4 dx = bn.backward(batch.x, batch.dy);
      bool right = true;
      for_each_index(kDims, [&](const Dims& at, std::size_t) {
        if (at[1] == 1 && training) {
          right = right && std::isnan(element(dx, at));
        } else {  // in eval dx does not depend on x
          right = right && bits(element(dx, at)) == bits(element(wanted, at));
        }
      });
      CHECK(right);
      CHECK_FALSE(std::isfinite(bn.weight_grad()(1)));
      CHECK(same_bits(bn.bias_grad(), clean.bias_grad()));
      for (const Index c : {Index{0}, Index{2}}) CHECK(bits(bn.weight_grad()(c)) == bits(clean.weight_grad()(c)));
    }
  }
}

TEST_CASE("backward: a constant channel has a weight gradient of exactly 0") {
  tn::BatchNorm2d<> bn = random_layer();
  Batch batch(15);
  for (Index i = 0; i < batch.x.size(); ++i) batch.x.data()[i] = 0.1f;
  bn(batch.x);
  check_backward(bn, batch, Statistics::kBatch);
  for (Index c = 0; c < 3; ++c) CHECK(bn.weight_grad()(c) == 0);
}

TEST_CASE("backward: one RMSprop step after y.sum() moves bias to -0.1 and weight not at all") {
  tn::BatchNorm1d<> bn(5);
  Matrix x(3, 5);
  for (Index i = 0; i < 15; ++i) x(i / 5, i % 5) = static_cast<float>(i + 1);
  bn(x);
  bn.backward(x, Matrix(Matrix::Ones(3, 5)));
  const auto step = [](Eigen::VectorXf& parameter, const Eigen::VectorXf& grad) {
    const Eigen::ArrayXf square = 0.01f * grad.array().square();
    parameter.array() -= 0.01f * grad.array() / (square.sqrt() + 1e-8f);
  };
  step(bn.weight(), bn.weight_grad());
  step(bn.bias(), bn.bias_grad());
  for (Index c = 0; c < 5; ++c) {
    CHECK(bn.weight()(c) == 1);
    CHECK(bn.bias()(c) == doctest::Approx(-0.1));
  }
}
