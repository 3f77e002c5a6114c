// detail/normalize.hpp: y = (x - mean) * scale + bias against long double, for every scalar; half and bfloat16 are the
// float result rounded once; channels that float cannot compute.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/bits.hpp"
#include "support/channel_numbers.hpp"
#include "support/fenced.hpp"
#include "support/walks.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

constexpr Index kMost = 40000;

/// Every channel its own mean, scale and bias.
NumbersOfOne any_numbers(Index c) {
  const auto k = static_cast<double>(c % 13);
  return {(k - 6) * 1.37, k * 0.31 - 1.7, 2.3 - k * 0.77};
}

/// In eval a mean is a number of the layer's type.
NumbersOfOne float_mean(Index c) {
  NumbersOfOne numbers = any_numbers(c);
  numbers.mean = static_cast<double>(c % 13 - 6) * 1.375;
  return numbers;
}

/// How far y may be from exact: the lane's roundings as normalize.hpp counts them, and one to the memory's type.
template <typename T>
long double bound(long double g, long double y) {
  const long double u = std::is_same_v<T, double> ? 0x1p-53L : 0x1p-24L;
  const long double lane = u * (4 * std::abs(g) + std::abs(y));
  const long double unit = std::is_same_v<T, half> ? 0x1p-11L : std::is_same_v<T, bfloat16> ? 0x1p-8L : 0;
  return lane + unit * (std::abs(y) + lane) + (unit > 0 ? 0x1p-25L : 0);
}

template <typename F, typename T>
void check_all_walks(NumbersOfOne (*of_channel)(Index)) {
  using Lane = LaneOf<T>;
  Fenced<T> memory_x(kMost), memory_y(kMost);
  Uneven uneven;
  std::vector<T> values;
  for (Index i = 0; i < kMost; ++i) values.push_back(value_of<T>(3 * uneven()));
  Index turn = 0;
  for_each_walk<Lane>([&](const Plan& plan, const Box& box) {
    if (turn++ % 4 != 0) return;  // elementwise_test.cpp walks them all
    const Index size = plan.shape.size(), offset = turn / 4 % 17;
    T* const x = offset == 16 ? memory_x.place_last(size) : memory_x.place(size, offset);
    T* const y = offset == 16 ? memory_y.place_last(size) : memory_y.place(size, 16 - offset);
    std::copy_n(values.begin(), size, x);
    F f{};
    f.x = x;
    const auto map = block_map<F, Lane>(f, box.channel_begin, box.channels(), of_channel);
    map(plan, box, y, Movement{turn % 8 < 4, true});
    int wrong = memory_y.clean() ? 0 : 1;
    for_each_element(plan.shape, box, [&](Index c, Index at) {
      const NumbersOfOne numbers = of_channel(box.channel_begin + c);
      const auto deviation = static_cast<long double>(number_of(x[at])) - static_cast<long double>(numbers.mean);
      const long double g = deviation * static_cast<long double>(numbers.scale);
      const long double exact = g + static_cast<long double>(numbers.shift);
      // Coefficients are rounded to the lane's type: scale's error is counted as one of g's, bias's as one of its own.
      const long double bias =
          static_cast<long double>(std::abs(numbers.shift)) * (std::is_same_v<Lane, double> ? 0 : 0x1p-24L);
      const long double error = std::abs(static_cast<long double>(number_of(y[at])) - exact);
      wrong += !(error <= bound<T>(g, exact) + bias);
    });
    CHECK_MESSAGE(wrong == 0, to_text(plan, box));
  });
}

/// The float kernel on the same numbers, rounded to T by Eigen.
template <template <typename> typename F, typename T>
void check_rounded_once(NumbersOfOne (*of_channel)(Index)) {
  const Shape shape{3, 5, 67};
  Uneven uneven;
  std::vector<T> x, y(static_cast<std::size_t>(shape.size()));
  std::vector<float> float_x, float_y(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    x.push_back(value_of<T>(5 * uneven()));
    float_x.push_back(static_cast<float>(x.back()));
  }
  F<T> f{};
  f.x = x.data();
  F<float> float_f{};
  float_f.x = float_x.data();
  const Movement movement;
  block_map<F<T>, float>(f, 0, 5, of_channel)(runs_of(shape), whole(shape), y.data(), movement);
  block_map<F<float>, float>(float_f, 0, 5, of_channel)(runs_of(shape), whole(shape), float_y.data(), movement);
  int wrong = 0;
  for (std::size_t i = 0; i < y.size(); ++i) wrong += bits(y[i]) != bits(static_cast<T>(float_y[i]));
  CHECK(wrong == 0);
}

