// detail/statistics.hpp: mean and m2 of boxes of every kind against two passes in long double, and what has to be
// summed once more: pivots far from the mean, squares beyond float, values that are not finite.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <tensornorm/detail/statistics.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/fenced.hpp"
#include "support/walks.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

struct Exact {
  long double count = 0, mean = 0, m2 = 0;
  long double sd() const { return std::sqrt(m2 / count); }
};

/// The moments of the box's channels, in two passes.
template <typename T>
std::vector<Exact> reference(const Shape& shape, const Box& box, const T* x) {
  std::vector<Exact> of(static_cast<std::size_t>(box.channels()));
  for_each_element(shape, box, [&](Index c, Index at) {
    Exact& channel = of[static_cast<std::size_t>(c)];
    channel.count += 1;
    channel.mean += static_cast<long double>(number_of(x[at]));
  });
  for (Exact& channel : of) channel.mean /= channel.count;
  for_each_element(shape, box, [&](Index c, Index at) {
    Exact& channel = of[static_cast<std::size_t>(c)];
    const long double deviation = static_cast<long double>(number_of(x[at])) - channel.mean;
    channel.m2 += deviation * deviation;
  });
  return of;
}

struct Found {
  double mean[block_lanes], m2[block_lanes];
};

/// How far a result may be from the exact one. In float lanes: u sd / 8 for the mean, and m2 to the last digit of a
/// float. In double lanes the digits of a double, but for some.
template <typename T>
bool right(const Exact& exact, double mean, double m2, bool float_lanes) {
  const long double u = 0x1p-53L;
  const long double mean_bound =
      32 * u * (std::abs(exact.mean) + exact.sd()) + (float_lanes ? 0x1p-27L * exact.sd() : 0);
  const long double m2_bound = (float_lanes ? 0x1p-24L : std::is_same_v<T, double> ? 64 * u : 0x1p-40L) * exact.m2;
  return std::abs(static_cast<long double>(mean) - exact.mean) <= mean_bound &&
         std::abs(static_cast<long double>(m2) - exact.m2) <= m2_bound;
}

template <typename T>
void check_moments(const Plan& plan, const Box& box, const T* x) {
  Found found;
  box_moments(plan, box, x, found.mean, found.m2);
  const bool float_lanes = !std::is_same_v<T, double> && plan.shape.per_channel() >= float_lanes_from;
  const std::vector<Exact> exact = reference(plan.shape, box, x);
  int wrong = 0;
  for (std::size_t c = 0; c < exact.size(); ++c) wrong += !right<T>(exact[c], found.mean[c], found.m2[c], float_lanes);
  CHECK_MESSAGE(wrong == 0, to_text(plan, box));
}

constexpr Index kMost = 64000;

/// Fills a tensor, its channels of different means and deviations.
template <typename T>
class Tensors {
 public:
  Tensors() {
    Uneven uneven;
    for (Index i = 0; i < kMost; ++i) values_.push_back(uneven());
  }
  T* fill(const Shape& shape, Index offset) {
    T* const x = offset < 0 ? memory_.place_last(shape.size()) : memory_.place(shape.size(), offset);
    for_each_element(shape, whole(shape), [&](Index c, Index at) {
      const double sd = 0.5 + static_cast<double>(c % 3), mean = static_cast<double>(c % 7) * 5 - 12;
      x[at] = value_of<T>(mean + sd * values_[static_cast<std::size_t>(at)]);
    });
    return x;
  }

 private:
  Fenced<T> memory_{kMost};
  std::vector<double> values_;
};

template <typename T>
void check_all_walks() {
  Tensors<T> tensors;
  Index turn = 0;
  const auto check = [&](const Plan& plan, const Box& box) {
    if (box.per_channel() == 1) return;
    check_moments(plan, box, tensors.fill(plan.shape, turn++ % 17 - 1));
  };
  for_each_walk<LaneOf<T>>(check);
  for_each_long_walk_in_runs<LaneOf<T>>(check);
  for (const Shape& shape : {Shape{1024, 3, 1}, Shape{1025, 40, 1}, Shape{1031, 7, 2}, Shape{300, 5, 4},
                             Shape{61, 9, 33}, Shape{2003, 17, 1}, Shape{1023, 5, 1}}) {
    for (const Index fold : {1, 2, 7, 16}) {
      if (fold * shape.channels * shape.inner <= block_lanes) check(rows_of(shape, fold), whole(shape));
    }
  }
}

// --------------------------------------------------------------------------------------------- what is summed once
// more

/// body(plan) over both traversals of 5 channels of n values.
template <typename Body>
void for_each_traversal(Index n, Body body) {
  body(runs_of({1, 5, n}));
  body(runs_of({n / 16, 5, 16}));
  body(rows_of({n, 5, 1}, 1));
  body(rows_of({n, 5, 1}, 16));
  body(rows_of({n / 2, 5, 2}, 3));
}

