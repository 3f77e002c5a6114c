// running_stats.hpp: the running statistics rounded as torch 1.13 rounds them, over many steps, bit for bit.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <tensornorm/running_stats.hpp>
#include <vector>

#include "support/bits.hpp"

namespace {

using tn_test::bits;

/// Rounded to Scalar here and now: no compiler may fuse the product that it holds with a sum that follows.
template <typename Scalar>
Scalar rounded(Scalar value) {
  const volatile Scalar stored = value;
  return stored;
}

template <typename Scalar>
Scalar expected_mean(Scalar running, double mean, double momentum) {
  const auto m = static_cast<Scalar>(momentum), rest = rounded(static_cast<Scalar>(1 - m));
  const Scalar a = rounded(static_cast<Scalar>(m * static_cast<Scalar>(mean))),
               b = rounded(static_cast<Scalar>(rest * running));
  return rounded(static_cast<Scalar>(a + b));
}

template <typename Scalar>
Scalar expected_var(Scalar running, double variance, double momentum) {
  const auto m = static_cast<Scalar>(momentum), rest = rounded(static_cast<Scalar>(1 - m));
  const double a = rounded(static_cast<double>(m) * static_cast<double>(static_cast<Scalar>(variance)));
  const Scalar b = rounded(static_cast<Scalar>(rest * running));
  return static_cast<Scalar>(rounded(a + static_cast<double>(b)));
}

/// What a layer does with the statistics of all its channels, which are alike here.
template <typename Scalar>
class Channels {
 public:
  explicit Channels(std::size_t count) : mean_(count, Scalar{0}), var_(count, Scalar{1}) {}

  void step(double mean, double var, double momentum) {
    const std::vector<double> means(mean_.size(), mean), m2(var_.size(), var * 8);
    const auto count = static_cast<Eigen::Index>(mean_.size());
    tensornorm::detail::update_means(mean_.data(), means.data(), count, momentum);
    tensornorm::detail::update_vars(var_.data(), m2.data(), 8.0, count, momentum);
  }
  int unlike(Scalar mean, Scalar var) const {
    const auto count = [](const std::vector<Scalar>& values, Scalar value) {
      return std::count_if(values.begin(), values.end(), [&](Scalar other) { return bits(other) != bits(value); });
    };
    return static_cast<int>(count(mean_, mean) + count(var_, var));
  }

 private:
  std::vector<Scalar> mean_, var_;
};

template <typename Scalar>
void check_steps(double momentum) {
  Scalar mean = 0, var = 1;
  const volatile std::size_t count = 19;  // packets, and a part of one; g++ must not know, or warns of lanes beyond
  Channels<Scalar> channels(count);
  for (int step = 0; step < 200; ++step) {
    const double batch_mean = 3 * std::sin(step * 1.7), batch_var = 0.2 + std::abs(std::cos(step * 2.3));
    const Scalar next_mean = expected_mean(mean, batch_mean, momentum),
                 next_var = expected_var(var, batch_var, momentum);
    mean = tensornorm::updated_mean(mean, batch_mean, momentum);
    var = tensornorm::updated_var(var, batch_var, momentum);
    REQUIRE(bits(mean) == bits(next_mean));
    REQUIRE(bits(var) == bits(next_var));
    channels.step(batch_mean, batch_var, momentum);
    REQUIRE(channels.unlike(next_mean, next_var) == 0);
  }
}

}  // namespace

TEST_CASE("running statistics: every operation rounded by itself") {
  for (const double momentum : {0.1, 0.01, 0.3, 0.5, 0.9, 1.0, 0.0, -0.2, 1.5}) {
    CAPTURE(momentum);
    check_steps<float>(momentum);
    check_steps<double>(momentum);
  }
}

