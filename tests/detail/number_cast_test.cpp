// What becomes what: reals are rounded but never overflow, whole numbers are exact or refused.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <tensornorm/detail/number_cast.hpp>

using Eigen::bfloat16;
using Eigen::half;
using tensornorm::detail::fits;
using tensornorm::detail::is_castable;
using tensornorm::detail::nearest_number;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t k2To53 = std::int64_t{1} << 53;
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

/// All positive finite T but the largest: what lies just below, at and just above the middle between one and the next.
template <typename T>
void check_middles(std::uint16_t largest) {
  const auto value = [](std::uint16_t bits) { return Eigen::numext::bit_cast<T>(bits); };
  const auto number = [&](std::uint16_t bits) { return static_cast<double>(static_cast<float>(value(bits))); };
  const auto same = [](T a, T b) {
    return Eigen::numext::bit_cast<std::uint16_t>(a) == Eigen::numext::bit_cast<std::uint16_t>(b);
  };
  int wrong = 0;
  for (std::uint16_t bits = 0; bits < largest; ++bits) {
    const auto next = static_cast<std::uint16_t>(bits + 1), even = bits % 2 == 0 ? bits : next;
    const double middle = (number(bits) + number(next)) / 2;
    const double below = std::nextafter(middle, 0), above = std::nextafter(middle, kInfinity);
    if (!same(nearest_number<T>(below), value(bits)) || !same(nearest_number<T>(-below), -value(bits))) ++wrong;
    if (!same(nearest_number<T>(middle), value(even)) || !same(nearest_number<T>(-middle), -value(even))) ++wrong;
    if (!same(nearest_number<T>(above), value(next)) || !same(nearest_number<T>(-above), -value(next))) ++wrong;
  }
  CHECK(wrong == 0);
}
}  // namespace

TEST_CASE("a double is rounded to 16 bits once, and not by way of a float") {
  check_middles<half>(0x7bff);
  check_middles<bfloat16>(0x7f7f);
  CHECK(fits<half>(std::nextafter(65520.0, 0.0)));  // as a float 65520, which is too much
  CHECK_FALSE(fits<half>(65520.0));
  CHECK(static_cast<float>(nearest_number<half>(kInfinity)) == static_cast<float>(kInfinity));
  CHECK(std::isnan(static_cast<float>(nearest_number<bfloat16>(std::nan("")))));
  CHECK(nearest_number<half>(std::int64_t{2048}) == half(2048.f));
}

TEST_CASE("whole numbers without a sign, as wide as any") {
  CHECK(fits<std::size_t>(std::int64_t{5}));
  CHECK(fits<std::size_t>(kMost));
  CHECK_FALSE(fits<std::size_t>(std::int64_t{-1}));
  CHECK(fits<std::uint32_t>(std::int64_t{4294967295}));
  CHECK_FALSE(fits<std::uint32_t>(std::int64_t{4294967296}));
  CHECK_FALSE(fits<unsigned long long>(kLeast));
}

TEST_CASE("which arrays can be asked for as which") {
  CHECK(is_castable<float, double>);
  CHECK(is_castable<double, std::int64_t>);
  CHECK(is_castable<half, bfloat16>);
  CHECK(is_castable<bfloat16, std::uint8_t>);
  CHECK(is_castable<std::uint8_t, std::int64_t>);
  CHECK_FALSE(is_castable<std::int64_t, double>);
  CHECK_FALSE(is_castable<std::uint8_t, half>);
}

TEST_CASE("double to float: to the largest float and half a step more, where rounding still comes down") {
  const double largest = static_cast<double>(std::numeric_limits<float>::max());
  const double half_step = std::ldexp(1.0, 103);
  CHECK(fits<float>(largest));
  CHECK(fits<float>(-largest));
  CHECK(fits<float>(std::nextafter(largest + half_step, 0.0)));
  CHECK_FALSE(fits<float>(largest + half_step));
  CHECK_FALSE(fits<float>(-1e39));
  CHECK(fits<float>(1e-60));
  CHECK(fits<float>(0.1));
}

TEST_CASE("infinity and NaN stay what they are") {
  CHECK(fits<float>(kInfinity));
  CHECK(fits<float>(-kInfinity));
  CHECK(fits<float>(std::nan("")));
  CHECK(fits<half>(kInfinity));
  CHECK(fits<double>(half(std::numeric_limits<float>::infinity())));
}

TEST_CASE("half and bfloat16, in and out") {
  CHECK(fits<half>(65504.0));
  CHECK(fits<half>(65519.0f));  // rounds to 65504
  CHECK_FALSE(fits<half>(65520.0f));
  CHECK_FALSE(fits<half>(bfloat16(1e10f)));
  CHECK(fits<bfloat16>(3e38f));
  CHECK_FALSE(fits<bfloat16>(1e39));
  CHECK(fits<float>(half(1.5f)));
  CHECK(fits<float>(bfloat16(3e38f)));
  CHECK(fits<half>(2048));
  CHECK_FALSE(fits<half>(2049));
  CHECK_FALSE(fits<half>(100000));
  CHECK(fits<bfloat16>(256));
  CHECK_FALSE(fits<bfloat16>(257));
}

TEST_CASE("whole numbers as reals: every one that comes out exact, none other") {
  CHECK(fits<float>(std::int32_t{16777216}));
  CHECK_FALSE(fits<float>(std::int32_t{16777217}));
  CHECK_FALSE(fits<float>(std::int32_t{-16777217}));
  CHECK(fits<float>(std::int32_t{33554432}));
  CHECK(fits<float>(std::uint8_t{255}));
  CHECK(fits<double>(k2To53));
  CHECK_FALSE(fits<double>(k2To53 + 1));
  CHECK_FALSE(fits<double>(-k2To53 - 1));
  CHECK(fits<double>(std::numeric_limits<std::int32_t>::min()));
  CHECK_FALSE(fits<double>(kMost));  // 2^63 - 1 would come out as 2^63
  CHECK_FALSE(fits<float>(kMost));
  CHECK(fits<double>(kLeast));
}

TEST_CASE("whole numbers as narrower ones") {
  CHECK(fits<std::uint8_t>(std::int64_t{255}));
  CHECK_FALSE(fits<std::uint8_t>(std::int64_t{256}));
  CHECK_FALSE(fits<std::uint8_t>(std::int32_t{-1}));
  CHECK(fits<std::int32_t>(std::int64_t{-2147483648}));
  CHECK_FALSE(fits<std::int32_t>(std::int64_t{2147483648}));
  CHECK_FALSE(fits<std::int32_t>(kLeast));
  CHECK(fits<std::int64_t>(std::uint8_t{255}));
  CHECK(fits<std::int64_t>(kMost));
}
