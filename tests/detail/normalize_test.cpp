// detail/normalize.hpp: y = (x - mean) * scale + bias against long double, for every scalar; half and bfloat16 are the
// float result rounded once; channels that float cannot compute.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <tensornorm/detail/passes.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/fenced.hpp"
#include "support/walks.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

constexpr Index kMost = 40000;

/// Every channel its own mean, scale and bias.
void fill(Index first, Index count, ChannelNumbers& numbers) {
  for (Index c = 0; c < count; ++c) {
    const auto k = static_cast<double>((first + c) % 13);
    numbers.mean[c] = (k - 6) * 1.37;
    numbers.scale[c] = k * 0.31 - 1.7;
    numbers.shift[c] = 2.3 - k * 0.77;
  }
}

/// In eval a mean is a number of the layer's type.
void fill_float_mean(Index first, Index count, ChannelNumbers& numbers) {
  fill(first, count, numbers);
  for (Index c = 0; c < count; ++c) numbers.mean[c] = static_cast<double>((first + c) % 13 - 6) * 1.375;  // a float
}

/// How far y may be from exact: the lane's roundings as normalize.hpp counts them, and one to the memory's type.
template <typename T>
long double bound(long double g, long double y) {
  const long double u = std::is_same_v<T, double> ? 0x1p-53L : 0x1p-24L;
  const long double lane = u * (4 * std::abs(g) + std::abs(y));
  const long double unit = std::is_same_v<T, half> ? 0x1p-11L : std::is_same_v<T, bfloat16> ? 0x1p-8L : 0;
  return lane + unit * (std::abs(y) + lane) + (unit > 0 ? 0x1p-25L : 0);
}

template <typename F, typename T, typename Fill>
void check_all_walks(const Fill& fill_numbers) {
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
    const BlockMap<F, Lane> map(f, box.channel_begin, box.channels(), fill_numbers);
    map(plan, box, y, Movement{turn % 8 < 4, 0, true});
    ChannelNumbers numbers;
    fill_numbers(box.channel_begin, box.channels(), numbers);
    int wrong = memory_y.clean() ? 0 : 1;
    for_each_element(plan.shape, box, [&](Index c, Index at) {
      const auto deviation = static_cast<long double>(number_of(x[at])) - static_cast<long double>(numbers.mean[c]);
      const long double g = deviation * static_cast<long double>(numbers.scale[c]);
      const long double exact = g + static_cast<long double>(numbers.shift[c]);
      // Coefficients are rounded to the lane's type: scale's error is counted as one of g's, bias's as one of its own.
      const long double bias =
          static_cast<long double>(std::abs(numbers.shift[c])) * (std::is_same_v<Lane, double> ? 0 : 0x1p-24L);
      const long double error = std::abs(static_cast<long double>(number_of(y[at])) - exact);
      wrong += !(error <= bound<T>(g, exact) + bias);
    });
    CHECK_MESSAGE(wrong == 0, to_text(plan, box));
  });
}

/// The float kernel on the same numbers, rounded to T by Eigen.
template <template <typename, typename> typename F, typename T, typename Fill>
void check_rounded_once(const Fill& fill_numbers) {
  const Shape shape{3, 5, 67};
  Uneven uneven;
  std::vector<T> x, y(static_cast<std::size_t>(shape.size()));
  std::vector<float> float_x, float_y(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    x.push_back(value_of<T>(5 * uneven()));
    float_x.push_back(static_cast<float>(x.back()));
  }
  F<T, float> f{};
  f.x = x.data();
  F<float, float> float_f{};
  float_f.x = float_x.data();
  const Movement movement{false, 0, false};
  BlockMap<F<T, float>, float>(f, 0, 5, fill_numbers)(runs_of(shape), whole(shape), y.data(), movement);
  BlockMap<F<float, float>, float>(float_f, 0, 5, fill_numbers)(runs_of(shape), whole(shape), float_y.data(), movement);
  int wrong = 0;
  for (std::size_t i = 0; i < y.size(); ++i) wrong += bits(y[i]) != bits(static_cast<T>(float_y[i]));
  CHECK(wrong == 0);
}