/// Visits channel c of a tensor: visit(k, at) for its k-th value.
template <typename Visit>
void for_each_of_channel(const Shape& shape, Index channel, Visit visit) {
  Index k = 0;
  for_each_element(shape, whole(shape), [&](Index c, Index at) {
    if (c == channel) visit(k++, at);
  });
}

template <typename T>
std::vector<T> normal_tensor(const Shape& shape, double mean, double sd) {
  Uneven uneven(3);
  std::vector<T> x;
  for (Index i = 0; i < shape.size(); ++i) x.push_back(value_of<T>(mean + sd * uneven()));
  return x;
}

/// Channel 2 of a tensor is far away wherever a pivot may be taken from.
template <typename T>
void check_bad_pivots(Index n, double far) {
  for_each_traversal(n, [&](const Plan& plan) {
    const Shape& shape = plan.shape;
    std::vector<T> x = normal_tensor<T>(shape, 0, 1);
    constexpr Index samples = pivot_samples<T>;
    for (Index k = 0; k < samples; ++k) {
      const Index o = shape.outer * k / samples, i = shape.inner * k / samples;
      x[static_cast<std::size_t>((o * 5 + 2) * shape.inner + i)] = value_of<T>(far);
    }
    LaneOf<T> pivot[block_lanes];
    choose_pivots(plan, whole(shape), x.data(), pivot);
    REQUIRE(static_cast<double>(pivot[2]) == far);  // else this tests nothing
    check_moments(plan, whole(shape), x.data());
  });
}

/// One value of channel 2 is not finite: the others' results keep their bits.
template <typename T>
void check_not_finite(Index n) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for_each_traversal(n, [&](const Plan& plan) {
    const Shape& shape = plan.shape;
    const std::vector<T> clean = normal_tensor<T>(shape, 3, 1);
    Found before;
    box_moments(plan, whole(shape), clean.data(), before.mean, before.m2);
    for (const Index place : {Index{0}, n / 3, n - 1 - n % 16}) {
      for (const double value : {infinity, -infinity, nan}) {
        std::vector<T> x = clean;
        for_each_of_channel(shape, 2, [&](Index k, Index at) {
          if (k == place) x[static_cast<std::size_t>(at)] = value_of<T>(value);
        });
        Found found;
        box_moments(plan, whole(shape), x.data(), found.mean, found.m2);
        INFO(to_text(plan, whole(shape)), ", value ", place, " is ", value);
        for (const Index c : {0, 1, 3, 4}) {
          CHECK(bits(found.mean[c]) == bits(before.mean[c]));
          CHECK(bits(found.m2[c]) == bits(before.m2[c]));
        }
        CHECK(std::isnan(found.m2[2]));
        CHECK((std::isnan(value) ? std::isnan(found.mean[2]) : found.mean[2] == value));
      }
    }
  });
}

template <typename T>
void check_constants(Index n, const std::vector<double>& constants) {
  for_each_traversal(n, [&](const Plan& plan) {
    for (const double constant : constants) {
      const std::vector<T> x(static_cast<std::size_t>(plan.shape.size()), value_of<T>(constant));
      Found found;
      box_moments(plan, whole(plan.shape), x.data(), found.mean, found.m2);
      INFO(to_text(plan, whole(plan.shape)), ", all ", constant);
      for (Index c = 0; c < 5; ++c) {
        CHECK(found.mean[c] == number_of(x[0]));
        CHECK(found.m2[c] == 0);
      }
    }
  });
}

}  // namespace

TEST_CASE("statistics: float") { check_all_walks<float>(); }
TEST_CASE("statistics: double") { check_all_walks<double>(); }
TEST_CASE("statistics: half") { check_all_walks<half>(); }
TEST_CASE("statistics: bfloat16") { check_all_walks<bfloat16>(); }

TEST_CASE("statistics: a mean far above the deviation costs no digits") {
  for (const Index n : {600, 4096}) {
    for_each_traversal(n, [](const Plan& plan) {
      check_moments(plan, whole(plan.shape), normal_tensor<float>(plan.shape, 1e6, 0.5).data());
      check_moments(plan, whole(plan.shape), normal_tensor<double>(plan.shape, 1e9, 0.5).data());
    });
  }
}

TEST_CASE("statistics: pivots far from the mean are found out") {
  check_bad_pivots<float>(4096, 1e4);
  check_bad_pivots<float>(4096, -3e5);
  check_bad_pivots<bfloat16>(4096, 1024);
  check_bad_pivots<half>(4096, -1024);
  check_bad_pivots<double>(4096, 1e6);
  check_bad_pivots<double>(800, -1e9);
}

