// The two formats of 16 bits from their definitions, and floats whose rounding to them is known.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace tn_test {

struct HalfFormat {
  using Type = Eigen::half;
  static constexpr int fraction_bits = 10, bias = 15;
};
struct Bfloat16Format {
  using Type = Eigen::bfloat16;
  static constexpr int fraction_bits = 7, bias = 127;
};

/// The number that 16 bits stand for, from the definition of the format.
template <typename Format>
double decoded(unsigned word) {
  constexpr unsigned ones = (1u << (15 - Format::fraction_bits)) - 1;
  const unsigned exponent = (word >> Format::fraction_bits) & ones,
                 fraction = word & ((1u << Format::fraction_bits) - 1);
  const double sign = (word & 0x8000u) != 0 ? -1 : 1;
  if (exponent == ones) return fraction != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  const int scale = (exponent == 0 ? 1 : static_cast<int>(exponent)) - Format::bias - Format::fraction_bits;
  return sign * std::ldexp(static_cast<double>(fraction + (exponent == 0 ? 0 : 1u << Format::fraction_bits)), scale);
}

inline std::vector<std::uint16_t> all_words() {
  std::vector<std::uint16_t> words;
  for (unsigned word = 0; word < 65536; ++word) words.push_back(static_cast<std::uint16_t>(word));
  return words;
}

/// How many of the numbers read from all_words() are not exactly what the format says.
template <typename Format, typename T>
int count_misread(const std::vector<T>& numbers) {
  int wrong = 0;
  for (unsigned word = 0; word < 65536; ++word) {
    const double exact = decoded<Format>(word), number = static_cast<double>(numbers[word]);
    wrong += std::isnan(exact) ? !std::isnan(number) : number != exact || std::signbit(number) != std::signbit(exact);
  }
  return wrong;
}

/// How many of these are not all_words() again. A NaN may be given another payload, but neither become a number nor
/// lose its sign.
template <typename Format>
int count_changed(const std::vector<std::uint16_t>& words) {
  int changed = 0;
  for (unsigned word = 0; word < 65536; ++word) {
    const bool nan = std::isnan(decoded<Format>(word));
    changed +=
        nan ? !std::isnan(decoded<Format>(words[word])) || ((words[word] ^ word) & 0x8000u) != 0 : words[word] != word;
  }
  return changed;
}

/// Floats, and the words that they are rounded to.
struct Roundings {
  std::vector<float> floats;
  std::vector<std::uint16_t> words;

  void add(float value, unsigned word) {
    floats.push_back(value), words.push_back(static_cast<std::uint16_t>(word));
    floats.push_back(-value), words.push_back(static_cast<std::uint16_t>(word | 0x8000u));
  }
  int count_wrong(const std::vector<std::uint16_t>& rounded) const {
    int wrong = 0;
    for (std::size_t i = 0; i < words.size(); ++i) wrong += rounded[i] != words[i];
    return wrong;
  }
};

/// Between any two neighbours: what lies halfway goes to the even one, what lies off it to the nearer. The neighbour of
/// the greatest number is the one that would follow, and stands for infinity.
template <typename Format>
Roundings roundings() {
  constexpr unsigned infinity = ((1u << (15 - Format::fraction_bits)) - 1) << Format::fraction_bits;
  constexpr float beyond = std::numeric_limits<float>::infinity();
  Roundings all;
  for (unsigned word = 0; word < infinity; ++word) {
    const double low = decoded<Format>(word);
    const double high = word + 1 < infinity ? decoded<Format>(word + 1) : 2 * low - decoded<Format>(word - 1);
    const auto middle = static_cast<float>((low + high) / 2);  // exact
    all.add(std::nextafter(middle, 0.0f), word);
    all.add(middle, word + (word & 1u));
    all.add(std::nextafter(middle, beyond), word + 1);
  }
  all.add(std::numeric_limits<float>::denorm_min(), 0);
  all.add(std::numeric_limits<float>::max(), infinity);
  all.add(beyond, infinity);
  return all;
}

/// NaNs of both signs and of payloads from the smallest to the largest.
inline std::vector<float> nans() {
  std::vector<float> floats;
  for (std::uint32_t payload = 1; payload < 0x800000u; payload = payload * 3 + 1) {
    for (const std::uint32_t sign : {0u, 0x80000000u}) {
      for (const std::uint32_t fraction : {payload, 0x800000u - payload}) {
        const std::uint32_t word = sign | 0x7f800000u | fraction;
        floats.emplace_back();
        std::memcpy(&floats.back(), &word, sizeof word);
      }
    }
  }
  return floats;
}

}  // namespace tn_test