TEST_CASE("running statistics: 100 steps on the batch of seed 003") {
  // Channel 0 is four 1s and four 2s, channel 1 four 1s and four 3s: mean 1.5 and 2, unbiased variance 2/7 and 8/7.
  float mean[2] = {0, 0}, var[2] = {1, 1};
  for (int step = 0; step < 100; ++step) {
    mean[0] = tensornorm::updated_mean(mean[0], 1.5, 0.1);
    mean[1] = tensornorm::updated_mean(mean[1], 2.0, 0.1);
    var[0] = tensornorm::updated_var(var[0], 2.0 / 7, 0.1);
    var[1] = tensornorm::updated_var(var[1], 8.0 / 7, 0.1);
  }
  // torch 1.13 prints 1.49995959 1.99994695 0.28573316 1.14285290.
  CHECK(mean[0] == 1.49995959f);
  CHECK(mean[1] == 1.99994695f);
  CHECK(var[0] == 0.28573316f);
  CHECK(var[1] == 1.14285290f);
}

TEST_CASE("running statistics: the rounding is torch's, where another order would show") {
  // Each of these forms of the same sum has other bits than torch's after some of the steps: fused ones after 29, but
  // not after the last.
  float torch = 0, fused = 0, moved = 0;
  int fused_is_other = 0, moved_is_other = 0;
  for (int step = 0; step < 100; ++step) {
    const float expected = expected_mean(torch, 1.5, 0.1);
    torch = tensornorm::updated_mean(torch, 1.5, 0.1);
    fused = std::fma(0.1f, 1.5f, rounded(0.9f * fused));
    moved = rounded(moved + rounded(0.1f * rounded(1.5f - moved)));
    CHECK(bits(torch) == bits(expected));
    fused_is_other += bits(fused) != bits(torch);
    moved_is_other += bits(moved) != bits(torch);
  }
  CHECK(bits(torch) == bits(1.49995959f));
  CHECK(fused_is_other > 0);
  CHECK(moved_is_other > 0);
}

TEST_CASE("running statistics: momentum 1 forgets, momentum 0 keeps") {
  CHECK(tensornorm::updated_mean(123.0f, 0.1, 1) == 0.1f);
  CHECK(tensornorm::updated_var(123.0f, 0.1, 1) == 0.1f);
  CHECK(tensornorm::updated_mean(123.0f, 0.1, 0) == 123.0f);
  CHECK(tensornorm::updated_var(123.0f, 0.1, 0) == 123.0f);
}

TEST_CASE("running statistics: a variance beyond float is infinite") {
  CHECK(std::isinf(tensornorm::updated_var(1.0f, 1e60, 0.1)));
  CHECK_FALSE(std::isinf(tensornorm::updated_var(1.0f, 1e38, 0.1)));
  CHECK(std::isnan(tensornorm::updated_mean(1.0f, std::numeric_limits<double>::quiet_NaN(), 0.1)));
}

TEST_CASE("running statistics: without a momentum the average is cumulative") {
  CHECK(tensornorm::average_factor(0.1, 7) == 0.1);
  CHECK(tensornorm::average_factor(0.0, 7) == 0.0);
  CHECK(tensornorm::average_factor(std::nullopt, 1) == 1.0);
  CHECK(tensornorm::average_factor(std::nullopt, 4) == 0.25);
  double mean = 0, var = 1, sum = 0, sum_var = 0;
  for (std::int64_t batch = 1; batch <= 100; ++batch) {
    const double batch_mean = std::sin(static_cast<double>(batch)),
                 batch_var = 1 + std::cos(static_cast<double>(batch));
    const double factor = tensornorm::average_factor(std::nullopt, batch);
    mean = tensornorm::updated_mean(mean, batch_mean, factor);
    var = tensornorm::updated_var(var, batch_var, factor);
    sum += batch_mean;
    sum_var += batch_var;
    CHECK(mean == doctest::Approx(sum / static_cast<double>(batch)).epsilon(1e-13));
    CHECK(var == doctest::Approx(sum_var / static_cast<double>(batch)).epsilon(1e-13));
  }
}