TEST_CASE("statistics: squares beyond the range of float") {
  for (const Index n : {400, 2048}) {
    for_each_traversal(n, [](const Plan& plan) {
      for (const double sd : {1e30, 3e37, 1e-17, 1e-30, 1e-40}) {
        check_moments(plan, whole(plan.shape), normal_tensor<float>(plan.shape, 0, sd).data());
      }
      check_moments(plan, whole(plan.shape), normal_tensor<bfloat16>(plan.shape, 0, 1e30).data());
      std::vector<float> extremes = normal_tensor<float>(plan.shape, 0, 1);
      for (float& value : extremes) value = value < -0.5f ? 3e38f : -3e38f;
      check_moments(plan, whole(plan.shape), extremes.data());
    });
  }
}

TEST_CASE("statistics: squares beyond the range of double are infinite, their mean is right") {
  for_each_traversal(512, [](const Plan& plan) {
    const std::vector<double> x = normal_tensor<double>(plan.shape, 0, 1e200);
    const std::vector<Exact> exact = reference(plan.shape, whole(plan.shape), x.data());
    Found found;
    box_moments(plan, whole(plan.shape), x.data(), found.mean, found.m2);
    for (std::size_t c = 0; c < 5; ++c) {
      CHECK(std::isinf(found.m2[c]));
      CHECK(std::abs(static_cast<long double>(found.mean[c]) - exact[c].mean) <= 0x1p-48L * exact[c].sd());
    }
  });
}

TEST_CASE("statistics: a value that is not finite spoils its own channel, and no other") {
  for (const Index n : {64, 1024}) {
    check_not_finite<float>(n);
    check_not_finite<double>(n);
    check_not_finite<half>(n);
    check_not_finite<bfloat16>(n);
  }
}

TEST_CASE("statistics: constants have themselves for a mean, and no deviation") {
  for (const Index n : {48, 1040}) {
    check_constants<float>(n, {0.1, 1e10, 3e38, -3e38, 1e-40, 0});
    check_constants<double>(n, {0.1, 1e10, 3e38, 1e300, -1e-310, 0});
    check_constants<half>(n, {0.1, 65504, 1e-7});
    check_constants<bfloat16>(n, {0.1, 3e38, 1e-40});
  }
}

TEST_CASE("statistics: pivots are finite, on a coarse grid near the mean, or the constant itself") {
  const Shape shape{64, 5, 1};
  const Plan plan = rows_of(shape, 1);
  std::vector<float> x = normal_tensor<float>(shape, 1000, 1);
  for_each_of_channel(shape, 1, [&](Index, Index at) { x[static_cast<std::size_t>(at)] = 0.1f; });
  x[2] = std::numeric_limits<float>::infinity();
  x[3] = std::numeric_limits<float>::quiet_NaN();
  float pivot[block_lanes];
  choose_pivots(plan, whole(shape), x.data(), pivot);
  CHECK(std::abs(pivot[0] - 1000) < 3);
  CHECK(pivot[1] == 0.1f);
  CHECK(pivot[2] == 0);
  CHECK(pivot[3] == 0);
  CHECK(std::fmod(pivot[4], 0x1p-6f) == 0);  // a float near 1000 has 8 bits below that

  double first[block_lanes];
  first_values(plan, whole(shape), x.data(), first);
  CHECK(first[0] == static_cast<double>(x[0]));
  CHECK(first[1] == static_cast<double>(0.1f));
  CHECK(first[2] == 0);
  CHECK(first[3] == 0);
  first_values(plan, Box{3, 60, 1, 5, 0, 1}, x.data(), first);
  CHECK(first[3] == static_cast<double>(x[3 * 5 + 4]));
}

TEST_CASE("statistics: invstd, of any number of channels, in place and apart") {
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

TEST_CASE("statistics: boxes merge into the moments of all their values") {
  const Shape shape{90, 5, 1};
  const std::vector<double> x = normal_tensor<double>(shape, 4, 2);
  const std::vector<Exact> exact = reference(shape, whole(shape), x.data());
  for (Index split = 1; split < shape.outer; ++split) {
    const Plan plan = rows_of(shape, 1);
    Found first, second;
    box_moments(plan, Box{0, split, 0, 5, 0, 1}, x.data(), first.mean, first.m2);
    box_moments(plan, Box{split, 90, 0, 5, 0, 1}, x.data(), second.mean, second.m2);
    for (std::size_t c = 0; c < 5; ++c) {
      MomentsReduction<double>::merge(split, 90 - split, first.mean[c], first.m2[c], second.mean[c], second.m2[c]);
      CHECK(right<double>(exact[c], first.mean[c], first.m2[c], false));
    }
  }
}
