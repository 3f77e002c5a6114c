// The gradients of y = xhat * weight + bias, xhat = (x - mean) * invstd, for a box.
//
// With db = sum dy and dw = sum dy * xhat over a channel's n values (Ioffe and Szegedy, 2015, section 3):
//   training  dx = weight * invstd * (dy - db/n - xhat * dw/(n - correction))
//   eval      dx = weight * invstd * dy
#pragma once

#include <cmath>

#include "normalize.hpp"
#include "sums.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// The factors of db and of sum dy * (x - centre): u = dy, v = x - centre.
template <typename T>
struct GradientTerms {
  using Value = T;
  static constexpr int inputs = 2;
  static constexpr bool keeps_rest = std::is_same_v<T, double>;
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
  Packet<double> v(Packet<double>, Index offset, Packet<double> centre, Extent extent) const {
    return load<double>(x + offset, extent) - centre;
  }
};

/// Sum of dy and of dy * (x - mean) over the box: double [channels of the box] each. O(values).
template <typename T>
[[gnu::flatten]] void box_gradient_sums(const Plan& plan, const Box& box, const T* x, const T* dy, const double* mean,
                                        double* sum_dy, double* sum_dy_dev) {
  ChannelSums sums;
  sum_box(plan, box, GradientTerms<T>{x, dy}, mean, sums);
  for_each_packet<double>(box.channels(), [&](Index c, auto extent) {
    store(sum_dy + c, load<double>(sums.u + c, extent), extent);
    store(sum_dy_dev + c, load<double>(sums.uv + c, extent), extent);
  });
}

/// The reduction of passes.hpp that finds both sums. mean: double [C].
template <typename T>
struct GradientReduction {
  static constexpr int inputs = 2;
  const T* x;
  const T* dy;
  const double* mean;
  void box(const Plan& plan, const Box& box, double* sum_dy, double* sum_dy_dev) const {
    box_gradient_sums(plan, box, x, dy, mean + box.channel_begin, sum_dy, sum_dy_dev);
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
    return {load<double>(mean + c, extent), scale, scale * (dy * Packet<double>::all(per_value)),
            scale * inv * (dy_dev * inv * Packet<double>::all(per_freedom))};
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
template <typename T, typename Lane>
struct GradientTraining {
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
    return leave_room(abs(n.mean) + range_size(abs(n.scale) + abs(n.slope) + abs(n.shift))) * keeps_digits(n.scale) *
           keeps_digits(n.slope) * keeps_digits(n.shift);
  }
  double exact(double copied, Index offset, const ChannelNumbers& n, Index lane) const {
    const double deviation = static_cast<double>(x[offset]) - n.mean[lane];
    return std::fma(copied, n.scale[lane], -std::fma(deviation, n.slope[lane], n.shift[lane]));
  }
};

/// The gradient of an eval forward.
template <typename T, typename Lane>
struct GradientEval {
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