/// Channels 1 and 3 are beyond float: their means, or their scales. The others are as without them.
template <typename F>
void check_wide(bool rows, double mean, double scale, double spread_of_x) {
  const Shape shape = rows ? Shape{67, 5, 1} : Shape{3, 5, 67};
  const Plan plan = rows ? rows_of(shape, 2) : runs_of(shape);
  const auto wide = [=](Index c) {
    return c == 1 || c == 3 ? NumbersOfOne{c == 1 ? mean : -mean, scale, float_mean(c).shift} : float_mean(c);
  };
  REQUIRE_FALSE(fits<F>(wide(1)));
  REQUIRE(fits<F>(wide(0)));
  Uneven uneven;
  std::vector<float> x(static_cast<std::size_t>(shape.size())), y(x.size()), usual(x.size());
  for_each_element(shape, whole(shape), [&](Index c, Index at) {
    const bool is_wide = c == 1 || c == 3;
    const double limited = std::max(-1.0, std::min(1.0, uneven() / 3));  // stays a finite float
    x[static_cast<std::size_t>(at)] = static_cast<float>(is_wide ? limited * spread_of_x : uneven());
  });
  F f{};
  f.x = x.data();
  block_map<F, float>(f, 0, 5, wide)(plan, whole(shape), y.data(), {});
  block_map<F, float>(f, 0, 5, float_mean)(plan, whole(shape), usual.data(), {});
  f.x = x.data();
  int wrong = 0;
  for_each_element(shape, whole(shape), [&](Index c, Index at) {
    const auto i = static_cast<std::size_t>(at);
    if (c != 1 && c != 3) {
      wrong += bits(y[i]) != bits(usual[i]);
      return;
    }
    const NumbersOfOne numbers = wide(c);
    const double exact = (static_cast<double>(x[i]) - numbers.mean) * numbers.scale + numbers.shift;
    wrong += !(std::abs(static_cast<double>(y[i]) - exact) <= 0x1.001p-24 * std::abs(exact) + 0x1p-149);
  });
  CHECK(wrong == 0);
  std::vector<float> in_place = x;
  f.x = in_place.data();
  block_map<F, float>(f, 0, 5, wide)(plan, whole(shape), in_place.data(), {false, true});
  CHECK(same_bits(in_place, y));
}

}  // namespace

TEST_CASE("normalize: training, float") { check_all_walks<NormalizeTraining<float>, float>(any_numbers); }
TEST_CASE("normalize: training, double") { check_all_walks<NormalizeTraining<double>, double>(any_numbers); }
TEST_CASE("normalize: training, half") { check_all_walks<NormalizeTraining<half>, half>(any_numbers); }
TEST_CASE("normalize: training, bfloat16") { check_all_walks<NormalizeTraining<bfloat16>, bfloat16>(any_numbers); }
TEST_CASE("normalize: eval, float") { check_all_walks<NormalizeEval<float>, float>(float_mean); }
TEST_CASE("normalize: eval, double") { check_all_walks<NormalizeEval<double>, double>(any_numbers); }

TEST_CASE("normalize: half and bfloat16 are the float result rounded once") {
  check_rounded_once<NormalizeTraining, half>(any_numbers);
  check_rounded_once<NormalizeTraining, bfloat16>(any_numbers);
  check_rounded_once<NormalizeEval, half>(float_mean);
  check_rounded_once<NormalizeEval, bfloat16>(float_mean);
}

