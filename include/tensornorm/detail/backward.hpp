// The gradients of y = xhat * weight + bias, xhat = (x - mean) * invstd, for a box.
//
// With db = sum dy and dw = sum dy * xhat over a channel's n values (Ioffe and Szegedy, 2015, section 3):
//   training  dx = weight * invstd * (dy - db/n - xhat * dw/(n - correction))
//   eval      dx = weight * invstd * dy
#pragma once

#include <cmath>
#include <limits>

#include "normalize.hpp"
#include "sums.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// The factors of db and of sum dy * x: u = dy, v = x.
template <typename T>
struct GradientTerms {
  using Value = T;
  static constexpr int inputs = 2;
  static constexpr bool keeps_rest = std::is_same_v<T, double>, keeps_rest_of_u = keeps_rest;
  const T* x;
  const T* dy;
  void prefetch(Index offset) const {
    detail::prefetch(x + offset);
    detail::prefetch(dy + offset);
  }
  template <typename Extent>
  Packet<double> u(Index offset, Packet<double>, Extent extent) const {
    return load<double>(dy + offset, extent);
  }
  template <typename Extent>
  Packet<double> v(Packet<double>, Index offset, Packet<double>, Extent extent) const {
    return load<double>(x + offset, extent);
  }
};

/// The same about a centre: u = dy, v = x - centre.
template <typename T>
struct CentredGradientTerms : GradientTerms<T> {
  template <typename Extent>
  Packet<double> v(Packet<double>, Index offset, Packet<double> centre, Extent extent) const {
    return load<double>(this->x + offset, extent) - centre;
  }
};

/// Whether sums may be taken about 0: not of doubles, which have no bits to spare.
template <typename T>
inline constexpr bool sums_from_zero = !std::is_same_v<T, double>;

/// 1 for the channels whose sum of dy * (x - mean) may be made from sums about 0, else 0: it is finite, and the mean at
/// most 2^8 deviations from 0, which leaves 21 of the 29 bits that a double has to spare. m2: of n values; of k times
/// as many, for a part of a larger batch, the mean may be sqrt(k) times as far away.
inline Packet<double> near_zero(Packet<double> mean, Packet<double> m2, double n, Packet<double> sum_dy_dev) {
  const auto finite = at_most(abs(sum_dy_dev), Packet<double>::all(std::numeric_limits<double>::max()));
  return at_most(mean * mean * Packet<double>::all(n), Packet<double>::all(0x1p16) * m2) * finite;
}

/// Sums the box again about the means, and takes what could not be made from sums about 0. Rare, as constant channels
/// and large means are; and apart so that box_gradient_sums_from_zero() stays small.
template <typename T>
[[gnu::noinline]] void sum_gradients_again(const Plan& plan, const Box& box, const T* x, const T* dy,
                                           const double* mean, const double* m2, double* sum_dy_dev) {
  const auto n = static_cast<double>(plan.shape.per_channel());
  ChannelSums again;
  sum_box(plan, box, CentredGradientTerms<T>{{x, dy}}, mean, again);
  for (Index c = 0; c < box.channels(); ++c) {
    const auto all = [c](const double* numbers) { return Packet<double>::all(numbers[c]); };
    if (near_zero(all(mean), all(m2), n, all(sum_dy_dev))[0] != 1) sum_dy_dev[c] = again.uv[c];
  }
}

/// Both sums from those about 0. Whether all of them may be made from these.
[[gnu::flatten]] inline bool gradients_about_means(const ChannelSums& about_zero, Index channels, double n,
                                                   const double* mean, const double* m2, double* sum_dy,
                                                   double* sum_dy_dev) {
  auto all = Packet<double>::all(1);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    const auto dy = load<double>(about_zero.u + c, extent), means = load<double>(mean + c, extent);
    const auto dy_dev = fma(Packet<double>::all(-0.0) - means, dy, load<double>(about_zero.uv + c, extent));
    store(sum_dy + c, dy, extent);
    store(sum_dy_dev + c, dy_dev, extent);
    all = all * near_zero(means, load<double>(m2 + c, extent), n, dy_dev);
  });
  return all_of(all);
}

