// Floats compared as the bits they are, and the unit that errors are counted in.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace tn_test {

template <typename T>
using Word =
    std::conditional_t<sizeof(T) == 2, std::uint16_t, std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>;

template <typename T>
Word<T> bits(const T& value) {
  static_assert(sizeof(T) == sizeof(Word<T>));
  Word<T> word;
  std::memcpy(&word, &value, sizeof word);
  return word;
}

/// Whether two tensors, matrices or vectors of one storage order hold the same bytes: -0 is not 0, a NaN is itself.
template <typename A, typename B>
bool same_bits(const A& a, const B& b) {
  static_assert(sizeof(*a.data()) == sizeof(*b.data()));
  if (a.size() != b.size()) return false;
  return a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(*a.data())) == 0;
}

/// How many representable values apart two finite floats are; the greatest integer when either is a NaN.
template <typename T>
std::int64_t ulp_distance(T a, T b) {
  using Signed = std::make_signed_t<Word<T>>;
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<std::int64_t>::max();
  const auto rank = [](T value) {  // the position of a float among all floats, 0 for both zeros
    const auto word = static_cast<Signed>(bits(value));
    return word >= 0 ? std::int64_t{word} : std::numeric_limits<Signed>::min() - std::int64_t{word};
  };
  const std::int64_t distance = rank(a) - rank(b);
  return distance < 0 ? -distance : distance;
}

/// The spacing of the floats around an exact value.
template <typename T>
long double ulp(long double exact) {
  const int lowest = std::numeric_limits<T>::min_exponent - 1;
  const int exponent = exact == 0 ? lowest : std::max(std::ilogb(exact), lowest);
  return std::ldexp(1.0L, exponent - (std::numeric_limits<T>::digits - 1));
}

/// u, half the spacing of the floats at 1: 2^-24 for float, 2^-53 for double.
template <typename T>
constexpr long double unit_roundoff = static_cast<long double>(std::numeric_limits<T>::epsilon()) / 2;

}  // namespace tn_test
