// detail/packet_pair.hpp: two packets loaded, computed on, stored and streamed. packet_float16_test.cpp rounds them.
#include <doctest/doctest.h>

#include <tensornorm/detail/packet_pair.hpp>

#include "support/bits.hpp"
#include "support/fenced.hpp"

namespace {

using namespace tensornorm::detail;
using tn_test::bits;
using tn_test::Fenced;
using tn_test::number;

/// Two packets loaded, computed on beside one packet, and stored, by write(p, pair), `step` values further each time.
template <typename T, typename Extent, typename Write>
void check_pairs(Extent extent, Index step, Write write) {
  using Lane = LaneOf<T>;
  constexpr Index W = width<Lane>;
  Fenced<T> x_memory(64), y_memory(64);
  for (Index offset = 0; offset < 16; offset += step) {
    T* const x = x_memory.place(2 * W, offset);
    T* const y = y_memory.place(2 * W, offset);
    for (Index i = 0; i < 2 * W; ++i) x[i] = static_cast<T>(number(i));
    const auto one = Packet<Lane>::all(1), two = Packet<Lane>::all(2), three = Packet<Lane>::all(3);
    const auto pair = load<Lane>(static_cast<const T*>(x), extent);
    write(y, fma(pair - one, two, three) * two);
    fence_streams();
    int wrong = !y_memory.clean();
    for (Index i = 0; i < 2 * W; ++i) wrong += bits(y[i]) != bits(static_cast<T>(((number(i) - 1) * 2 + 3) * 2));
    write(y, fma(pair, pair, pair) - pair * pair);
    fence_streams();
    for (Index i = 0; i < 2 * W; ++i) wrong += bits(y[i]) != bits(x[i]);
    CHECK(wrong == 0);
  }
}

template <typename T>
void check_pairs_of() {
  if constexpr (stored_in_pairs<T>) {
    const auto check = [](auto extent) {
      check_pairs<T>(extent, 1, [=](T* y, const auto& pair) { store(y, pair, extent); });
      check_pairs<T>(extent, 2 * width<LaneOf<T>>, [=](T* y, const auto& pair) { stream(y, pair, extent); });
    };
    check(Two{});
    check(TwoMixed{});
  }
}

}  // namespace

TEST_CASE("packet pair: bfloat16 that follow each other or are mixed, stored or streamed") {
  check_pairs_of<Eigen::bfloat16>();
}

TEST_CASE("packet pair: an extent is mixed where it covers two packets, and as it is where not") {
  CHECK(std::is_same_v<decltype(mixed(Two{})), TwoMixed>);
  CHECK(std::is_same_v<decltype(mixed(Whole{})), Whole>);
  CHECK(mixed(Part{3}).count == 3);
}
