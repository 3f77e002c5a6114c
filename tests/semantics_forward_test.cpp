// What forward means, point by point: modes, absent parameters, corrections, momentum.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Matrix = Eigen::MatrixXf;
using Tensor4 = Tensor<float, 4>;

namespace {

const Dims kDims{4, 3, 2, 5};
constexpr int kAxis = 1;

Tensor4 batch(std::uint64_t seed) {
  Random random(seed);
  return normal_channels<Tensor4>(random, kDims, kAxis, [](Index c) {
    return Spread{2.0 * double(c) + 1, 0.5 + double(c)};
  });
}

/// Whether the layer normalised with these statistics, and whether it updated its running ones.
template <typename Layer>
void check_mode(Layer& bn, Statistics statistics, bool updates) {
  const Tensor4 x = batch(1);
  const Snapshot before(bn);
  const Layer as_it_was = bn;
  const Tensor4 y = bn.forward(x);
  CHECK(output_error(as_it_was, logical(x), y, statistics) <= 1);
  CHECK((Snapshot(bn) == before) == !updates);
}

tn::BatchNormOptions untracked() {
  tn::BatchNormOptions options;
  options.track_running_stats = false;
  return options;
}

}  // namespace

TEST_CASE("modes: a tracking layer trains on the batch and updates, and evaluates with what it tracked") {
  Random random(1);
  tn::BatchNorm2d<> bn(3);
  randomise_parameters(random, bn);
  check_mode(bn, Statistics::kBatch, true);
  CHECK(bn.num_batches_tracked() == 1);
  bn.eval();
  check_mode(bn, Statistics::kRunning, false);
  bn.train();
  check_mode(bn, Statistics::kBatch, true);
  CHECK(bn.num_batches_tracked() == 2);
}

TEST_CASE("modes: without tracking and without buffers every mode uses the batch") {
  tn::BatchNorm2d<> bn(3, untracked());
  check_mode(bn, Statistics::kBatch, false);
  bn.eval();
  check_mode(bn, Statistics::kBatch, false);
}

TEST_CASE("modes: without tracking, buffers assigned by hand serve eval and are never updated") {
  tn::BatchNorm2d<> bn(3, untracked());
  bn.running_mean() = Eigen::Vector3f(1, 2, 3);
  bn.running_var() = Eigen::Vector3f(4, 5, 6);
  check_mode(bn, Statistics::kBatch, false);
  bn.eval();
  check_mode(bn, Statistics::kRunning, false);
}

TEST_CASE("modes: a tracking layer whose buffers were emptied uses the batch and still counts") {
  tn::BatchNorm2d<> bn(3);
  bn.running_mean().resize(0);
  bn.running_var().resize(0);
  check_mode(bn, Statistics::kBatch, true);
  CHECK(bn.num_batches_tracked() == 1);
  CHECK(bn.running_mean().size() == 0);
  CHECK(bn.running_var().size() == 0);
  bn.eval();
  check_mode(bn, Statistics::kBatch, false);
}

TEST_CASE("modes: in training one emptied buffer stays empty and the other is updated") {
  tn::BatchNorm2d<> whole(3), no_mean(3), no_var(3);
  no_mean.running_mean().resize(0);
  no_var.running_var().resize(0);
  const Tensor4 x = batch(2), y = whole(x);
  CHECK(same_bits(no_mean(x), y));
  CHECK(same_bits(no_var(x), y));
  CHECK(no_mean.running_mean().size() == 0);
  CHECK(no_var.running_var().size() == 0);
  CHECK(same_bits(no_mean.running_var(), whole.running_var()));
  CHECK(same_bits(no_var.running_mean(), whole.running_mean()));
  CHECK(no_mean.num_batches_tracked() == 1);
}

TEST_CASE("either parameter may be absent: scale only, shift only, neither") {
  for (const bool training : {true, false}) {
    for (int which = 0; which < 4; ++which) {
      Random random(7);
      tn::BatchNorm2d<> bn(3);
      randomise_parameters(random, bn);
      if (which & 1) bn.weight().resize(0);
      if (which & 2) bn.bias().resize(0);
      bn.train(training);
      INFO("training " << training << ", without " << which);
      check_mode(bn, training ? Statistics::kBatch : Statistics::kRunning, training);
    }
  }
  tn::BatchNormOptions options;
  options.affine = false;
  tn::BatchNorm2d<> bare(3, options), ones(3);
  CHECK(same_bits(bare(batch(3)), ones(batch(3))));
}

TEST_CASE("correction chooses the divisor of the variance that normalises") {
  for (const int correction : {0, 1, 3}) {
    tn::BatchNormOptions options;
    options.correction = correction;
    tn::BatchNorm2d<> bn(3, options), plain(3);
    INFO("correction " << correction);
    check_mode(bn, Statistics::kBatch, true);
    plain(batch(1));
    CHECK(same_bits(bn.running_var(), plain.running_var()));  // the other divisor is another option
  }
}

