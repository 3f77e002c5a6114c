// The mean and the sum of squared deviations of every channel, in one pass over memory.
//
// With s = sum(x - p) and q = sum((x - p)^2) over n values and a pivot p, mean = p + s/n and m2 = q - s^2/n. The pivot
// keeps the difference from cancelling. Values of float and less need none, p = 0: a double has bits to spare as long
// as the mean is below a thousand deviations. Doubles have none to spare: they are summed about a pivot near the mean,
// and what is rounded off of tiles' sums is added up as well, as it may be the same for all where values come again.
// Nor may their means be rounded before boxes are merged: until then a mean is kept less a value of its channel.
//
// Where the mean turns out to be too far from the pivot, or squares overflowed, the box is summed once more, about the
// mean just found, and the channels in question take their result from there.
#pragma once

#include <cmath>
#include <limits>

#include "../moments.hpp"
#include "sums.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

inline constexpr Index pivot_samples = 32;  // averaged for a pivot

/// The values themselves: u = v = x.
template <typename T>
struct Values {
  using Value = T;
  static constexpr int inputs = 1;
  static constexpr bool keeps_rest = std::is_same_v<T, double>;
  static constexpr bool keeps_rest_of_u = false;  // that of squares is for variances; means need none
  const T* x;
  void prefetch(Index offset) const { detail::prefetch(x + offset); }
  template <typename Extent>
  Packet<double> u(Index offset, Packet<double>, Extent extent) const {
    return load<double>(x + offset, extent);
  }
  template <typename Extent>
  Packet<double> v(Packet<double> u, Index, Packet<double>, Extent) const {
    return u;
  }
};

/// Squared deviations: u = v = x - pivot.
template <typename T>
struct Deviations : Values<T> {
  template <typename Extent>
  Packet<double> u(Index offset, Packet<double> pivot, Extent extent) const {
    return load<double>(this->x + offset, extent) - pivot;
  }
};

/// Each channel's first value, or 0 if that is not finite: double [channels of the box].
template <typename T>
void first_values(const Plan& plan, const Box& box, const T* x, double* pivot) {
  const T* first = x + plan.shape.offset(box.outer_begin, box.channel_begin, box.inner_begin);
  for (Index c = 0; c < box.channels(); ++c) {
    const double value = number_at(first + c * plan.shape.inner);
    pivot[c] = std::abs(value) <= std::numeric_limits<double>::max() ? value : 0.0;
  }
}

/// A number near each channel's mean, always finite: the average of a few values from all over the box.
///
/// The average is rounded to a multiple of about a sixteenth of those values' spread. Had it more bits than that, x -
/// pivot would be rounded the same way for all x of a binade, and the sum of those errors grow with n instead of
/// averaging out. Values that are all the same have no spread, and are the pivot themselves.
inline void choose_pivots(const Plan& plan, const Box& box, const double* x, double* pivot) {
  const Index channels = box.channels(), rows = box.outer_end - box.outer_begin, run = box.inner_end - box.inner_begin;
  auto sample = [&](Index k) {  // the k-th of the first channel; of fewer values, some more than once
    const Index o = box.outer_begin + rows * k / pivot_samples, i = box.inner_begin + run * k / pivot_samples;
    return x + plan.shape.offset(o, box.channel_begin, i);
  };
  const Index inner = plan.shape.inner;
  double least[block_lanes], most[block_lanes];  // [channels]; pivot is the sum meanwhile
  for (Index c = 0; c < channels; ++c) pivot[c] = least[c] = most[c] = number_at(sample(0) + c * inner);
  for (Index k = 1; k < pivot_samples; ++k) {
    const double* const first = sample(k);
    for (Index c = 0; c < channels; ++c) {
      const double value = number_at(first + c * inner);
      pivot[c] += value;
      least[c] = std::min(least[c], value);
      most[c] = std::max(most[c], value);
    }
  }
  for (Index c = 0; c < channels; ++c) {
    const double mean = pivot[c] / static_cast<double>(pivot_samples), grid = (most[c] - least[c]) * 0x1p48;
    const double rounded = std::copysign((std::abs(mean) + grid) - grid, mean);
    const double chosen = least[c] == most[c] ? least[c] : rounded;
    pivot[c] = std::abs(chosen) <= std::numeric_limits<double>::max() ? chosen : 0.0;
  }
}

/// What is subtracted from the means of a block's boxes until those are merged: for doubles a value of each channel, so
/// that merging rounds no mean at its own size; for others nothing.
template <typename T>
struct Origins {
  Origins(const Plan&, const Box&, const T*) {}
  template <typename Extent>
  static Packet<double> subtract_from(Packet<double> mean, Index, Extent) {
    return mean;
  }
  static double add_to(double mean, Index) { return mean; }
};
template <>
class Origins<double> {
 public:
  /// Not inlined, as g++ 12 would not see that what is read is filled.
  [[gnu::noinline]] Origins(const Plan& plan, const Box& box, const double* x) {
    const Shape& shape = plan.shape;
    for (Index c = 0; c < box.channels(); ++c) {
      const double* first = x + shape.offset(0, box.channel_begin + c, 0);
      const double a = number_at(first), b = number_at(first + shape.offset(shape.outer / 2, 0, shape.inner / 2)),
                   last = number_at(first + shape.offset(shape.outer - 1, 0, shape.inner - 1));
      const double median = std::max(std::min(a, b), std::min(std::max(a, b), last));  // one may lie far out
      values_[c] = std::abs(median) <= std::numeric_limits<double>::max() ? median : 0.0;
    }
  }
  template <typename Extent>
  Packet<double> subtract_from(Packet<double> mean, Index c, Extent extent) const {
    return mean - load<double>(values_ + c, extent);
  }
  double add_to(double mean, Index c) const { return mean + values_[c]; }