/// Sum of dy and of dy * (x - mean) over the box. mean, sums: double [channels of the box] each. companion: see Alone.
/// O(values).
template <typename T, typename Companion = Alone>
[[gnu::flatten]] void box_gradient_sums(const Plan& plan, const Box& box, const T* x, const T* dy, const double* mean,
                                        double* sum_dy, double* sum_dy_dev, const Companion& companion = {}) {
  ChannelSums sums;
  sum_box(plan, box, CentredGradientTerms<T>{{x, dy}}, mean, sums, companion);
  for_each_packet<double>(box.channels(), [&](Index c, auto extent) {
    store(sum_dy + c, load<double>(sums.u + c, extent), extent);
    store(sum_dy_dev + c, load<double>(sums.uv + c, extent), extent);
  });
}

/// The same from sums about 0, less mean * sum dy, where sums_from_zero: without a subtraction a value a pass in cache
/// takes an eighth less with AVX2. Channels where that would cancel are summed about their mean. m2: double [channels
/// of the box], about the mean, of the tensor's values.
template <typename T, typename Companion = Alone>
[[gnu::flatten]] void box_gradient_sums_from_zero(const Plan& plan, const Box& box, const T* x, const T* dy,
                                                  const double* mean, const double* m2, double* sum_dy,
                                                  double* sum_dy_dev, const Companion& companion = {}) {
  ChannelSums sums;
  sum_box(plan, box, GradientTerms<T>{x, dy}, mean, sums, companion);
  const auto n = static_cast<double>(plan.shape.per_channel());
  if (gradients_about_means(sums, box.channels(), n, mean, m2, sum_dy, sum_dy_dev)) return;
  sum_gradients_again(plan, box, x, dy, mean, m2, sum_dy_dev);
}

/// The reduction of passes.hpp that finds both sums. mean and m2: double [C]; m2 is not looked at but from_zero.
template <typename T, bool from_zero = sums_from_zero<T>>
struct GradientReduction {
  static constexpr int inputs = 2;
  const T* x;
  const T* dy;
  const double* mean;
  const double* m2;
  template <typename Companion = Alone>
  void box(const Plan& plan, const Box& box, double* sum_dy, double* sum_dy_dev,
           const Companion& companion = {}) const {
    const Index c = box.channel_begin;
    if constexpr (from_zero) {
      box_gradient_sums_from_zero(plan, box, x, dy, mean + c, m2 + c, sum_dy, sum_dy_dev, companion);
    } else {
      box_gradient_sums(plan, box, x, dy, mean + c, sum_dy, sum_dy_dev, companion);
    }
  }
  static constexpr bool keeps_rest = GradientTerms<T>::keeps_rest;
  struct Rest {  // what was rounded off
    double dy, dy_dev;
  };
  static void merge(Index, Index, Rest& rest, double& sum_dy, double& sum_dy_dev, double box_sum_dy,
                    double box_sum_dy_dev) {
    if constexpr (keeps_rest) {
      rest.dy += rest_of(sum_dy, box_sum_dy);
      rest.dy_dev += rest_of(sum_dy_dev, box_sum_dy_dev);
    }
    sum_dy += box_sum_dy;
    sum_dy_dev += box_sum_dy_dev;
  }
  static void merge_rest(const Rest& rest, double& sum_dy, double& sum_dy_dev) {
    if (!keeps_rest) return;
    if (std::isfinite(rest.dy)) sum_dy += rest.dy;
    if (std::isfinite(rest.dy_dev)) sum_dy_dev += rest.dy_dev;
  }
  static void complete(const Plan&, const Box&, double*) {}
};

/// The numbers of a training backward, as those of normalize.hpp.
template <typename Scalar>
struct GradientNumbers {
  const double* mean;
  const double* invstd;
  const Scalar* weight;
  const double* sum_dy;
  const double* sum_dy_dev;
  double per_value, per_freedom;  // 1 / n and 1 / (n - correction)

