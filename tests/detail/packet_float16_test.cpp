// detail/packet.hpp: half and bfloat16 in memory, floats and doubles in packets.
#include <doctest/doctest.h>

#include <tensornorm/detail/packet.hpp>

#include "support/float16.hpp"

namespace {

using namespace tensornorm::detail;
using tn_test::Bfloat16Format;
using tn_test::decoded;
using tn_test::HalfFormat;

template <typename T>
std::vector<std::uint16_t> rounded_words(const std::vector<float>& floats, bool in_parts) {
  constexpr Index W = width<float>;
  const auto count = static_cast<Index>(floats.size());
  std::vector<T> values(floats.size());
  for (Index i = 0; i < count;) {
    const Index step = in_parts ? std::min(1 + i % W, count - i) : std::min(W, count - i);
    const auto packet = load<float>(floats.data() + i, Part{step});
    if (step == W) {
      store(values.data() + i, packet);
    } else {
      store(values.data() + i, packet, Part{step});
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
  for (const bool in_parts : {false, true}) {
    CHECK(tn_test::count_changed<Format>(rounded_words<T>(floats, in_parts)) == 0);
  }
}

template <typename Format>
void check_rounding() {
  const tn_test::Roundings known = tn_test::roundings<Format>();
  for (const bool in_parts : {false, true}) {
    CHECK(known.count_wrong(rounded_words<typename Format::Type>(known.floats, in_parts)) == 0);
  }
}

template <typename Format>
void check_nans() {
  for (const bool in_parts : {false, true}) {
    const std::vector<float> nans = tn_test::nans();
    for (const std::uint16_t word : rounded_words<typename Format::Type>(nans, in_parts)) {
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
}
