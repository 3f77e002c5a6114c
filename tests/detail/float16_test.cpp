// detail/float16.hpp: conversions without instructions for them, one by one and four at a time.
#include "support/float16.hpp"

#include <doctest/doctest.h>

#include <array>
#include <tensornorm/detail/float16.hpp>

namespace {

using namespace tensornorm::detail;
using tn_test::Bfloat16Format;
using tn_test::decoded;
using tn_test::HalfFormat;

/// f(vector) of all numbers, N at a time; the last vector is filled up with zeros.
template <Index N, typename To, typename From, typename F>
std::vector<To> mapped(const std::vector<From>& numbers, const F& f) {
  constexpr auto lanes = static_cast<std::size_t>(N);
  std::vector<To> results;
  for (std::size_t i = 0; i < numbers.size(); i += lanes) {
    std::array<From, lanes> in{};
    std::copy_n(numbers.begin() + static_cast<std::ptrdiff_t>(i), std::min(lanes, numbers.size() - i), in.begin());
    std::array<To, lanes> out;
    copy_bits(f(bits_as<Vector<From, N>>(in)), out);
    results.insert(results.end(), out.begin(), out.end());
  }
  results.resize(numbers.size());
  return results;
}

/// The words' upper halves.
std::vector<std::uint16_t> upper(const std::vector<std::uint32_t>& words) {
  std::vector<std::uint16_t> halves;
  for (const std::uint32_t word : words) halves.push_back(static_cast<std::uint16_t>(word >> 16));
  return halves;
}

template <typename Format, Index N>
std::vector<std::uint16_t> rounded(const std::vector<float>& floats) {
  return upper(mapped<N, std::uint32_t>(floats, [](const Floats<N>& f) {
    if constexpr (std::is_same_v<Format, HalfFormat>) {
      return half_of_floats<N>(f);
    } else {
      return bfloat16_of_floats<N>(f);
    }
  }));
}

template <typename Format, Index N>
std::vector<float> all_floats() {
  std::vector<std::uint32_t> words;
  for (const std::uint16_t word : tn_test::all_words()) words.push_back(std::uint32_t{word} << 16);
  return mapped<N, float>(words, [](const Words<N>& w) {
    if constexpr (std::is_same_v<Format, HalfFormat>) {
      return floats_of_half<N>(w);
    } else {
      return bits_as<Floats<N>>(w);
    }
  });
}

template <typename Format, Index N>
void check() {
  CAPTURE(N);
  const std::vector<float> floats = all_floats<Format, N>();
  CHECK(tn_test::count_misread<Format>(floats) == 0);
  CHECK(tn_test::count_changed<Format>(rounded<Format, N>(floats)) == 0);
  const tn_test::Roundings known = tn_test::roundings<Format>();
  CHECK(known.count_wrong(rounded<Format, N>(known.floats)) == 0);
  for (const std::uint16_t word : rounded<Format, N>(tn_test::nans())) CHECK(std::isnan(decoded<Format>(word)));
}

}  // namespace

TEST_CASE("float16: half is read exactly and rounded to nearest, ties to even") {
  check<HalfFormat, 1>();
  check<HalfFormat, 4>();
}

TEST_CASE("float16: bfloat16 is rounded to nearest, ties to even") {
  check<Bfloat16Format, 1>();
  check<Bfloat16Format, 4>();
}
