// detail/packet.hpp: what is loaded, stored and rounded, value by value, and nothing beside it.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <tensornorm/detail/packet.hpp>
#include <type_traits>
#include <vector>

#include "support/bits.hpp"
#include "support/fenced.hpp"

namespace {

using namespace tensornorm::detail;
using Eigen::bfloat16;
using Eigen::half;
using tn_test::bits;
using tn_test::Fenced;
using tn_test::number;

/// A packet's lanes, taken out without the library.
template <typename Lane>
std::vector<Lane> lanes_of(const Packet<Lane>& packet) {
  static_assert(sizeof(packet.raw) == static_cast<std::size_t>(width<Lane>) * sizeof(Lane));
  std::vector<Lane> lanes(static_cast<std::size_t>(width<Lane>));
  std::memcpy(lanes.data(), &packet.raw, sizeof(packet.raw));
  return lanes;
}
template <typename Lane>
Packet<Lane> packet_of(const std::vector<Lane>& lanes) {
  Packet<Lane> packet;
  std::memcpy(&packet.raw, lanes.data(), sizeof(packet.raw));
  return packet;
}

template <typename Lane>
Packet<Lane> numbered() {
  std::vector<Lane> lanes;
  for (Index i = 0; i < width<Lane>; ++i) lanes.push_back(static_cast<Lane>(number(i)));
  return packet_of(lanes);
}

/// visit(values) with `count` values placed at every offset from an aligned address, and against both fences.
template <typename T, typename Visit>
void for_each_place(Fenced<T>& memory, Index count, Visit visit) {
  for (Index offset = 0; offset < 16; ++offset) visit(memory.place(count, offset));
  visit(memory.place_last(count));
  visit(memory.place_first(count));
}

template <typename Lane, typename T, typename Extent>
int wrong_loads(Fenced<T>& memory, Index count, Extent extent) {
  int wrong = 0;
  for_each_place(memory, count, [&](T* values) {
    for (Index i = 0; i < count; ++i) values[i] = static_cast<T>(number(i));
    const std::vector<Lane> lanes = lanes_of(load<Lane>(static_cast<const T*>(values), extent));
    for (Index i = 0; i < width<Lane>; ++i) {
      const Lane expected = i < count ? static_cast<Lane>(number(i)) : Lane{0};
      wrong += bits(lanes[static_cast<std::size_t>(i)]) != bits(expected);
    }
  });
  return wrong;
}

template <typename Lane, typename T>
void check_loads() {
  Fenced<T> memory(64);
  CHECK(wrong_loads<Lane>(memory, width<Lane>, Whole{}) == 0);
  for (Index count = 0; count <= width<Lane>; ++count) {
    CAPTURE(count);
    CHECK(wrong_loads<Lane>(memory, count, Part{count}) == 0);
  }
}

/// write(p, packet) writes `count` values.
template <typename Lane, typename T, typename Write>
int wrong_stores(Fenced<T>& memory, Index count, Write write) {
  int wrong = 0;
  for_each_place(memory, count, [&](T* values) {
    write(values, numbered<Lane>());
    fence_streams();
    for (Index i = 0; i < count; ++i) wrong += bits(values[i]) != bits(static_cast<T>(number(i)));
    wrong += !memory.clean();
  });
  return wrong;
}

template <typename Lane, typename T>
void check_stores() {
  Fenced<T> memory(64);
  CHECK(wrong_stores<Lane>(memory, width<Lane>, [](T* p, auto packet) { store(p, packet); }) == 0);
  for (Index count = 0; count <= width<Lane>; ++count) {
    CAPTURE(count);
    const Part part{count};
    CHECK(wrong_stores<Lane>(memory, count, [=](T* p, auto packet) { store(p, packet, part); }) == 0);
    CHECK(wrong_stores<Lane>(memory, count, [=](T* p, auto packet) { stream(p, packet, part); }) == 0);
  }
}

template <typename T>
void check_streams() {
  using Lane = LaneOf<T>;
  Fenced<T> memory(8 * width<Lane>);
  for (Index offset = 0; offset <= 4 * width<Lane>; offset += width<Lane>) {
    T* const values = memory.place(width<Lane>, offset);
    stream(values, numbered<Lane>(), Whole{});
    fence_streams();
    for (Index i = 0; i < width<Lane>; ++i) CHECK(bits(values[i]) == bits(static_cast<T>(number(i))));
    CHECK(memory.clean());
  }
}

template <typename Lane>
void check_keep() {
  const Lane nan = std::numeric_limits<Lane>::quiet_NaN(), infinity = std::numeric_limits<Lane>::infinity();
  for (const Lane value :
       {Lane{1}, Lane{-0.0}, nan, -nan, infinity, -infinity, std::numeric_limits<Lane>::denorm_min()}) {
    const auto packet = Packet<Lane>::all(value);
    for (const Lane lane : lanes_of(keep(packet, Whole{}))) CHECK(bits(lane) == bits(value));
    for (Index count = 0; count <= width<Lane>; ++count) {
      const std::vector<Lane> kept = lanes_of(keep(packet, Part{count}));
      for (Index i = 0; i < width<Lane>; ++i) {
        CHECK(bits(kept[static_cast<std::size_t>(i)]) == bits(i < count ? value : Lane{0}));
      }
    }
  }
}

template <typename Lane>
void check_arithmetic() {
  // a*b has one bit more than a Lane: rounded by itself it loses it, so that fma and two operations differ.
  const Lane e = std::numeric_limits<Lane>::epsilon(), a = 1 + e, b = 1 - e, c = -1;
  const volatile Lane product = a * b;
  const Lane twice = product + c, once = std::fma(a, b, c);
  REQUIRE(twice != once);
  const auto all = [](Lane value) { return Packet<Lane>::all(value); };
  const std::vector<Lane> fused = lanes_of(fma(all(a), all(b), all(c)));
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  const Lane expected = once;
#elif defined(__x86_64__)
  const Lane expected = twice;
#else  // whichever it is, in every lane
  const Lane expected = bits(fused.front()) == bits(once) ? once : twice;
#endif
  for (const Lane lane : fused) CHECK(bits(lane) == bits(expected));

  const Packet<Lane> x = numbered<Lane>(), three = all(3);
  const auto check = [](const Packet<Lane>& packet, auto expected_of) {
    const std::vector<Lane> lanes = lanes_of(packet);
    for (Index i = 0; i < width<Lane>; ++i) {
      CHECK(bits(lanes[static_cast<std::size_t>(i)]) ==
            bits(static_cast<Lane>(expected_of(static_cast<Lane>(number(i))))));
    }
  };
  check(x + three, [](Lane v) { return v + 3; });
  check(x - three, [](Lane v) { return v - 3; });
  check(x * three, [](Lane v) { return v * 3; });
  check(x / three, [](Lane v) { return v / 3; });
  check(fma(x, three, all(5)), [](Lane v) { return v * 3 + 5; });
}

/// Sums of several packets at once have the bits of the sums one by one, in any place.
void check_reduce_add_each() {
  Packet<double> packets[width<double>];
  for (Index k = 0; k < width<double>; ++k) {
    double lanes[width<double>];
    for (Index i = 0; i < width<double>; ++i) lanes[i] = 1 / (0.3 + static_cast<double>(7 * k + i * i));
    packets[k] = load<double>(lanes);
  }
  const Packet<double> sums = reduce_add_each(packets);
  for (Index k = 0; k < width<double>; ++k) CHECK(bits(sums[k]) == bits(reduce_add(packets[k])));
}

/// Every lane counts once: lane i is 2^i, and no two sets of lanes have the same sum.
void check_reduce_add() {
  std::vector<double> powers(static_cast<std::size_t>(width<double>));
  for (std::size_t i = 0; i < powers.size(); ++i) powers[i] = std::ldexp(1.0, static_cast<int>(i));
  CHECK(reduce_add(load<double>(powers.data())) == std::ldexp(1.0, static_cast<int>(width<double>)) - 1);
  CHECK(bits(reduce_add(Packet<double>::all(0))) == bits(0.0));
}

}  // namespace