TEST_CASE("normalize: the second half of the mean is not lost") {
  // x is the float nearest to the mean; what is left of the difference is lo, times a large scale.
  constexpr double mean = 16777217.25, lo = 1.25;
  const Shape shape{1, 1, 37};
  const std::vector<float> x(37, 16777216);
  std::vector<float> y(37);
  NormalizeTraining<float> f;
  f.x = x.data();
  const auto numbers = [](Index) { return NumbersOfOne{mean, 1024, 7}; };
  block_map<NormalizeTraining<float>, float>(f, 0, 1, numbers)(runs_of(shape), whole(shape), y.data(), {});
  for (const float value : y) CHECK(value == static_cast<float>(7 - 1024 * lo));
}

TEST_CASE("normalize: a constant channel is its bias, bit for bit") {
  for (const float constant : {0.1f, -3e30f, 1e-40f, 16777216.0f}) {
    for (const float bias : {0.3f, 0.0f, -1e-42f}) {
      const Shape shape{2, 1, 37};
      const std::vector<float> x(74, constant);
      std::vector<float> y(74);
      NormalizeTraining<float> f;
      f.x = x.data();
      const auto numbers = [=](Index) {
        return NumbersOfOne{static_cast<double>(constant), 316.2, static_cast<double>(bias)};
      };
      block_map<NormalizeTraining<float>, float>(f, 0, 1, numbers)(runs_of(shape), whole(shape), y.data(), {});
      for (const float value : y) CHECK(bits(value) == bits(bias));
    }
  }
}

TEST_CASE("normalize: channels beyond float are computed in double") {
  for (const bool rows : {false, true}) {
    check_wide<NormalizeTraining<float>>(rows, 1.2e38, 7e-39, 3.4e38);     // x - mean overflows, scale is subnormal
    check_wide<NormalizeTraining<float>>(rows, 1.2e38, 0x1p-120, 3.4e38);  // x - mean overflows
    check_wide<NormalizeTraining<float>>(rows, 1e-44, 1e41, 1e-40);        // scale is infinite in float
    check_wide<NormalizeEval<float>>(rows, 1.5e38, 1e-38, 3.4e38);
    check_wide<NormalizeEval<float>>(rows, 0, 1e40, 1e-41);
  }
}

TEST_CASE("normalize: invstd, of any number of channels, in place and apart") {
  Fenced<double> from(64), to(64);
  for (Index channels = 1; channels <= 4 * width<double> + 3; ++channels) {
    for (const Index offset : {-1, 0, 1, 3}) {
      double* const m2 = offset < 0 ? from.place_last(channels) : from.place(channels, offset);
      double* const invstd = offset < 0 ? to.place_last(channels) : to.place(channels, offset);
      for (Index c = 0; c < channels; ++c) m2[c] = 0.37 * static_cast<double>(c * c);
      invert_deviations(m2, channels, 7, 1e-5, invstd);
      int wrong = 0;
      for (Index c = 0; c < channels; ++c) {
        const long double exact = 1 / std::sqrt(static_cast<long double>(m2[c]) / 7 + static_cast<long double>(1e-5));
        wrong += !(std::abs(static_cast<long double>(invstd[c]) - exact) <= 0x1p-51L * exact);
      }
      invert_deviations(m2, channels, 7, 1e-5, m2);
      for (Index c = 0; c < channels; ++c) wrong += bits(m2[c]) != bits(invstd[c]);
      CHECK(wrong == 0);
      CHECK(from.clean());
      CHECK(to.clean());
    }
  }
}

TEST_CASE("normalize: what keeps its digits in float, and what leaves room there") {
  using Float = std::numeric_limits<float>;
  using Double = std::numeric_limits<double>;
  const auto keeps = [](double number) { return all_of(keeps_digits(Packet<double>::all(number))); };
  for (const double number : {0.0, 1.0, -1e30, static_cast<double>(Float::min())}) CHECK(keeps(number));
  for (const double number :
       {static_cast<double>(Float::denorm_min()), -0x1.fffffp-127, 1e-60, 5e-324, Double::quiet_NaN()}) {
    CHECK_FALSE(keeps(number));
  }
  const auto have_room = [](double sizes) { return all_of(leave_room(Packet<double>::all(sizes))); };
  const float most = Float::max();
  for (const double sizes : {0.0, 1e30, 0x1.fffffep102}) {
    CHECK(have_room(sizes));
    CHECK(std::isfinite(most + static_cast<float>(sizes)));
  }
  for (const double sizes : {0x1p103, 1e39, Double::infinity(), Double::quiet_NaN()}) CHECK_FALSE(have_room(sizes));
  CHECK(std::isinf(most + 0x1p103f));
  const auto is_in_range = [](double number) { return all_of(leave_room(range_size(Packet<double>::all(number)))); };
  for (const double number : {0.0, -1e38, static_cast<double>(most)}) CHECK(is_in_range(number));
  for (const double number : {0x1p128, -1e39, Double::infinity(), Double::quiet_NaN()})
    CHECK_FALSE(is_in_range(number));
}

