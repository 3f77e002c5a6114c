// The mean and the sum of squared deviations of every channel, in one pass over memory.
//
// Deviations are taken from a pivot p near the channel's mean, so that neither a large mean nor a large count costs
// digits: with s = sum(x - p) and q = sum((x - p)^2) over n values, mean = p + s/n and m2 = q - s^2/n.
//
// Channels of fewer than float_lanes_from values are summed in double lanes. From there on float lanes, flushed to double
// every 8 terms, leave an error in the mean of about 0.9 u sd / sqrt(n) (u = 2^-24), and in m2 of 0.5 u / sqrt(n/8).
// Where a pivot turns out to be far from the mean, or squares left the range of float, the box is summed once more, in
// double and about the mean just found, and the channels in question take their result from there.
#pragma once

#include <cmath>
#include <limits>

#include "../moments.hpp"
#include "sums.hpp"

namespace tensornorm::detail {

inline constexpr Index float_lanes_from = 1024;  // values a channel; keeps the mean's error below u sd / 8 at 4.5 sigma
inline constexpr int pivot_values = 8;           // averaged for a pivot of float lanes

/// Squared deviations: u = v = x - pivot.
template <typename T>
struct Deviations {
  const T* x;
  template <typename Lane, typename Extent>
  Factors<Lane> factors(Index offset, Packet<Lane> pivot, Extent extent) const {
    const Packet<Lane> d = load<Lane>(x + offset, extent) - pivot;
    return {d, d};
  }
};

/// A value near each channel's mean, found from its first `count` values: exactly the value if they are all the same, and
/// always finite.
template <typename Lane, typename T>
void choose_pivots(const Plan& plan, const Box& box, const T* x, Index count, Lane* pivot) {
  const Index step = plan.rows ? plan.shape.channels * plan.shape.inner : 1;
  count = std::min(count, plan.rows ? box.outer_end - box.outer_begin : box.inner_end - box.inner_begin);
  for (Index c = 0; c < box.channels(); ++c) {
    const T* first = x + plan.shape.offset(box.outer_begin, box.channel_begin + c, box.inner_begin);
    double sum = 0;
    for (Index k = 0; k < count; ++k) sum += static_cast<double>(first[k * step]);
    const double mean = sum / static_cast<double>(count);
    pivot[c] = std::isfinite(mean) ? static_cast<Lane>(mean) : Lane{0};
  }
}

/// Whether sums in lanes of type Lane about a pivot are as good as they should be: in range, and the pivot near the mean.
template <typename Lane>
bool trusted(double n, double u, double uv, double m2) {
  constexpr bool in_float = std::is_same_v<Lane, float>;
  constexpr double farthest = in_float ? 4 : 64;                            // (mean - pivot)^2 in variances
  constexpr double smallest = in_float ? 0x1p-100 : -1;                     // of a variance, far above float's underflow
  const bool finite = std::isfinite(u) && std::isfinite(uv);
  return finite && u * (u / n) <= farthest * m2 && m2 >= smallest * n;
}

template <typename Lane, typename T>
void box_moments_in(const Plan& plan, const Box& box, const T* x, double* mean, double* m2) {
  constexpr int flush = tile_rows;
  const auto n = static_cast<double>(box.per_channel());
  Lane pivot[block_lanes];
  ChannelSums sums;
  choose_pivots(plan, box, x, std::is_same_v<Lane, float> ? pivot_values : 1, pivot);
  sum_box<flush>(plan, box, Deviations<T>{x}, pivot, sums);

  bool all_trusted = true;
  for (Index c = 0; c < box.channels(); ++c) {
    mean[c] = static_cast<double>(pivot[c]) + sums.u[c] / n;
    m2[c] = sums.uv[c] - sums.u[c] * (sums.u[c] / n);
    all_trusted = all_trusted && trusted<Lane>(n, sums.u[c], sums.uv[c], m2[c]);
  }
  if (all_trusted) return;

  ChannelSums again;
  double centre[block_lanes];
  for (Index c = 0; c < box.channels(); ++c) {
    centre[c] = std::isfinite(mean[c]) ? mean[c] : static_cast<double>(pivot[c]);
  }
  sum_box<flush>(plan, box, Deviations<T>{x}, centre, again);
  for (Index c = 0; c < box.channels(); ++c) {
    if (trusted<Lane>(n, sums.u[c], sums.uv[c], m2[c])) continue;
    mean[c] = centre[c] + again.u[c] / n;
    const double rest = again.uv[c] - again.u[c] * (again.u[c] / n);
    m2[c] = rest < 0 ? 0 : rest;  // NaN stays NaN
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

/// invstd[c] = 1 / sqrt(m2[c] / n + eps), and 0 where that would divide by 0, as PyTorch has it in training.
inline void invert_deviations(const double* m2, Index channels, double n, double eps, double* invstd) {
  const auto count = Packet<double>::all(n), e = Packet<double>::all(eps), one = Packet<double>::all(1);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    store(invstd + c, one / sqrt(load<double>(m2 + c, extent) / count + e), extent);
  });
  if (eps > 0) return;
  for (Index c = 0; c < channels; ++c) invstd[c] = m2[c] == 0 ? 0 : invstd[c];
}

}  // namespace tensornorm::detail
