// detail/statistics.hpp: values that are hard to sum, and what has to be summed once more: pivots far from the mean,
// squares beyond float, values that are not finite.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/bits.hpp"
#include "support/moments.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

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

/// Channel 2 of a tensor of doubles is far away wherever a pivot may be taken from.
void check_bad_pivots(Index n, double far) {
  for_each_traversal(n, [&](const Plan& plan) {
    const Shape& shape = plan.shape;
    std::vector<double> x = normal_tensor<double>(shape, 0, 1);
    for (Index k = 0; k < pivot_samples; ++k) {
      const Index o = shape.outer * k / pivot_samples, i = shape.inner * k / pivot_samples;
      x[static_cast<std::size_t>((o * 5 + 2) * shape.inner + i)] = far;
    }
    double pivot[block_lanes];
    choose_pivots(plan, whole(shape), x.data(), pivot);
    REQUIRE(pivot[2] == far);  // else this tests nothing
    check_moments(plan, whole(shape), x.data());
  });
}

/// Channels of a few different values, whose rounding errors repeat and do not average out.
template <typename T>
void check_repeated(Index n) {
  for (const std::size_t levels : {2u, 3u, 8u}) {
    for_each_traversal(n, [&](const Plan& plan) {
      const std::vector<T> pool = normal_tensor<T>({static_cast<Index>(levels), 5, 1}, 0, 1);
      std::vector<T> x(static_cast<std::size_t>(plan.shape.size()));
      for (Index c = 0; c < 5; ++c) {
        for_each_of_channel(plan.shape, c, [&](Index k, Index at) {
          const auto turn = static_cast<std::size_t>(k * k + k / 3);
          x[static_cast<std::size_t>(at)] = pool[turn % levels * 5 + static_cast<std::size_t>(c)];
        });
      }
      check_moments(plan, whole(plan.shape), x.data());
    });
  }
}

/// One value of channel 2 is not finite: the others' results keep their bits.
template <typename T>
void check_not_finite(Index n) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for_each_traversal(n, [&](const Plan& plan) {
    const Shape& shape = plan.shape;
    const std::vector<T> clean = normal_tensor<T>(shape, 3, 1);
    Found before;
    find_moments(plan, whole(shape), clean.data(), before);
    for (const Index place : {Index{0}, n / 3, n - 1 - n % 16}) {
      for (const double value : {infinity, -infinity, nan}) {
        std::vector<T> x = clean;
        for_each_of_channel(shape, 2, [&](Index k, Index at) {
          if (k == place) x[static_cast<std::size_t>(at)] = value_of<T>(value);
        });
        Found found;
        find_moments(plan, whole(shape), x.data(), found);
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
      find_moments(plan, whole(plan.shape), x.data(), found);
      INFO(to_text(plan, whole(plan.shape)), ", all ", constant);
      for (Index c = 0; c < 5; ++c) {
        CHECK(found.mean[c] == number_of(x[0]));
        CHECK(found.m2[c] == 0);
      }
    }
  });
}

}  // namespace

TEST_CASE("statistics: a mean far above the deviation costs no digits") {
  for (const Index n : {600, 4096}) {
    for_each_traversal(n, [](const Plan& plan) {
      check_moments(plan, whole(plan.shape), normal_tensor<float>(plan.shape, 1e6, 0.5).data());
      check_moments(plan, whole(plan.shape), normal_tensor<double>(plan.shape, 1e9, 0.5).data());
    });
  }
}

TEST_CASE("statistics: pivots far from the mean are found out") {
  check_bad_pivots(4096, 1e6);
  check_bad_pivots(800, -1e9);
}

TEST_CASE("statistics: values that come again and again cost no digits") {
  check_repeated<float>(1200);
  check_repeated<half>(1200);
  check_repeated<bfloat16>(1200);
  check_repeated<double>(1200);
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
    find_moments(plan, whole(plan.shape), x.data(), found);
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
  std::vector<double> x = normal_tensor<double>(shape, 1000, 1);
  for_each_of_channel(shape, 1, [&](Index, Index at) { x[static_cast<std::size_t>(at)] = 0.1; });
  x[2] = std::numeric_limits<double>::infinity();
  x[3] = std::numeric_limits<double>::quiet_NaN();
  double pivot[block_lanes];
  choose_pivots(plan, whole(shape), x.data(), pivot);
  CHECK(std::abs(pivot[0] - 1000) < 3);
  CHECK(pivot[1] == 0.1);
  CHECK(pivot[2] == 0);
  CHECK(pivot[3] == 0);
  CHECK(std::fmod(pivot[4], 0x1p-6) == 0);
  for (const double spread : {1e-9, 1e-3, 1e6}) {  // the grid is as fine as the values are close
    std::vector<double> close = normal_tensor<double>(shape, 0, 1);
    for (double& value : close) value = 1000.3 + spread * value;
    choose_pivots(plan, whole(shape), close.data(), pivot);
    CHECK(std::abs(pivot[0] - 1000.3) < spread);
    CHECK(std::fmod(pivot[0], std::exp2(std::floor(std::log2(spread)) - 5)) == 0);
  }

  const double greatest = std::numeric_limits<double>::max();
  double first[block_lanes];
  first_values(plan, Box{0, 1, 0, 2, 0, 1}, std::vector<double>{greatest, -greatest}.data(), first);
  CHECK(first[0] == greatest);
  CHECK(first[1] == -greatest);
  first_values(plan, whole(shape), x.data(), first);
  CHECK(first[0] == x[0]);
  CHECK(first[1] == 0.1);
  CHECK(first[2] == 0);
  CHECK(first[3] == 0);
  first_values(plan, Box{3, 60, 1, 5, 0, 1}, x.data(), first);
  CHECK(first[3] == x[3 * 5 + 4]);
}

TEST_CASE("statistics: floats need no pivot up to a thousand deviations, and are summed again beyond") {
  for (const double mean : {1.0, 30.0, 1000.0, 1100.0, 3e4, 1e7}) {
    for_each_traversal(4096, [&](const Plan& plan) {
      check_moments(plan, whole(plan.shape), normal_tensor<float>(plan.shape, mean, 1).data());
      check_moments(plan, whole(plan.shape), normal_tensor<float>(plan.shape, -mean * 1e-30, 1e-30).data());
    });
  }
}
