// The two formats of 16 bits, as bits, to and from floats: for processors that have no instruction for it, and vectors
// of any width. Nothing here depends on the rounding of subnormal floats, which a program may have switched off.
//
//   float      1 sign, 8 exponent (bias 127), 23 fraction
//   half       1 sign, 5 exponent (bias 15), 10 fraction
//   bfloat16   the upper half of a float
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <cstring>

namespace tensornorm { inline namespace v0 { namespace detail {

using Eigen::Index;

/// The compiler's own vector of N values.
template <typename T, Index N>
struct VectorOf {
  typedef T type __attribute__((vector_size(static_cast<std::size_t>(N) * sizeof(T))));
};
template <typename T>
struct VectorOf<T, 1> {
  using type = T;
};
template <typename T, Index N>
using Vector = typename VectorOf<T, N>::type;

/// The bytes of `from` as a To.
template <typename To, typename From>
void copy_bits(const From& from, To& to) {
  static_assert(sizeof(To) == sizeof(From));
  std::memcpy(&to, &from, sizeof(To));
}
template <typename To, typename From>
To bits_as(const From& from) {
  To to;
  copy_bits(from, to);
  return to;
}

template <Index N>
using Floats = Vector<float, N>;
/// A number of 16 bits is the upper half of a word, which as a float is a bfloat16's value. The lower half is 0 in what
/// is taken here, and means nothing in what is given.
template <Index N>
using Words = Vector<std::uint32_t, N>;

/// The lanes where a >= b, of numbers below 2^31: signed, as SSE2 and AVX2 compare nothing else.
template <Index N>
auto at_least(const Words<N>& a, std::uint32_t b) {
  return (Vector<std::int32_t, N>)a >= static_cast<std::int32_t>(b);
}

inline constexpr std::uint32_t one_exponent = 1u << 23;  // of a float
inline constexpr std::uint32_t float_infinity = 255 * one_exponent, sign_bit = 1u << 31;
inline constexpr std::uint32_t half_rebias = (127 - 15) * one_exponent;

/// Exact.
template <Index N>
Floats<N> floats_of_half(const Words<N>& half) {
  const Words<N> size = (half & ~sign_bit) >> 3;  // exponent and fraction, where a float has them
  // An exponent of 0 stands for that of 1, without its leading bit: that one is taken off again.
  const auto subnormal = bits_as<Words<N>>(bits_as<Floats<N>>(size + (half_rebias + one_exponent)) - 0x1p-14f);
  const Words<N> finite = at_least<N>(size, one_exponent) ? size + half_rebias : subnormal;
  const Words<N> all = at_least<N>(size, 31 * one_exponent) ? size + 2 * half_rebias : finite;
  return bits_as<Floats<N>>(all | (half & sign_bit));
}

/// Rounded to nearest-even; none is NaN.
template <Index N>
Words<N> bfloat16_of_numbers(const Floats<N>& floats) {
  const auto bits = bits_as<Words<N>>(floats);
  return bits + 0x7fffu + ((bits >> 16) & 1u);
}

/// Rounded to nearest-even.
template <Index N>
Words<N> bfloat16_of_floats(const Floats<N>& floats) {
  constexpr std::uint32_t quiet = 1u << 22;
  const auto bits = bits_as<Words<N>>(floats);
  const Words<N> rounded = bfloat16_of_numbers<N>(floats);
  return at_least<N>(bits & ~sign_bit, float_infinity + 1) ? bits | quiet : rounded;
}

/// Rounded to nearest-even.
template <Index N>
Words<N> half_of_floats(const Floats<N>& floats) {
  constexpr std::uint32_t least_normal = half_rebias + one_exponent, too_large = (127 + 16) * one_exponent;
  const auto bits = bits_as<Words<N>>(floats);
  const Words<N> size = bits & ~sign_bit;
  // 13 bits of the fraction fall away. What rounds up past the largest half arrives at infinity by itself.
  const Words<N> normal = (size - half_rebias + 0xfffu + ((size >> 13) & 1u)) << 3;
  // Next to 0.5 a float's last bit is 2^-24, as a subnormal half's: the sum is rounded as it should be. The lower half
  // of 0.5 is 0, and that of the sum the number.
  const Words<N> subnormal = bits_as<Words<N>>(bits_as<Floats<N>>(size) + 0.5f) << 16;
  const Words<N> finite = at_least<N>(size, least_normal) ? normal : subnormal;
  const Words<N> infinity = Words<N>{} + 0x7c000000u, nan = Words<N>{} + 0x7e000000u;
  const Words<N> beyond = at_least<N>(size, float_infinity + 1) ? nan : infinity;
  return (at_least<N>(size, too_large) ? beyond : finite) | (bits & sign_bit);
}

}}}  // namespace tensornorm::v0::detail