TEST_CASE("packet: loads read what a part covers, and zeros for the rest") {
  check_loads<float, float>();
  check_loads<float, half>();
  check_loads<float, bfloat16>();
  check_loads<double, double>();
  check_loads<double, float>();
  check_loads<double, half>();
  check_loads<double, bfloat16>();
}

TEST_CASE("packet: stores write what a part covers, and nothing else") {
  check_stores<float, float>();
  check_stores<float, half>();
  check_stores<float, bfloat16>();
  check_stores<double, double>();
}

TEST_CASE("packet: streams write what stores write") {
  check_streams<float>();
  check_streams<half>();
  check_streams<bfloat16>();
  check_streams<double>();
}

TEST_CASE("packet: keep leaves the bits of a part, and zeros the rest") {
  check_keep<float>();
  check_keep<double>();
}

TEST_CASE("packet: arithmetic in every lane") {
  check_arithmetic<float>();
  check_arithmetic<double>();
}

TEST_CASE("packet: a sum counts every lane once") { check_reduce_add(); }

TEST_CASE("packet: sums of several packets are those of each") { check_reduce_add_each(); }

TEST_CASE("packet: square roots are correctly rounded") {
  std::vector<double> values{0.0,
                             -0.0,
                             1,
                             2,
                             3,
                             1e-310,
                             std::numeric_limits<double>::denorm_min(),
                             std::numeric_limits<double>::max(),
                             std::numeric_limits<double>::infinity()};
  for (int i = 0; i < 5000; ++i)
    values.push_back(std::ldexp(1 + std::fmod(i * 0.6180339887498949, 1.0), i % 2000 - 1000));
  while (static_cast<Index>(values.size()) % width<double> != 0) values.push_back(-1);
  values.insert(values.end(), static_cast<std::size_t>(width<double>), -1.0);
  int wrong = 0;
  for (Index i = 0; i < static_cast<Index>(values.size()); i += width<double>) {
    const std::vector<double> roots = lanes_of(sqrt(load<double>(values.data() + i)));
    for (Index k = 0; k < width<double>; ++k) {
      const double root = roots[static_cast<std::size_t>(k)], value = values[static_cast<std::size_t>(i + k)];
      wrong += value < 0 ? !std::isnan(root) : bits(root) != bits(std::sqrt(value));
    }
  }
  CHECK(wrong == 0);
}
