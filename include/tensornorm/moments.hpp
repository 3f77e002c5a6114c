// Count, mean and sum of squared deviations: what is known of a set of values, in a form that can be merged.
#pragma once

#include <cmath>
#include <limits>

namespace tensornorm { inline namespace v0 {

/// The moments of `count` values: their mean, and m2 = sum of (x - mean)^2.
///
/// merge() is the pairwise update of Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (The
/// American Statistician 37, 1983): exact in exact arithmetic, and free of cancellation in floating point.
struct Moments {
  double count = 0;  ///< number of values
  double mean = 0;   ///< of the values; 0 where there are none
  double m2 = 0;     ///< sum of (x - mean)^2

  /// m2 / (count - correction), for a count above it: correction 0 is the biased variance, 1 the unbiased one.
  double variance(int correction) const { return m2 / (count - correction); }
};

/// The moments of both sets together. Merging with an empty set changes nothing; a mean that is infinite stays so.
/// O(1).
inline Moments merge(const Moments& a, const Moments& b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  const double count = a.count + b.count;
  const double delta = b.mean - a.mean;
  const double share = b.count / count;
  const bool near = std::abs(delta) <= std::numeric_limits<double>::max();  // else a.mean + delta would be NaN
  const double mean = near ? std::fma(delta, share, a.mean) : std::fma(a.mean, a.count / count, b.mean * share);
  return {count, mean, std::fma(delta * delta, a.count * share, a.m2 + b.m2)};
}

}}  // namespace tensornorm::v0