  template <typename Extent>
  ChannelNumbers operator()(Index c, Extent extent) const {
    const auto inv = load<double>(invstd + c, extent), scale = numbers_or(1, weight, c, extent) * inv;
    const auto dy = load<double>(sum_dy + c, extent), dy_dev = load<double>(sum_dy_dev + c, extent);
    // Times (x - mean) * invstd / (n - correction), which is at most 1: (x - mean) * slope.
    const auto reach = scale * (dy_dev * inv);
    return {load<double>(mean + c, extent), scale, scale * (dy * Packet<double>::all(per_value)),
            reach * (inv * Packet<double>::all(per_freedom)), abs(reach)};
  }
};

/// gradient += a, and gradient += a * b, rounded once. [count] each.
template <typename Scalar>
[[gnu::flatten]] void add_numbers(const double* a, Index count, Scalar* gradient) {
  for_each_packet<double>(count, [&](Index c, auto extent) {
    store(gradient + c, load<double>(gradient + c, extent) + load<double>(a + c, extent), extent);
  });
}
template <typename Scalar>
[[gnu::flatten]] void add_products(const double* a, const double* b, Index count, Scalar* gradient) {
  for_each_packet<double>(count, [&](Index c, auto extent) {
    const auto sum = fma(load<double>(a + c, extent), load<double>(b + c, extent), load<double>(gradient + c, extent));
    store(gradient + c, sum, extent);
  });
}

/// The gradient of a training forward.
template <typename T>
struct GradientTraining {
  using Lane = LaneOf<T>;
  static constexpr int coefficients = 4;
  const T* x;
  const T* dy;

  template <typename Factors, typename Extent>
  auto operator()(Index offset, const Factors& c, Extent extent) const {
    return fma(load<Lane>(dy + offset, extent), c[1], fma(load<Lane>(x + offset, extent) - c[0], c[2], c[3]));
  }
  void prefetch(Index offset) const {
    detail::prefetch(x + offset);
    detail::prefetch(dy + offset);
  }

  static std::array<Packet<double>, 4> coefficients_of(const ChannelNumbers& n) {
    const auto hi = rounded<Lane>(n.mean);
    return {hi, n.scale, Packet<double>::all(-0.0) - n.slope, (n.mean - hi) * n.slope - n.shift};
  }
  static std::array<Lane, 4> copying() { return {0, 1, 0, Lane{-0.0}}; }
  static Packet<double> fits(const ChannelNumbers& n) {
    // A large number subtracted would bring no product back into range.
    return leave_room(abs(n.mean) + range_size(abs(n.scale) + abs(n.slope)) + abs(n.shift) + n.reach) *
           keeps_digits(n.scale) * keeps_digits(n.slope) * keeps_digits(n.shift);
  }
  double exact(double copied, Index offset, const ChannelNumbers& n, Index lane) const {
    const double deviation = number_at(x + offset) - n.mean[lane];
    return std::fma(copied, n.scale[lane], -std::fma(deviation, n.slope[lane], n.shift[lane]));
  }
};

/// The gradient of an eval forward.
template <typename T>
struct GradientEval {
  using Lane = LaneOf<T>;
  static constexpr int coefficients = 1;
  const T* dy;

  template <typename Factors, typename Extent>
  auto operator()(Index offset, const Factors& c, Extent extent) const {
    return load<Lane>(dy + offset, extent) * c[0];
  }
  void prefetch(Index offset) const { detail::prefetch(dy + offset); }

  static std::array<Packet<double>, 1> coefficients_of(const ChannelNumbers& n) { return {n.scale}; }
  static std::array<Lane, 1> copying() { return {1}; }
  static Packet<double> fits(const ChannelNumbers& n) {
    return leave_room(range_size(n.scale)) * keeps_digits(n.scale);
  }
  static double exact(double copied, Index, const ChannelNumbers& n, Index lane) { return copied * n.scale[lane]; }
};

}}}  // namespace tensornorm::v0::detail