/// Channels 1 and 3 are beyond float: their means, or their scales. The others are as without them.
template <typename F>
void check_wide(bool rows, double mean, double scale, double spread_of_x) {
  const Shape shape = rows ? Shape{67, 5, 1} : Shape{3, 5, 67};
  const Plan plan = rows ? rows_of(shape, 2) : runs_of(shape);
  const auto wide = [&](Index first, Index count, ChannelNumbers& numbers) {
    fill_float_mean(first, count, numbers);
    for (const Index c : {1, 3}) {
      numbers.mean[c] = c == 1 ? mean : -mean;
      numbers.scale[c] = scale;
    }
  };
  ChannelNumbers numbers;
  wide(0, 5, numbers);
  REQUIRE_FALSE(fits<F>(numbers, 1));
  REQUIRE(fits<F>(numbers, 0));
  Uneven uneven;
  std::vector<float> x(static_cast<std::size_t>(shape.size())), y(x.size()), usual(x.size());
  for_each_element(shape, whole(shape), [&](Index c, Index at) {
    const bool is_wide = c == 1 || c == 3;
    const double limited = std::max(-1.0, std::min(1.0, uneven() / 3));  // stays a finite float
    x[static_cast<std::size_t>(at)] = static_cast<float>(is_wide ? limited * spread_of_x : uneven());
  });
  F f{};
  f.x = x.data();
  BlockMap<F, float>(f, 0, 5, wide)(plan, whole(shape), y.data(), {false, 0, false});
  BlockMap<F, float>(f, 0, 5, fill_float_mean)(plan, whole(shape), usual.data(), {false, 0, false});
  f.x = x.data();
  int wrong = 0;
  for_each_element(shape, whole(shape), [&](Index c, Index at) {
    const auto i = static_cast<std::size_t>(at);
    if (c != 1 && c != 3) {
      wrong += bits(y[i]) != bits(usual[i]);
      return;
    }
    const double exact = (static_cast<double>(x[i]) - numbers.mean[c]) * numbers.scale[c] + numbers.shift[c];
    wrong += !(std::abs(static_cast<double>(y[i]) - exact) <= 0x1.001p-24 * std::abs(exact) + 0x1p-149);
  });
  CHECK(wrong == 0);
  std::vector<float> in_place = x;
  f.x = in_place.data();
  BlockMap<F, float>(f, 0, 5, wide)(plan, whole(shape), in_place.data(), {false, 0, true});
  CHECK(same_bits(in_place, y));
}

}  // namespace

TEST_CASE("normalize: training, float") { check_all_walks<NormalizeTraining<float, float>, float>(fill); }
TEST_CASE("normalize: training, double") { check_all_walks<NormalizeTraining<double, double>, double>(fill); }
TEST_CASE("normalize: training, half") { check_all_walks<NormalizeTraining<half, float>, half>(fill); }
TEST_CASE("normalize: training, bfloat16") { check_all_walks<NormalizeTraining<bfloat16, float>, bfloat16>(fill); }
TEST_CASE("normalize: eval, float") { check_all_walks<NormalizeEval<float, float>, float>(fill_float_mean); }
TEST_CASE("normalize: eval, double") { check_all_walks<NormalizeEval<double, double>, double>(fill); }

TEST_CASE("normalize: half and bfloat16 are the float result rounded once") {
  check_rounded_once<NormalizeTraining, half>(fill);
  check_rounded_once<NormalizeTraining, bfloat16>(fill);
  check_rounded_once<NormalizeEval, half>(fill_float_mean);
  check_rounded_once<NormalizeEval, bfloat16>(fill_float_mean);
}

TEST_CASE("normalize: the second half of the mean is not lost") {
  // x is the float nearest to the mean; what is left of the difference is lo, times a large scale.
  const double mean = 16777217.25, lo = 1.25;
  const Shape shape{1, 1, 37};
  const std::vector<float> x(37, 16777216);
  std::vector<float> y(37);
  NormalizeTraining<float, float> f;
  f.x = x.data();
  const auto numbers = [&](Index, Index, ChannelNumbers& n) { n.mean[0] = mean, n.scale[0] = 1024, n.shift[0] = 7; };
  BlockMap<NormalizeTraining<float, float>, float>(f, 0, 1, numbers)(runs_of(shape), whole(shape), y.data(),
                                                                     {false, 0, false});
  for (const float value : y) CHECK(value == static_cast<float>(7 - 1024 * lo));
}