template <typename F>
void check_every_number_counts() {
  REQUIRE(fits<F>({1e30, 1e38, 1e30}));
  for (const double bad : {-1e39, std::numeric_limits<double>::infinity(), std::nan("")}) {
    CHECK_FALSE(fits<F>({bad, 1, 1}));
    CHECK_FALSE(fits<F>({1, bad, 1}));
    CHECK_FALSE(fits<F>({1, 1, bad}));
  }
  CHECK_FALSE(fits<F>({1e32, 1, 1}));  // x - mean may overflow
  CHECK_FALSE(fits<F>({1, 1, -1e32}));
  CHECK_FALSE(fits<F>({1, 1e-40, 1}));
}

TEST_CASE("normalize: each of a channel's numbers can be what does not fit") {
  check_every_number_counts<NormalizeTraining<float>>();
  check_every_number_counts<NormalizeEval<float>>();
}

TEST_CASE("normalize: a mean whose low half is subnormal does not fit, where that half counts") {
  using Training = NormalizeTraining<float>;
  using Eval = NormalizeEval<float>;
  const double subnormal = 0x1p-120 + 0x1p-146;  // the low half, a few bits of a subnormal float
  const double normal = 0x1p-100 + 0x1p-126, none = 0x1p-120;
  CHECK_FALSE(fits<Training>({subnormal, 1, 0}));
  CHECK(fits<Training>({normal, 1, 0}));
  CHECK(fits<Training>({none, 1, 0}));
  for (const double mean : {subnormal, normal, none}) CHECK(fits<Eval>({mean, 1, 0}));
}

TEST_CASE("normalize: the numbers of a forward, with and without weight and bias") {
  std::vector<double> mean(11), invstd(11);
  std::vector<float> weight(11), bias(11), running_mean(11), running_var(11);
  for (std::size_t c = 0; c < 11; ++c) {
    const auto k = static_cast<float>(c);
    mean[c] = 0.1 * static_cast<double>(c) - 0.7, invstd[c] = 1.3 + static_cast<double>(c);
    weight[c] = 0.3f - k, bias[c] = 2 * k - 9, running_mean[c] = 7 - k, running_var[c] = 0.5f * k;
  }
  const auto wide = [](float number) { return static_cast<double>(number); };
  check_numbers(TrainingNumbers<float>{mean.data(), invstd.data(), weight.data(), bias.data()}, 11, [&](std::size_t c) {
    return NumbersOfOne{mean[c], wide(weight[c]) * invstd[c], wide(bias[c])};
  });
  check_numbers(TrainingNumbers<float>{mean.data(), invstd.data(), nullptr, nullptr}, 11, [&](std::size_t c) {
    return NumbersOfOne{mean[c], invstd[c], 0};
  });
  const auto running_invstd = [&](std::size_t c) { return 1 / std::sqrt(wide(running_var[c]) + 0.25); };
  check_numbers(EvalNumbers<float>{running_mean.data(), running_var.data(), 0.25, weight.data(), bias.data()}, 11,
                [&](std::size_t c) {
                  return NumbersOfOne{wide(running_mean[c]), wide(weight[c]) * running_invstd(c), wide(bias[c])};
                });
  check_numbers(EvalNumbers<float>{nullptr, running_var.data(), 0.25, nullptr, nullptr}, 11, [&](std::size_t c) {
    return NumbersOfOne{0, running_invstd(c), 0};
  });
}