TEST_CASE("running_correction chooses the divisor of the variance that is tracked") {
  const Tensor4 x = batch(4);
  const std::vector<Moments> exact = moments(logical(x), kAxis);
  for (const int correction : {0, 1, 2}) {
    tn::BatchNormOptions options;
    options.momentum = 1.0;
    options.running_correction = correction;
    tn::BatchNorm2d<> bn(3, options), plain(3);
    INFO("running_correction " << correction);
    CHECK(same_bits(bn(x), plain(x)));
    CHECK(mean_error(bn.running_mean(), exact) <= 1);
    CHECK(variance_error(bn.running_var(), exact, correction) <= 1);
  }
}

TEST_CASE_TEMPLATE("momentum: the running update, rounded as torch rounds it", Scalar, float, double) {
  using X = Tensor<Scalar, 4>;
  // The last is the cumulative average. Outside [0, 1] is legal.
  const std::vector<std::optional<double>> momenta{0.1, 0.3, 0.5, 1.0, 0.0, 1.5, -1.2, std::nullopt};
  for (const std::optional<double> momentum : momenta) {
    tn::BatchNormOptions options;
    options.momentum = momentum;
    tn::BatchNorm2d<Scalar> bn(3, options);
    // Batches whose moments are exact in any precision, so that the update alone is judged.
    for (int step = 1; step <= 20; ++step) {
      X x(4, 3, 1, 1);
      for (Index n = 0; n < 4; ++n) {
        for (Index c = 0; c < 3; ++c)
          x(n, c, 0, 0) = static_cast<Scalar>(step + 10 * c + (n % 2 == 0 ? c + 1 : -c - 1));
      }
      const double factor = momentum ? *momentum : 1.0 / step;
      const Eigen::Matrix<Scalar, -1, 1> mean = bn.running_mean(), var = bn.running_var();
      bn(x);
      for (Index c = 0; c < 3; ++c) {
        const long double m2 = 4 * (static_cast<long double>(c) + 1) * (static_cast<long double>(c) + 1);
        INFO("momentum " << factor << " step " << step << " channel " << c);
        CHECK(bn.running_mean()(c) == next_running_mean(mean(c), static_cast<long double>(step + 10 * c), factor));
        CHECK(bn.running_var()(c) == next_running_var(var(c), m2 / 3, factor));
      }
    }
    CHECK(bn.num_batches_tracked() == 20);
  }
}

TEST_CASE("momentum: the running statistics stay with the recurrence in exact arithmetic") {
  tn::BatchNormOptions options;
  options.momentum = tn::momentum_from_decay(0.95);
  tn::BatchNorm2d<> bn(3, options);
  std::vector<long double> mean(3, 0), var(3, 1);
  for (std::uint64_t step = 0; step < 50; ++step) {
    const Tensor4 x = batch(100 + step);
    bn(x);
    const std::vector<Moments> exact = moments(logical(x), kAxis);
    for (std::size_t c = 0; c < 3; ++c) {
      mean[c] = exact_step(mean[c], exact[c].mean, 1 - 0.95);
      var[c] = exact_step(var[c], exact[c].variance(1), 1 - 0.95);
      // Each step rounds a few times by half a unit, and the next ones shrink that by decay: 20 steps' worth at most.
      const auto at = static_cast<Index>(c);
      CHECK(std::abs(static_cast<long double>(bn.running_mean()(at)) - mean[c]) < 40 * unit_roundoff<float> * 8);
      CHECK(std::abs(static_cast<long double>(bn.running_var()(at)) - var[c]) < 40 * unit_roundoff<float> * 16);
    }
  }
}

TEST_CASE(
    "momentum absent: the cumulative average is every batch's mean, and a counter of 9 makes the next factor 0.1") {
  tn::BatchNormOptions options;
  options.momentum = std::nullopt;
  tn::BatchNorm1d<> bn(1, options);
  for (const float value : {1.f, 2.f, 6.f}) bn(Matrix(Eigen::Vector2f(value - 1, value + 1)));
  CHECK(bn.running_mean()(0) == doctest::Approx(3));
  CHECK(bn.running_var()(0) == doctest::Approx(2));
  bn.reset_running_stats();
  bn.set_num_batches_tracked(9);
  bn(Matrix(Eigen::Vector2f(4, 6)));
  CHECK(bn.num_batches_tracked() == 10);
  CHECK(bn.running_mean()(0) == next_running_mean(0.f, 5, 0.1));
  CHECK(bn.running_var()(0) == next_running_var(1.f, 2, 0.1));
}

TEST_CASE("momentum_from_decay is a constant expression") {
  static_assert(tn::momentum_from_decay(0.95) == 1 - 0.95);
  static_assert(tn::momentum_from_decay(0) == 1);
  CHECK(tn::momentum_from_decay(1) == 0);
}
