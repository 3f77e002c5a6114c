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
// Where float cannot hold what is between (x - mean or a term of dx overflows, or scale leaves the range of normal
// floats) a channel is wide: the vector pass copies it, exactly, and it is then computed in double where it lies.
#pragma once

#include <cmath>
#include <limits>

#include "elementwise.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// The numbers that a packet of channels is mapped with:
///   forward   y = (x - mean) * scale + shift
///   backward  dx = dy * scale - (x - mean) * slope - shift
struct ChannelNumbers {
  Packet<double> mean;   // of the batch, or the running mean
  Packet<double> scale;  // weight * invstd
  Packet<double> shift;  // forward: bias; backward: weight * invstd * sum(dy) / n
  Packet<double> slope;  // backward, else 0: weight * invstd^3 * sum(dy * (x - mean)) / (n - correction)
  Packet<double> reach;  // backward, else 0: no |(x - mean) * slope| of the batch is larger

  static ChannelNumbers of_forward(Packet<double> mean, Packet<double> scale, Packet<double> shift) {
    return {mean, scale, shift, Packet<double>::all(0), Packet<double>::all(0)};
  }
};

inline Packet<double> inverse_root(Packet<double> x) { return Packet<double>::all(1) / sqrt(x); }
/// invstd = 1 / sqrt(m2 / freedom + eps): [channels]. invstd may be m2. freedom: n - correction.
[[gnu::flatten]] inline void invert_deviations(const double* m2, Index channels, double freedom, double eps,
                                               double* invstd) {
  auto per_freedom = Packet<double>::all(1 / freedom);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    auto var_plus_eps = fma(load<double>(m2 + c, extent), per_freedom, Packet<double>::all(eps));
    store(invstd + c, inverse_root(var_plus_eps), extent);
  });
}

/// 1 / sqrt(var + eps) of the channels from c on.
template <typename Scalar, typename Extent>
Packet<double> invstd_of(const Scalar* var, double eps, Index c, Extent extent) {
  return inverse_root(load<double>(var + c, extent) + Packet<double>::all(eps));
}

/// mean and invstd from statistics that a layer keeps: [channels] each.
template <typename Scalar>
[[gnu::flatten]] void kept_statistics(const Scalar* running_mean, const Scalar* running_var, Index channels, double eps,
                                      double* mean, double* invstd) {
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    store(mean + c, load<double>(running_mean + c, extent), extent);
    store(invstd + c, invstd_of(running_var, eps, c, extent), extent);
  });
}

/// Numbers from c on; `otherwise` where there are none.
template <typename Scalar, typename Extent>
Packet<double> numbers_or(double otherwise, const Scalar* numbers, Index c, Extent extent) {
  return numbers == nullptr ? Packet<double>::all(otherwise) : load<double>(numbers + c, extent);
}

// The numbers of a tensor's channels from c on, numbers(c, extent), from what a pass is given, [C] each. A weight or
// bias that is null is 1 or 0.

/// Of a training forward.
template <typename Scalar>
struct TrainingNumbers {
  const double* mean;
  const double* invstd;
  const Scalar* weight;
  const Scalar* bias;

  template <typename Extent>
  ChannelNumbers operator()(Index c, Extent extent) const {
    auto scale = numbers_or(1, weight, c, extent) * load<double>(invstd + c, extent);
    return ChannelNumbers::of_forward(load<double>(mean + c, extent), scale, numbers_or(0, bias, c, extent));
  }
};

/// Of a forward or backward in eval mode; mean may be null for a backward.
template <typename Scalar>
struct EvalNumbers {
  const Scalar* mean;
  const Scalar* var;
  double eps;
  const Scalar* weight;
  const Scalar* bias;

  template <typename Extent>
  ChannelNumbers operator()(Index c, Extent extent) const {
    auto scale = numbers_or(1, weight, c, extent) * invstd_of(var, eps, c, extent);
    return ChannelNumbers::of_forward(numbers_or(0, mean, c, extent), scale, numbers_or(0, bias, c, extent));
  }
};

// 1 or 0 a channel:

/// Whether a number keeps its digits as a float: it is 0, or not below the smallest normal one.
inline Packet<double> keeps_digits(Packet<double> number) {
  auto size = abs(number), zero = Packet<double>::all(0), least = Packet<double>::all(0x1p-126);
  return at_most(size, zero) + at_most(least, size);
}

/// Whether numbers stay in range when any float is added to one of them. sizes: their sum, which is tested at once; NaN
/// if one of them is.
inline Packet<double> leave_room(Packet<double> sizes) { return at_most(sizes, Packet<double>::all(0x1.fffffep102)); }
/// What a number, or a sum of sizes, adds to those if it need only be in range itself, as nothing is added to it.
inline Packet<double> range_size(Packet<double> number) { return abs(number) * Packet<double>::all(0x1p-25); }

/// Normalises about a mean that is a number of the layer's type: eval mode.
template <typename T>
struct NormalizeEval {
  using Lane = LaneOf<T>;
  static constexpr int coefficients = 3;
  const T* x;

  template <typename Factors, typename Extent>
  auto operator()(Index offset, const Factors& c, Extent extent) const {
    return fma(load<Lane>(x + offset, extent) - c[0], c[1], c[2]);
  }
  void prefetch(Index offset) const { detail::prefetch(x + offset); }

  static std::array<Packet<double>, 3> coefficients_of(const ChannelNumbers& n) { return {n.mean, n.scale, n.shift}; }
  static std::array<Lane, 3> copying() { return {0, 1, Lane{-0.0}}; }
  static Packet<double> fits(const ChannelNumbers& n) {
    // A large shift would bring no product back into range.
    return leave_room(abs(n.mean) + range_size(n.scale) + abs(n.shift)) * keeps_digits(n.scale);
  }
  static double exact(double copied, Index, const ChannelNumbers& n, Index lane) {
    return std::fma(copied - n.mean[lane], n.scale[lane], n.shift[lane]);
  }
};

/// Normalises about a mean known to twice the lane's precision, hi + lo: training.
template <typename T>
struct NormalizeTraining : NormalizeEval<T> {
  using Lane = LaneOf<T>;
  static constexpr int coefficients = 4;

  template <typename Factors, typename Extent>
  auto operator()(Index offset, const Factors& c, Extent extent) const {
    return fma((load<Lane>(this->x + offset, extent) - c[0]) - c[1], c[2], c[3]);
  }
  static std::array<Packet<double>, 4> coefficients_of(const ChannelNumbers& n) {
    auto hi = rounded<Lane>(n.mean);
    return {hi, n.mean - hi, n.scale, n.shift};
  }
  static std::array<Lane, 4> copying() { return {0, 0, 1, Lane{-0.0}}; }
  static Packet<double> fits(const ChannelNumbers& n) {
    return NormalizeEval<T>::fits(n) * keeps_digits(n.mean - rounded<Lane>(n.mean));
  }
};

}}}  // namespace tensornorm::v0::detail
