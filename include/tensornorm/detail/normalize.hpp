// y = (x - mean) * weight * invstd + bias, for a box.
//
// The mean is kept as two floats, hi + lo, and the product weight*invstd is folded into one number a channel:
//
//   training  y = fma((x - hi) - lo, scale, bias)
//   eval      y = fma(x - hi, scale, bias), as running_mean is a float already: lo = 0
//
// With g = y - bias and u = 2^-24 its error is at most u (3|g| + |y|), besides that of the statistics. x - hi is exact
// for x near the mean, so a large mean costs nothing, and a constant channel gives bias bit for bit.
//
// Where float cannot hold what is between (x - mean overflows, or scale leaves the range of normal floats) a channel is
// wide: the vector pass copies it, exactly, and it is then computed in double where it lies.
#pragma once

#include <cmath>
#include <limits>

#include "elementwise.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// The numbers that a block's channels are mapped with, double [channels of the block] each:
///   forward   y = (x - mean) * scale + shift
///   backward  dx = dy * scale - (x - mean) * slope - shift
struct alignas(cache_line) ChannelNumbers {
  double mean[block_lanes];   // of the batch, or the running mean
  double scale[block_lanes];  // weight * invstd
  double slope[block_lanes];  // backward only: weight * invstd^3 * sum(dy * (x - mean)) / (n - correction)
  double shift[block_lanes];  // forward: bias; backward: weight * invstd * sum(dy) / n
};

/// 1 / sqrt(m2 / n + eps).
inline Packet<double> inverse_deviation(Packet<double> m2, double n, double eps) {
  return Packet<double>::all(1) / sqrt(m2 / Packet<double>::all(n) + Packet<double>::all(eps));
}
/// The same of [channels]. invstd may be m2.
inline void invert_deviations(const double* m2, Index channels, double n, double eps, double* invstd) {
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    store(invstd + c, inverse_deviation(load<double>(m2 + c, extent), n, eps), extent);
  });
}

// What fills them reads [count], and writes the numbers of `count` channels and what lies in their last packet.

/// The numbers as doubles, or 0 without any.
template <typename Scalar>
void fill_numbers(const Scalar* numbers, Index count, double* filled) {
  for_each_packet<double>(count, [&](Index c, auto extent) {
    const auto zero = Packet<double>::all(0);
    store(filled + c, numbers == nullptr ? zero : load<double>(numbers + c, extent));
  });
}

/// weight * invstd; the weight 1 without any.
template <typename Scalar>
void fill_scale(const Scalar* weight, const double* invstd, Index count, double* scale) {
  if (weight == nullptr) return fill_numbers(invstd, count, scale);
  for_each_packet<double>(count, [&](Index c, auto extent) {
    store(scale + c, load<double>(weight + c, extent) * load<double>(invstd + c, extent));
  });
}

/// weight / sqrt(var + eps).
template <typename Scalar>
void fill_running_scale(const Scalar* weight, const Scalar* var, double eps, Index count, double* scale) {
  for_each_packet<double>(count, [&](Index c, auto extent) {
    const auto invstd = inverse_deviation(load<double>(var + c, extent), 1, eps);
    store(scale + c, weight == nullptr ? invstd : load<double>(weight + c, extent) * invstd);
  });
}

// 1 or 0 a channel:

/// Whether a number can be a factor in lanes of float without losing digits.
inline Packet<double> fits_float(Packet<double> factor) {
  const auto size = abs(factor), zero = Packet<double>::all(0);
  const auto least = Packet<double>::all(0x1p-126), most = Packet<double>::all(0x1.fffffep127);  // of normal floats
  return at_most(size, zero) + at_most(least, size) * at_most(size, most);
}

/// Whether a number stays in range when any float is added to it.
inline Packet<double> leaves_room(Packet<double> number) {
  return at_most(abs(number), Packet<double>::all(0x1.fffffep102));
}

/// Normalises about a mean that is a number of the layer's type: eval mode.
template <typename T, typename Lane>
struct NormalizeEval {
  static constexpr int coefficients = 3;
  const T* x;

  template <typename Extent>
  Packet<Lane> operator()(Index offset, const std::array<Packet<Lane>, 3>& c, Extent extent) const {
    return fma(load<Lane>(x + offset, extent) - c[0], c[1], c[2]);
  }
  void prefetch(Index offset) const { detail::prefetch(x + offset); }

  static std::array<Packet<double>, 3> fold(const ChannelNumbers& n, Index c) {
    return {load<double>(n.mean + c), load<double>(n.scale + c), load<double>(n.shift + c)};
  }
  static std::array<Lane, 3> copying() { return {0, 1, Lane{-0.0}}; }
  static Packet<double> fits(const ChannelNumbers& n, Index c) {
    // Of the shift: what brings no product back into range.
    return leaves_room(load<double>(n.mean + c)) * fits_float(load<double>(n.scale + c)) *
           leaves_room(load<double>(n.shift + c));
  }
  static double exact(double copied, Index, const ChannelNumbers& n, Index c) {
    return (copied - n.mean[c]) * n.scale[c] + n.shift[c];
  }
};

/// Normalises about a mean known to twice the lane's precision, hi + lo: training.
template <typename T, typename Lane>
struct NormalizeTraining : NormalizeEval<T, Lane> {
  static constexpr int coefficients = 4;

  template <typename Extent>
  Packet<Lane> operator()(Index offset, const std::array<Packet<Lane>, 4>& c, Extent extent) const {
    return fma((load<Lane>(this->x + offset, extent) - c[0]) - c[1], c[2], c[3]);
  }
  static std::array<Packet<double>, 4> fold(const ChannelNumbers& n, Index c) {
    const auto mean = load<double>(n.mean + c), hi = rounded<Lane>(mean);
    return {hi, mean - hi, load<double>(n.scale + c), load<double>(n.shift + c)};
  }
  static std::array<Lane, 4> copying() { return {0, 0, 1, Lane{-0.0}}; }
  static Packet<double> fits(const ChannelNumbers& n, Index c) {
    const auto mean = load<double>(n.mean + c);
    return NormalizeEval<T, Lane>::fits(n, c) * fits_float(mean - rounded<Lane>(mean));
  }
};

}}}  // namespace tensornorm::v0::detail
