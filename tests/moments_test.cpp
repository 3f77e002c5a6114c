// moments.hpp: merged at every split, in any order, moments are those of all values.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <tensornorm/moments.hpp>
#include <vector>

namespace {

using tensornorm::merge;
using tensornorm::Moments;

Moments of(const std::vector<double>& values, std::size_t begin, std::size_t end) {
  long double mean = 0, m2 = 0;
  const auto n = static_cast<long double>(end - begin);
  for (std::size_t i = begin; i < end; ++i) mean += static_cast<long double>(values[i]) / n;
  for (std::size_t i = begin; i < end; ++i) {
    m2 += (static_cast<long double>(values[i]) - mean) * (static_cast<long double>(values[i]) - mean);
  }
  return {static_cast<double>(end - begin), static_cast<double>(mean), static_cast<double>(m2)};
}

std::vector<double> values(std::size_t count, double mean, double jump) {
  std::vector<double> all;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(mean + std::sin(static_cast<double>(i * i)) + (i > count / 3 ? jump : 0));
  }
  return all;
}

void check_close(const Moments& a, const Moments& b) {
  CHECK(a.count == b.count);
  const double size = std::abs(b.mean) + std::sqrt(b.m2 / b.count);
  CHECK(std::abs(a.mean - b.mean) <= 0x1p-51 * size);
  // A mean that is rounded moves the distance between two means, and with it what it adds to m2.
  CHECK(std::abs(a.m2 - b.m2) <= 0x1p-48 * b.m2 + 0x1p-50 * std::abs(b.mean) * std::sqrt(b.count * b.m2));
}

}  // namespace

TEST_CASE("moments: merged at every split") {
  for (const double mean : {0.0, 1e6}) {
    for (const double jump : {0.0, 100.0}) {
      const std::vector<double> all = values(97, mean, jump);
      const Moments exact = of(all, 0, all.size());
      for (std::size_t split = 1; split < all.size(); ++split) {
        const Moments a = of(all, 0, split), b = of(all, split, all.size());
        check_close(merge(a, b), exact);
        check_close(merge(b, a), exact);
      }
    }
  }
}

TEST_CASE("moments: merged value by value, and in three parts either way") {
  const std::vector<double> all = values(50, -3, 7);
  Moments running;
  for (std::size_t i = 0; i < all.size(); ++i) {
    running = merge(running, Moments{1, all[i], 0});
    check_close(running, of(all, 0, i + 1));
  }
  const Moments a = of(all, 0, 11), b = of(all, 11, 12), c = of(all, 12, 50), exact = of(all, 0, 50);
  check_close(merge(merge(a, b), c), exact);
  check_close(merge(a, merge(b, c)), exact);
}

TEST_CASE("moments: an empty set changes nothing") {
  const Moments some{3, 0.1, 0.7}, empty{};
  for (const Moments& same : {merge(some, empty), merge(empty, some)}) {
    CHECK(same.count == some.count);
    CHECK(same.mean == some.mean);
    CHECK(same.m2 == some.m2);
  }
  const Moments both = merge(empty, empty);
  CHECK(both.count == 0);
  CHECK(both.mean == 0);
  CHECK(both.m2 == 0);
}

TEST_CASE("moments: equal means add their deviations, and constants stay constants") {
  const Moments both = merge(Moments{2, 0.1, 3}, Moments{5, 0.1, 4});
  CHECK(both.mean == 0.1);
  CHECK(both.m2 == 7);
  CHECK(merge(Moments{1000, 3e38, 0}, Moments{7, 3e38, 0}).m2 == 0);
  CHECK(merge(Moments{1000, 3e38, 0}, Moments{7, 3e38, 0}).mean == 3e38);
}

TEST_CASE("moments: infinities, and means too far apart for their difference") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Moments finite{2, 1, 3};
  for (const double infinite : {inf, -inf}) {
    const Moments spoilt{3, infinite, nan};
    for (const Moments& both : {merge(spoilt, finite), merge(finite, spoilt), merge(spoilt, spoilt)}) {
      CHECK(both.mean == infinite);
      CHECK(std::isnan(both.m2));
    }
    CHECK(std::isnan(merge(spoilt, Moments{3, -infinite, nan}).mean));
    CHECK(std::isnan(merge(spoilt, Moments{3, nan, nan}).mean));
  }
  const Moments apart = merge(Moments{3, 1.5e308, 0}, Moments{1, -1.5e308, 0});
  CHECK(apart.mean == doctest::Approx(0.75e308));
  CHECK(apart.m2 == inf);
}

TEST_CASE("moments: variances") {
  const Moments some{5, 1, 20};
  CHECK(some.variance(0) == 4);
  CHECK(some.variance(1) == 5);
  CHECK(some.variance(3) == 10);
}
