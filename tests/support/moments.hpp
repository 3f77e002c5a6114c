// Mean and m2 of a box's channels, in long double and as detail/statistics.hpp finds them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <tensornorm/detail/statistics.hpp>
#include <type_traits>
#include <vector>

#include "walks.hpp"

namespace tn_test {

using tensornorm::detail::block_lanes;
using tensornorm::detail::MomentsReduction;

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

/// By the reduction of passes.hpp.
template <typename T>
void find_moments(const Plan& plan, const Box& box, const T* x, Found& found) {
  const MomentsReduction<T> reduction{x};
  reduction.box(plan, box, found.mean, found.m2);
  reduction.complete(plan, box, found.mean);
}

/// How far a result may be from the exact one: some of the digits of a double, and for the m2 of floats, summed about
/// 0, those that a mean of up to 1024 deviations costs.
template <typename T>
bool right(const Exact& exact, double mean, double m2) {
  const long double u = 0x1p-53L;
  const long double mean_bound = 32 * u * (std::abs(exact.mean) + exact.sd());
  const long double about_0 = std::min(exact.count * exact.mean * exact.mean, 0x1p20L * exact.m2);
  const long double m2_bound = 64 * u * (exact.m2 + (std::is_same_v<T, double> ? 0 : about_0));
  return std::abs(static_cast<long double>(mean) - exact.mean) <= mean_bound &&
         std::abs(static_cast<long double>(m2) - exact.m2) <= m2_bound;
}

/// Holds what is found in the box to what is exact.
template <typename T>
void check_moments(const Plan& plan, const Box& box, const T* x) {
  Found found;
  find_moments(plan, box, x, found);
  const std::vector<Exact> exact = reference(plan.shape, box, x);
  int wrong = 0;
  for (std::size_t c = 0; c < exact.size(); ++c) wrong += !right<T>(exact[c], found.mean[c], found.m2[c]);
  CHECK_MESSAGE(wrong == 0, to_text(plan, box));
}

/// Values around `mean`, `sd` apart, as uneven as walks.hpp has them.
template <typename T>
std::vector<T> normal_tensor(const Shape& shape, double mean, double sd) {
  Uneven uneven(3);
  std::vector<T> x;
  for (Index i = 0; i < shape.size(); ++i) x.push_back(value_of<T>(mean + sd * uneven()));
  return x;
}

}  // namespace tn_test
