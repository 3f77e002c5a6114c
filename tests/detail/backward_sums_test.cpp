// detail/backward.hpp: both sums, exactly, from small whole numbers; in double, about 0 or about the mean; added up.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <tensornorm/detail/backward.hpp>
#include <vector>

#include "support/x_and_dy.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

template <typename T>
void check_sums() {
  Integers integers(5);
  XAndDy<T> tensors([&] { return integers(); });
  Index turn = 0;
  const auto check = [&](const Plan& plan, const Box& box) {
    tensors.place(plan.shape.size(), turn++);
    std::vector<double> mean(block_lanes), m2(block_lanes), sum_dy(block_lanes), sum_dy_dev(block_lanes);
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] = static_cast<double>(c % 9) / 4 - 1;
    if (turn % 3 == 0) m2.assign(m2.size(), 1e6);  // near 0; else far from it
    const auto channels = static_cast<std::size_t>(box.channels());
    std::vector<double> exact_dy(channels), exact_dy_dev(channels);
    for_each_element(plan.shape, box, [&](Index c, Index at) {
      const auto channel = static_cast<std::size_t>(c);
      exact_dy[channel] += number_of(tensors.dy[at]);
      exact_dy_dev[channel] += number_of(tensors.dy[at]) * (number_of(tensors.x[at]) - mean[channel]);
    });
    if (turn % 3 == 1) {
      box_gradient_sums(plan, box, tensors.x, tensors.dy, mean.data(), sum_dy.data(), sum_dy_dev.data());
    } else {
      box_gradient_sums_from_zero(plan, box, tensors.x, tensors.dy, mean.data(), m2.data(), sum_dy.data(),
                                  sum_dy_dev.data());
    }
    int wrong = 0;
    for (std::size_t c = 0; c < channels; ++c) wrong += sum_dy[c] != exact_dy[c] || sum_dy_dev[c] != exact_dy_dev[c];
    CHECK_MESSAGE(wrong == 0, to_text(plan, box));
  };
  for_each_walk<double>(check);
  for_each_long_walk_in_runs<T>(check);
}

}  // namespace

TEST_CASE("backward: sums of float") { check_sums<float>(); }
TEST_CASE("backward: sums of double") { check_sums<double>(); }
TEST_CASE("backward: sums of half") { check_sums<half>(); }
TEST_CASE("backward: sums of bfloat16") { check_sums<bfloat16>(); }

TEST_CASE("backward: sums are taken in double, whatever the floats are") {
  for (const bool rows : {false, true}) {
    const Shape shape{rows ? 100 : 1, 2, rows ? 1 : 100};
    const Plan plan = rows ? rows_of(shape, 4) : runs_of(shape);
    std::vector<float> x(200, 3e38f), dy(200, 1e30f);
    const std::vector<double> mean(block_lanes, -3e38);
    double sum_dy[block_lanes], sum_dy_dev[block_lanes];
    box_gradient_sums(plan, whole(shape), x.data(), dy.data(), mean.data(), sum_dy, sum_dy_dev);
    CHECK(sum_dy[1] == doctest::Approx(1e32).epsilon(1e-6));
    CHECK(sum_dy_dev[1] == doctest::Approx(6e70).epsilon(1e-6));
    // 2^24 + 1 is not a float: a sum in float lanes stops at 2^24.
    std::fill(dy.begin(), dy.end(), 1.0f);
    dy[0] = 16777216;
    const std::vector<double> zero(block_lanes);
    box_gradient_sums(plan, whole(shape), x.data(), dy.data(), zero.data(), sum_dy, sum_dy_dev);
    CHECK(sum_dy[0] == 16777216 + 99);
  }
}

TEST_CASE("backward: the reduction takes its channels' means, and adds boxes up") {
  const Shape shape{4, 7, 3};
  std::vector<float> x(84), dy(84);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 11), dy[i] = static_cast<float>(i % 5) - 2;
  const std::vector<double> mean{0, 1, 2, 3, 4, 5, 6};
  const std::vector<double> m2{0, 0, 0, 1e9, 0, 1e9, 0};  // of the box, channel 3 alone is near 0
  const GradientReduction<float> reduction{x.data(), dy.data(), mean.data(), m2.data()};
  double a[block_lanes], b[block_lanes], more_a[block_lanes], more_b[block_lanes];
  const Plan plan = rows_of(shape, 1);
  reduction.box(plan, Box{0, 1, 2, 5, 0, 3}, a, b);
  reduction.box(plan, Box{1, 4, 2, 5, 0, 3}, more_a, more_b);
  GradientReduction<float>::Rest rest{};
  for (std::size_t c = 0; c < 3; ++c) reduction.merge(3, 9, rest, a[c], b[c], more_a[c], more_b[c]);
  std::vector<double> exact_a(3), exact_b(3);
  for_each_element(shape, Box{0, 4, 2, 5, 0, 3}, [&](Index c, Index at) {
    const auto i = static_cast<std::size_t>(at), channel = static_cast<std::size_t>(c);
    exact_a[channel] += static_cast<double>(dy[i]);
    exact_b[channel] += static_cast<double>(dy[i]) * (static_cast<double>(x[i]) - mean[channel + 2]);
  });
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(a[c] == exact_a[c]);
    CHECK(b[c] == exact_b[c]);
  }
}

TEST_CASE("backward: channels far from 0 are summed about their mean, and no other") {
  // The second value's part of the sum is 2^-43, or nothing beside 2^30.
  constexpr Index channels = 7;
  constexpr float first = 0x1p30f, second = 0x1p30f + 128;
  const std::vector<double> mean(channels, 0x1p30);
  std::vector<float> x, dy;
  for (Index c = 0; c < channels; ++c) x.push_back(first), dy.push_back(1);
  for (Index c = 0; c < channels; ++c) x.push_back(second), dy.push_back(0x1p-50f);
  const auto sums_about = [&](const std::vector<double>& m2) {
    double sum_dy[block_lanes], sum_dy_dev[block_lanes];
    box_gradient_sums_from_zero(rows_of({2, channels, 1}, 1), whole({2, channels, 1}), x.data(), dy.data(), mean.data(),
                                m2.data(), sum_dy, sum_dy_dev);
    CHECK(sum_dy[channels - 1] == 1 + 0x1p-50);
    return std::vector<double>(sum_dy_dev, sum_dy_dev + channels);
  };
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  constexpr double farthest = 2 * 0x1p60 / 0x1p16;  // n * mean^2 / 2^16
  CHECK(sums_about({farthest, farthest * 0.999, farthest * 1.001, 0, std::nan(""), infinity, -1}) ==
        std::vector<double>{0, 0x1p-43, 0, 0x1p-43, 0x1p-43, 0, 0x1p-43});
  const std::vector<double> near(channels, farthest);
  CHECK(sums_about(near) == std::vector<double>(channels, 0));
  // What is not a number about 0 may be one about the mean.
  x[3] = first + 128, dy[3] = std::numeric_limits<float>::infinity();
  CHECK(sums_about(near) == std::vector<double>{0, 0, 0, infinity, 0, 0, 0});
}