 private:
  double values_[block_lanes];  // [channels of the box]
};

/// 1 for the channels whose sums about a pivot are as good as they should be, else 0: in range, and the pivot near the
/// mean.
template <typename T>
Packet<double> trusted(double n, Packet<double> u, Packet<double> m2) {
  constexpr double farthest = std::is_same_v<T, double> ? 0.5 : 0x1p20;  // (mean - pivot)^2, in variances
  constexpr double most = std::numeric_limits<double>::max();
  // An m2 below 0 is below any square.
  return at_most(u * u, Packet<double>::all(farthest * n) * m2) * at_most(m2, Packet<double>::all(most));
}

/// Mean and m2 about a pivot, from the sums about it. Whether all of these can be trusted.
template <typename T>
[[gnu::flatten]] bool moments_from_sums(const ChannelSums& sums, Index channels, double n, const double* pivot,
                                        const Origins<T>& origins, double* mean, double* m2) {
  const auto minus_per_value = Packet<double>::all(-1 / n);
  auto all = Packet<double>::all(1);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    const auto u = load<double>(sums.u + c, extent), minus_shift = u * minus_per_value;
    const auto squares = fma(u, minus_shift, load<double>(sums.uv + c, extent));
    store(mean + c, origins.subtract_from(load<double>(pivot + c, extent), c, extent) - minus_shift, extent);
    store(m2 + c, squares, extent);
    all = all * trusted<T>(n, u, squares);
  });
  return all_of(all);
}

/// Sums the box once more, each channel about the mean that was found, and corrects those whose first sums could not be
/// trusted. sums, mean, m2: what was found first. Rare, and apart so that box_moments() stays small.
template <typename T>
[[gnu::noinline]] void sum_again(const Plan& plan, const Box& box, const T* x, const ChannelSums& sums,
                                 const Origins<T>& origins, double* mean, double* m2) {
  const auto n = static_cast<double>(box.per_channel());
  const Index channels = box.channels();
  ChannelSums again = {};  // these two as g++ 12 cannot see that they are filled
  alignas(cache_line) double pivot[block_lanes] = {};
  double mean_again[block_lanes], m2_again[block_lanes];
  first_values(plan, box, x, pivot);  // where no mean was found
  for (Index c = 0; c < channels; ++c) {
    const double found = origins.add_to(mean[c], c);
    // As the layer's type holds it: then it is what a constant channel is full of, and m2 is 0.
    if (std::isfinite(found)) pivot[c] = static_cast<double>(static_cast<LaneOf<T>>(found));
  }
  sum_box(plan, box, Deviations<T>{{x}}, pivot, again);
  moments_from_sums<T>(again, channels, n, pivot, origins, mean_again, m2_again);
  for (Index c = 0; c < channels; ++c) {
    if (trusted<T>(n, Packet<double>::all(sums.u[c]), Packet<double>::all(m2[c]))[0] == 1) continue;
    mean[c] = mean_again[c];
    const bool overflow = std::isinf(again.uv[c]) && std::isfinite(again.u[c]);  // of squares of doubles
    m2[c] = overflow ? again.uv[c] : std::max(m2_again[c], 0.0);                 // NaN stays NaN
  }
}

/// The moments of the box's channels: mean, less its origin, and m2, double [channels of the box] each.
/// One pass over x, O(values), in company; a second where the pivot is found to have been too far away.
template <typename T, typename Companion>
void box_moments(const Plan& plan, const Box& box, const T* x, const Origins<T>& origins, double* mean, double* m2,
                 const Companion& companion) {
  const auto n = static_cast<double>(box.per_channel());
  const Index channels = box.channels();
  alignas(cache_line) double pivot[block_lanes];
  ChannelSums sums;
  if constexpr (std::is_same_v<T, double>) {
    choose_pivots(plan, box, x, pivot);
    sum_box(plan, box, Deviations<T>{{x}}, pivot, sums, companion);
  } else {
    for_each_packet<double>(channels, [&](Index c, auto) { store(pivot + c, Packet<double>::all(0)); });
    sum_box(plan, box, Values<T>{x}, pivot, sums, companion);
  }
  const bool all_trusted = moments_from_sums<T>(sums, channels, n, pivot, origins, mean, m2);
  if (!all_trusted) sum_again(plan, box, x, sums, origins, mean, m2);
}

/// The reduction of passes.hpp that finds mean and m2.
template <typename T>
struct MomentsReduction {
  static constexpr int inputs = 1;
  const T* x;
  template <typename Companion = Alone>
  void box(const Plan& plan, const Box& box, double* mean, double* m2, const Companion& companion = {}) const {
    box_moments(plan, box, x, Origins<T>(plan, box, x), mean, m2, companion);
  }
  static constexpr bool keeps_rest = Values<T>::keeps_rest;
  struct Rest {  // of m2, of which thousands of chunks may add the same
    double m2;
  };
  static void merge(Index before, Index count, Rest& rest, double& mean, double& m2, double box_mean, double box_m2) {
    const Moments all = tensornorm::merge(Moments{static_cast<double>(before), mean, 0},
                                          Moments{static_cast<double>(count), box_mean, box_m2});
    mean = all.mean;
    if constexpr (keeps_rest) rest.m2 += rest_of(m2, all.m2);
    m2 += all.m2;
  }
  static void merge_rest(const Rest& rest, double&, double& m2) {
    if (keeps_rest && std::isfinite(rest.m2)) m2 += rest.m2;
  }
  void complete(const Plan& plan, const Box& box, double* mean) const {
    const Origins<T> origins(plan, box, x);
    for (Index c = 0; c < box.channels(); ++c) mean[c] = origins.add_to(mean[c], c);
  }
};

}}}  // namespace tensornorm::v0::detail