TEST_CASE("normalize: a constant channel is its bias, bit for bit") {
  for (const float constant : {0.1f, -3e30f, 1e-40f, 16777216.0f}) {
    for (const float bias : {0.3f, 0.0f, -1e-42f}) {
      const Shape shape{2, 1, 37};
      const std::vector<float> x(74, constant);
      std::vector<float> y(74);
      NormalizeTraining<float, float> f;
      f.x = x.data();
      const auto numbers = [&](Index, Index, ChannelNumbers& n) {
        n.mean[0] = static_cast<double>(constant), n.scale[0] = 316.2, n.shift[0] = static_cast<double>(bias);
      };
      BlockMap<NormalizeTraining<float, float>, float>(f, 0, 1, numbers)(runs_of(shape), whole(shape), y.data(),
                                                                         {false, 0, false});
      for (const float value : y) CHECK(bits(value) == bits(bias));
    }
  }
}

TEST_CASE("normalize: channels beyond float are computed in double") {
  for (const bool rows : {false, true}) {
    check_wide<NormalizeTraining<float, float>>(rows, 1.2e38, 7e-39, 3.4e38);  // x - mean overflows, scale is subnormal
    check_wide<NormalizeTraining<float, float>>(rows, 1.2e38, 0x1p-120, 3.4e38);  // x - mean overflows
    check_wide<NormalizeTraining<float, float>>(rows, 1e-44, 1e41, 1e-40);        // scale is infinite in float
    check_wide<NormalizeEval<float, float>>(rows, 1.5e38, 1e-38, 3.4e38);
    check_wide<NormalizeEval<float, float>>(rows, 0, 1e40, 1e-41);
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
        wrong += std::abs(static_cast<long double>(invstd[c]) - exact) > 0x1p-51L * exact;
      }
      invert_deviations(m2, channels, 7, 1e-5, m2);
      for (Index c = 0; c < channels; ++c) wrong += bits(m2[c]) != bits(invstd[c]);
      CHECK(wrong == 0);
      CHECK(from.clean());
      CHECK(to.clean());
    }
  }
}

TEST_CASE("normalize: what fits in float") {
  using Float = std::numeric_limits<float>;
  using Double = std::numeric_limits<double>;
  const auto fits = [](double number) { return all_of(fits_float(Packet<double>::all(number))); };
  for (const double number : {0.0, 1.0, -static_cast<double>(Float::max()), static_cast<double>(Float::min())})
    CHECK(fits(number));
  for (const double number :
       {static_cast<double>(Float::denorm_min()), 1e39, -Double::infinity(), Double::quiet_NaN()}) {
    CHECK_FALSE(fits(number));
  }
  const auto has_room = [](double number) { return all_of(leaves_room(Packet<double>::all(number))); };
  const float most = Float::max();
  for (const double number : {0.0, 1e30, -0x1.fffffep102}) {
    CHECK(has_room(number));
    CHECK(std::isfinite(most + std::abs(static_cast<float>(number))));
  }
  for (const double number : {0x1p103, -3e38, Double::quiet_NaN()}) CHECK_FALSE(has_room(number));
  CHECK(std::isinf(most + 0x1p103f));
}

TEST_CASE("normalize: a mean whose low half is subnormal does not fit, where that half counts") {
  using Training = NormalizeTraining<float, float>;
  using Eval = NormalizeEval<float, float>;
  ChannelNumbers numbers{};
  numbers.mean[0] = 0x1p-120 + 0x1p-146;  // the low half, a few bits of a subnormal float
  numbers.mean[1] = 0x1p-100 + 0x1p-126;  // normal
  numbers.mean[2] = 0x1p-120;             // there is none
  for (const Index c : {0, 1, 2}) {
    CHECK(fits<Training>(numbers, c) == (c != 0));
    CHECK(fits<Eval>(numbers, c));
  }
}
