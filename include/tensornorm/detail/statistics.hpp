// The mean and the sum of squared deviations of every channel, in one pass over memory.
//
// Deviations are taken from a pivot p near the channel's mean, so that neither a large mean nor a large count costs
// digits: with s = sum(x - p) and q = sum((x - p)^2) over n values, mean = p + s/n and m2 = q - s^2/n.
//
// Channels of fewer than float_lanes_from values are summed in double lanes. From there on float lanes, flushed to
// double every 8 terms: taking roundings as independent, their standard error is about 0.9 u sd / sqrt(n) in the mean
// (u = 2^-24) and 0.5 u / sqrt(n/8) in m2, relatively; the tests hold the bounds. Where a pivot turns out to be far
// from the mean, or squares left the range of float, the box is summed once more, in double and about the mean just
// found, and the channels in question take their result from there.
#pragma once

#include <cmath>
#include <limits>

#include "../moments.hpp"
#include "sums.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

inline constexpr Index float_lanes_from = 1024;  // values a channel: u sd / 8 is then 4.5 standard errors of the mean
template <typename T>  // averaged for a pivot; a double's variance has no digits to spare for a pivot far away
inline constexpr Index pivot_samples = std::is_same_v<T, double> ? 32 : 8;

/// Squared deviations: u = v = x - pivot.
template <typename T>
struct Deviations {
  static constexpr int inputs = 1;
  const T* x;
  void prefetch(Index offset) const { detail::prefetch(x + offset); }
  template <typename Lane, typename Extent>
  Packet<Lane> u(Index offset, Packet<Lane> pivot, Extent extent) const {
    return load<Lane>(x + offset, extent) - pivot;
  }
  template <typename Lane, typename Extent>
  Packet<Lane> v(Packet<Lane> u, Index, Packet<Lane>, Extent) const {
    return u;
  }
};

/// A channel's first value, for floats in double lanes: for as few values as are summed there it is near enough.
template <typename T>
void first_values(const Plan& plan, const Box& box, const T* x, double* pivot) {
  const T* first = x + plan.shape.offset(box.outer_begin, box.channel_begin, box.inner_begin);
  for (Index c = 0; c < box.channels(); ++c) {
    const auto value = static_cast<double>(first[c * plan.shape.inner]);
    pivot[c] = std::abs(value) <= std::numeric_limits<double>::max() ? value : 0.0;
  }
}

/// A number near each channel's mean, always finite: the average of a few values from all over the box.
///
/// The average is rounded to a multiple of about a sixteenth of those values' spread. Had it more bits than that, x -
/// pivot would be rounded the same way for all x of a binade, and the sum of those errors grow with n instead of
/// averaging out. Values that are all the same have no spread, and are the pivot themselves.
template <typename Lane, typename T>
void choose_pivots(const Plan& plan, const Box& box, const T* x, Lane* pivot) {
  const Index channels = box.channels(), rows = box.outer_end - box.outer_begin, run = box.inner_end - box.inner_begin;
  constexpr Index samples = pivot_samples<T>;
  Lane least[block_lanes], most[block_lanes];  // [channels]; pivot is the sum meanwhile
  for (Index k = 0; k < samples; ++k) {        // of fewer values, some more than once
    const Index o = box.outer_begin + rows * k / samples, i = box.inner_begin + run * k / samples;
    const T* first = x + plan.shape.offset(o, box.channel_begin, i);
    for (Index c = 0; c < channels; ++c) {
      const auto value = static_cast<Lane>(first[c * plan.shape.inner]);
      pivot[c] = k == 0 ? value : pivot[c] + value;
      least[c] = k == 0 ? value : std::min(least[c], value);
      most[c] = k == 0 ? value : std::max(most[c], value);
    }
  }
  constexpr auto sixteenths = static_cast<Lane>(sizeof(Lane) == sizeof(float) ? 0x1p19 : 0x1p48);
  for (Index c = 0; c < channels; ++c) {
    const Lane mean = pivot[c] / static_cast<Lane>(samples), grid = (most[c] - least[c]) * sixteenths;
    const Lane rounded = std::copysign((std::abs(mean) + grid) - grid, mean);
    const Lane chosen = least[c] == most[c] ? least[c] : rounded;
    pivot[c] = std::abs(chosen) <= std::numeric_limits<Lane>::max() ? chosen : Lane{0};
  }
}

