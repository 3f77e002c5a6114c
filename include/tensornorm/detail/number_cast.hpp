// Numbers of one stored type as another, or word of what does not fit.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "check.hpp"
#include "float16.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

template <typename T>
inline constexpr bool is_half = std::is_same_v<T, Eigen::half> || std::is_same_v<T, Eigen::bfloat16>;

template <typename T>
inline constexpr bool is_real = std::is_floating_point_v<T> || is_half<T>;

/// A number as the arithmetic type that holds it exactly.
template <typename T>
auto plain_number(T value) {
  if constexpr (is_half<T>) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}

/// A float from which any narrower type is rounded as from `value` itself: where there is no such float, the one of its
/// two neighbours that ends in 1 (Boldo and Melquiond, "When double rounding is odd", 2005).
inline float rounded_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (!std::isfinite(nearest) || static_cast<double>(nearest) == value) return nearest;
  const auto bits = bits_as<std::uint32_t>(nearest);
  const bool away_from_0 = std::abs(static_cast<double>(nearest)) > std::abs(value);
  return bits_as<float>((away_from_0 ? bits - 1 : bits) | 1u);
}

/// The To nearest to `value`, rounded once. (Eigen rounds a double to float before it rounds to half.)
template <typename To, typename From>
To nearest_number(From value) {
  if constexpr (is_half<To> && !is_half<From>) {
    return static_cast<To>(rounded_to_odd(static_cast<double>(value)));
  } else {
    return static_cast<To>(value);
  }
}

/// Whether `value` may become a To: reals are rounded but must not overflow; whole numbers must come out exact; a real
/// never becomes a whole number.
template <typename To, typename From>
bool fits(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return true;
  } else if constexpr (std::is_integral_v<From>) {
    const auto wide = static_cast<std::int64_t>(value);
    if constexpr (is_real<To>) {
      const auto nearest = plain_number(nearest_number<To>(wide));
      const auto real = static_cast<std::common_type_t<double, decltype(nearest)>>(nearest);
      return real >= -0x1p63 && real < 0x1p63 && static_cast<std::int64_t>(real) == wide;
    } else {
      if (wide < 0) return std::is_signed_v<To> && wide >= static_cast<std::int64_t>(std::numeric_limits<To>::min());
      return static_cast<std::uint64_t>(wide) <= static_cast<std::uint64_t>(std::numeric_limits<To>::max());
    }
  } else {
    static_assert(is_real<To>, "tensornorm: real numbers do not become whole numbers");
    const auto real = static_cast<double>(plain_number(value));
    return !std::isfinite(real) || std::isfinite(plain_number(nearest_number<To>(real)));
  }
}

/// Whether an array of From may be asked for as an array of To at all.
template <typename To, typename From>
inline constexpr bool is_castable = is_real<To> || (std::is_integral_v<To> && std::is_integral_v<From>);

}}}  // namespace tensornorm::v0::detail
