// detail/backward.hpp: dx against long double, in training and in eval, and for channels that float cannot compute.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <tensornorm/detail/backward.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/channel_numbers.hpp"
#include "support/x_and_dy.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

NumbersOfOne any_numbers(Index c) {
  const auto k = static_cast<double>(c % 13);
  return {(k - 6) * 1.37, k * 0.31 - 1.7, 2.3 - k * 0.77, 0.9 - k * 0.23};
}

template <typename F>
constexpr bool is_training = F::coefficients == 4;

/// dx of f over the walks; the error allowed is that of a few roundings of each term.
template <typename F, typename T>
void check_gradient() {
  using Lane = LaneOf<T>;
  Uneven uneven;
  XAndDy<T> tensors([&] { return 2 * uneven(); });
  Fenced<T> memory_dx(XAndDy<T>::most);
  const long double u = std::is_same_v<T, double> ? 0x1p-53L : 0x1p-24L;
  const long double unit = std::is_same_v<T, half> ? 0x1p-11L : std::is_same_v<T, bfloat16> ? 0x1p-8L : u;
  Index turn = 0;
  for_each_walk<Lane>([&](const Plan& plan, const Box& box) {
    if (turn++ % 4 != 0) return;  // elementwise_test.cpp walks them all
    const Index size = plan.shape.size();
    tensors.place(size, turn / 4);
    T* const dx = turn / 4 % 3 == 0 ? memory_dx.place_last(size) : memory_dx.place(size, turn / 4 % 16);
    F f{};
    f.dy = tensors.dy;
    if constexpr (is_training<F>) f.x = tensors.x;
    const auto map = block_map<F, Lane>(f, box.channel_begin, box.channels(), any_numbers);
    map(plan, box, dx, Movement{turn % 8 < 4, true});
    int wrong = memory_dx.clean() ? 0 : 1;
    for_each_element(plan.shape, box, [&](Index c, Index at) {
      const auto number = [](double value) { return static_cast<long double>(value); };
      const NumbersOfOne numbers = any_numbers(box.channel_begin + c);
      const long double a = number(number_of(tensors.dy[at])) * number(numbers.scale);
      long double b = 0, shift = 0;
      if (is_training<F>) {
        b = (number(number_of(tensors.x[at])) - number(numbers.mean)) * number(numbers.slope);
        shift = number(numbers.shift);
      }
      const long double exact = a - b - shift;
      const long double allowed = u * (2 * std::abs(a) + 4 * std::abs(b) + 2 * std::abs(shift)) +
                                  unit * std::abs(exact) + (sizeof(T) == 2 ? 0x1p-24L : 0);
      wrong += !(std::abs(number(number_of(dx[at])) - exact) <= allowed);
    });
    CHECK_MESSAGE(wrong == 0, to_text(plan, box));
  });
}

/// Channels 1 and 3 do not fit in float; dx in place of dy is the same.
template <typename F>
void check_wide(bool rows, double scale, double slope, double dy_size) {
  const Shape shape = rows ? Shape{67, 5, 1} : Shape{3, 5, 67};
  const Plan plan = rows ? rows_of(shape, 2) : runs_of(shape);
  const auto wide = [=](Index c) {
    return c == 1 || c == 3 ? NumbersOfOne{0.25, scale, any_numbers(c).shift, slope} : any_numbers(c);
  };
  REQUIRE_FALSE(fits<F>(wide(3)));
  REQUIRE(fits<F>(wide(2)));
  Uneven uneven;
  std::vector<float> x, dy, dx(static_cast<std::size_t>(shape.size())), usual(dx.size());
  for (std::size_t i = 0; i < dx.size(); ++i) {
    x.push_back(static_cast<float>(uneven()));
    dy.push_back(static_cast<float>(uneven() * dy_size));
  }
  F f{};
  f.dy = dy.data();
  if constexpr (is_training<F>) f.x = x.data();
  block_map<F, float>(f, 0, 5, wide)(plan, whole(shape), dx.data(), {});
  block_map<F, float>(f, 0, 5, any_numbers)(plan, whole(shape), usual.data(), {});
  int wrong = 0;
  for_each_element(shape, whole(shape), [&](Index c, Index at) {
    const auto i = static_cast<std::size_t>(at);
    if (c != 1 && c != 3) {
      wrong += bits(dx[i]) != bits(usual[i]);
      return;
    }
    const NumbersOfOne numbers = wide(c);
    const double a = static_cast<double>(dy[i]) * numbers.scale;
    const double b = is_training<F> ? (static_cast<double>(x[i]) - numbers.mean) * numbers.slope : 0;
    const double exact = a - b - (is_training<F> ? numbers.shift : 0);
    wrong += !(std::abs(static_cast<double>(dx[i]) - exact) <=
               0x1.001p-24 * std::abs(exact) + 0x1p-50 * (std::abs(a) + std::abs(b)) + 0x1p-149);
  });
  CHECK(wrong == 0);
  std::vector<float> in_place = dy;
  f.dy = in_place.data();
  block_map<F, float>(f, 0, 5, wide)(plan, whole(shape), in_place.data(), {false, true});
  CHECK(same_bits(in_place, dx));
}

}  // namespace

