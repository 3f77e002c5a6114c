// detail/packet.hpp and packet_pair.hpp: half and bfloat16 in memory, floats and doubles in packets.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <tensornorm/detail/packet_pair.hpp>

#include "support/float16.hpp"

namespace {

using namespace tensornorm::detail;
using tn_test::Bfloat16Format;
using tn_test::decoded;
using tn_test::HalfFormat;

/// How values are stored: in whole packets, in pairs of packets, which may be mixed, or in parts of all sizes.
enum class Stores { whole, pairs, mixed_pairs, parts };
constexpr Stores all_stores[] = {Stores::whole, Stores::pairs, Stores::mixed_pairs, Stores::parts};

/// Two packets of values of which the first has the even ones. A template, as no type is stored so on some machines.
template <typename Float>
PacketPair<Float, true> mixed_pair(const Float* from) {
  Float even[width<Float>], odd[width<Float>];
  for (Index i = 0; i < width<Float>; ++i) even[i] = from[2 * i], odd[i] = from[2 * i + 1];
  return {load<Float>(even), load<Float>(odd)};
}

template <typename T>
std::vector<std::uint16_t> rounded_words(const std::vector<float>& floats, Stores stores) {
  constexpr Index W = width<float>;
  const auto count = static_cast<Index>(floats.size());
  std::vector<T> values(floats.size());
  for (Index i = 0; i < count;) {
    const float* const from = floats.data() + i;
    T* const to = values.data() + i;
    const Index step = stores == Stores::parts ? std::min(1 + i % W, count - i) : std::min(W, count - i);
    const bool pairs = stores == Stores::pairs || stores == Stores::mixed_pairs;
    if (stored_in_pairs<T> && pairs && count - i >= 2 * W) {
      if constexpr (stored_in_pairs<T>) {
        if (stores == Stores::pairs) store(to, load<float>(from, Two{}), Two{});
        if (stores == Stores::mixed_pairs) store(to, mixed_pair(from), TwoMixed{});
      }
      i += W;
    } else if (step == W) {
      store(to, load<float>(from));
    } else {
      store(to, load<float>(from, Part{step}), Part{step});
    }
    i += step;
  }
  std::vector<std::uint16_t> words(values.size());
  std::memcpy(words.data(), static_cast<const void*>(values.data()), values.size() * sizeof(T));
  return words;
}

template <typename Format>
void check_round_trip() {
  using T = typename Format::Type;
  const std::vector<std::uint16_t> words = tn_test::all_words();
  std::vector<T> values(words.size());
  std::memcpy(static_cast<void*>(values.data()), words.data(), words.size() * sizeof(T));
  std::vector<float> floats(words.size());
  std::vector<double> doubles(words.size());
  for (Index i = 0; i < 65536; i += width<float>) store(floats.data() + i, load<float>(values.data() + i));
  for (Index i = 0; i < 65536; i += width<double>) store(doubles.data() + i, load<double>(values.data() + i));
  CHECK(tn_test::count_misread<Format>(floats) == 0);
  CHECK(tn_test::count_misread<Format>(doubles) == 0);
  for (const Stores stores : all_stores) {
    CHECK(tn_test::count_changed<Format>(rounded_words<T>(floats, stores)) == 0);
  }
}

template <typename Format>
void check_rounding() {
  const tn_test::Roundings known = tn_test::roundings<Format>();
  for (const Stores stores : all_stores) {
    CHECK(known.count_wrong(rounded_words<typename Format::Type>(known.floats, stores)) == 0);
  }
}

/// A NaN in any lane, among numbers: one that rounding its bits would carry over into zero.
template <typename Format>
void check_lone_nan() {
  constexpr Index lanes = 4 * width<float>;
  for (Index at = 0; at < lanes; ++at) {
    std::vector<float> floats(std::size_t{lanes}, 1.5f);
    const std::uint32_t all_ones = at % 2 == 0 ? 0x7fffffffu : 0xffffffffu;
    std::memcpy(&floats[static_cast<std::size_t>(at)], &all_ones, sizeof all_ones);
    for (const Stores stores : all_stores) {
      const std::vector<std::uint16_t> words = rounded_words<typename Format::Type>(floats, stores);
      int wrong = 0;
      for (Index i = 0; i < lanes; ++i) {
        const double value = decoded<Format>(words[static_cast<std::size_t>(i)]);
        wrong += i == at ? !std::isnan(value) : value != 1.5;
      }
      CHECK(wrong == 0);
    }
  }
}

template <typename Format>
void check_nans() {
  for (const Stores stores : all_stores) {
    const std::vector<float> nans = tn_test::nans();
    for (const std::uint16_t word : rounded_words<typename Format::Type>(nans, stores)) {
      CHECK(std::isnan(decoded<Format>(word)));
    }
  }
}

}  // namespace

TEST_CASE("packet: all 65536 values of half and bfloat16 are loaded exactly and stored as they were") {
  check_round_trip<HalfFormat>();
  check_round_trip<Bfloat16Format>();
}

TEST_CASE("packet: stores to half and bfloat16 round to nearest, ties to even, and overflow to infinity") {
  check_rounding<HalfFormat>();
  check_rounding<Bfloat16Format>();
}

TEST_CASE("packet: a NaN of any payload stays a NaN") {
  check_nans<HalfFormat>();
  check_nans<Bfloat16Format>();
  check_lone_nan<HalfFormat>();
  check_lone_nan<Bfloat16Format>();
}