/// Whether sums in lanes of type Lane about a pivot are as good as they should be: in range, and the pivot near the
/// mean. Comparisons are false for NaN.
template <typename Lane, typename T>
bool trusted(double n, double u, double m2) {
  constexpr bool in_float = std::is_same_v<Lane, float>, of_doubles = std::is_same_v<T, double>;
  constexpr double farthest = in_float ? 2 : of_doubles ? 0.5 : 0x1p20;  // (mean - pivot)^2, in variances
  constexpr double smallest = in_float ? 0x1p-100 : -1;  // variance, above the underflow of squares of floats
  return u * u <= farthest * n * m2 && m2 >= smallest * n && m2 <= std::numeric_limits<double>::max();
}

/// Mean and m2 about a pivot, from the sums about it.
template <typename Lane>
void moments_from_sums(const ChannelSums& sums, Index channels, double n, const Lane* pivot, double* mean, double* m2) {
  const double per_value = 1 / n;
  for (Index c = 0; c < channels; ++c) {
    const double shift = sums.u[c] * per_value;
    mean[c] = static_cast<double>(pivot[c]) + shift;
    m2[c] = sums.uv[c] - sums.u[c] * shift;
  }
}

template <typename Lane, typename T>
void box_moments_in(const Plan& plan, const Box& box, const T* x, double* mean, double* m2) {
  const auto n = static_cast<double>(box.per_channel());
  const Index channels = box.channels();
  alignas(cache_line) Lane pivot[block_lanes];
  ChannelSums sums;
  if constexpr (std::is_same_v<Lane, double> && !std::is_same_v<T, double>) {
    first_values(plan, box, x, pivot);
  } else {
    choose_pivots(plan, box, x, pivot);
  }
  sum_box(plan, box, Deviations<T>{x}, pivot, sums);
  moments_from_sums(sums, channels, n, pivot, mean, m2);
  bool all = true;
  for (Index c = 0; c < channels; ++c) all = all && trusted<Lane, T>(n, sums.u[c], m2[c]);
  if (all) return;

  ChannelSums again;
  double centre[block_lanes], mean_again[block_lanes], m2_again[block_lanes];
  for (Index c = 0; c < channels; ++c) centre[c] = std::isfinite(mean[c]) ? mean[c] : static_cast<double>(pivot[c]);
  sum_box(plan, box, Deviations<T>{x}, centre, again);
  moments_from_sums(again, channels, n, centre, mean_again, m2_again);
  for (Index c = 0; c < channels; ++c) {
    if (trusted<Lane, T>(n, sums.u[c], m2[c])) continue;
    mean[c] = mean_again[c];
    const bool overflow = std::isinf(again.uv[c]) && std::isfinite(again.u[c]);  // of squares of doubles
    m2[c] = overflow ? again.uv[c] : m2_again[c] < 0 ? 0 : m2_again[c];          // NaN stays NaN
  }
}

/// The moments of the box's channels: mean and m2, double [channels of the box]. One pass over x, O(values).
template <typename T>
void box_moments(const Plan& plan, const Box& box, const T* x, double* mean, double* m2) {
  if constexpr (!std::is_same_v<T, double>) {
    if (plan.shape.per_channel() >= float_lanes_from) return box_moments_in<float>(plan, box, x, mean, m2);
  }
  box_moments_in<double>(plan, box, x, mean, m2);
}

/// The reduction of passes.hpp that finds mean and m2.
template <typename T>
struct MomentsReduction {
  const T* x;
  void box(const Plan& plan, const Box& box, double* mean, double* m2) const { box_moments(plan, box, x, mean, m2); }
  static void merge(Index before, Index count, double& mean, double& m2, double box_mean, double box_m2) {
    const Moments all = tensornorm::merge(Moments{static_cast<double>(before), mean, m2},
                                          Moments{static_cast<double>(count), box_mean, box_m2});
    mean = all.mean;
    m2 = all.m2;
  }
};

/// invstd[c] = 1 / sqrt(m2[c] / n + eps). invstd may be m2.
inline void invert_deviations(const double* m2, Index channels, double n, double eps, double* invstd) {
  const auto count = Packet<double>::all(n), e = Packet<double>::all(eps), one = Packet<double>::all(1);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    store(invstd + c, one / sqrt(load<double>(m2 + c, extent) / count + e), extent);
  });
}

}}}  // namespace tensornorm::v0::detail