TEST_CASE("backward: training, float") { check_gradient<GradientTraining<float>, float>(); }
TEST_CASE("backward: training, double") { check_gradient<GradientTraining<double>, double>(); }
TEST_CASE("backward: training, half") { check_gradient<GradientTraining<half>, half>(); }
TEST_CASE("backward: training, bfloat16") { check_gradient<GradientTraining<bfloat16>, bfloat16>(); }
TEST_CASE("backward: eval, float") { check_gradient<GradientEval<float>, float>(); }
TEST_CASE("backward: eval, double") { check_gradient<GradientEval<double>, double>(); }

TEST_CASE("backward: the numbers of a training backward, with and without weight") {
  constexpr Index channels = 11;
  std::vector<double> mean, invstd, dy, dy_dev;
  std::vector<float> weight;
  for (Index c = 0; c < channels; ++c) {
    const auto k = static_cast<double>(c);
    mean.push_back(0.1 * k - 0.7), invstd.push_back(1.3 + k), dy.push_back(k * k - 30), dy_dev.push_back(17 - 3 * k);
    weight.push_back(0.3f - static_cast<float>(c));
  }
  for (const float* of : std::initializer_list<const float*>{weight.data(), nullptr}) {
    const GradientNumbers<float> numbers{mean.data(), invstd.data(), of, dy.data(), dy_dev.data(), 1.0 / 6, 1.0 / 5};
    check_numbers(numbers, channels, [&](std::size_t c) {
      const double scale = (of == nullptr ? 1 : static_cast<double>(weight[c])) * invstd[c];
      const double of_dw = scale * invstd[c] * dy_dev[c];
      return NumbersOfOne{mean[c], scale, scale * dy[c] / 6, of_dw * invstd[c] / 5, std::abs(of_dw)};
    });
  }
}

TEST_CASE("backward: the second half of the mean is not lost") {
  // No float is nearer to the mean than 0.75; that, times a large slope, is part of dx.
  const Shape shape{1, 1, 37};
  const std::vector<float> x(37, 16777216), dy(37, 3);
  std::vector<float> dx(37);
  const auto numbers = [](Index) { return NumbersOfOne{16777217.25, 1, 5, 1024}; };
  using F = GradientTraining<float>;
  block_map<F, float>(F{x.data(), dy.data()}, 0, 1, numbers)(runs_of(shape), whole(shape), dx.data(), {});
  for (const float value : dx) CHECK(value == 3 + 1.25f * 1024 - 5);
}

TEST_CASE("backward: each of a channel's numbers can be what does not fit") {
  using Training = GradientTraining<float>;
  using Eval = GradientEval<float>;
  REQUIRE(fits<Training>({1e30, 1e38, 1e30, 1e38, 1e30}));
  REQUIRE(fits<Eval>({1, 1e38, 1, 1}));
  CHECK_FALSE(fits<Training>({1e32, 1, 1, 1}));     // x - mean may overflow
  CHECK_FALSE(fits<Training>({1, 1, 1e32, 1}));     // and so may what is in range once this is subtracted,
  CHECK_FALSE(fits<Training>({1, 1, 1, 1, 1e32}));  // or this
  for (const double bad : {-1e39, std::numeric_limits<double>::infinity(), std::nan("")}) {
    CHECK_FALSE(fits<Training>({bad, 1, 1, 1}));
    CHECK_FALSE(fits<Training>({1, bad, 1, 1}));
    CHECK_FALSE(fits<Training>({1, 1, bad, 1}));
    CHECK_FALSE(fits<Training>({1, 1, 1, bad}));
    CHECK_FALSE(fits<Training>({1, 1, 1, 1, std::abs(bad)}));
    CHECK_FALSE(fits<Eval>({1, bad, 1, 1}));
  }
  constexpr double large = 1e39;  // two of them do not make up for one another
  CHECK_FALSE(fits<Training>({1, large, 1, large}));
  CHECK_FALSE(fits<Training>({1, large, -large, 1}));
  CHECK_FALSE(fits<Training>({1, 1, -large, large}));
  constexpr double tiny = 1e-40;
  CHECK_FALSE(fits<Training>({1, tiny, 1, 1}));
  CHECK_FALSE(fits<Training>({1, 1, tiny, 1}));
  CHECK_FALSE(fits<Training>({1, 1, 1, tiny}));
  CHECK_FALSE(fits<Eval>({1, tiny, 1, 1}));
}

TEST_CASE("backward: channels beyond float are computed in double") {
  for (const bool rows : {false, true}) {
    check_wide<GradientTraining<float>>(rows, 1e40, 0.5, 1e-10);  // scale is infinite in float
    check_wide<GradientTraining<float>>(rows, 1, 1e-42, 1);       // slope is subnormal
    check_wide<GradientEval<float>>(rows, 1e40, 0, 1e-10);
    check_wide<GradientEval<float>>(rows, 1e-41, 0, 1e10);
  }
}
