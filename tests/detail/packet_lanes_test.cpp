// detail/packet.hpp: what is decided and rounded lane by lane: comparisons, roundings on the way, narrowing stores.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <tensornorm/detail/packet.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/fenced.hpp"

namespace {

using namespace tensornorm::detail;
using tn_test::bits;
using Doubles = Packet<double>;

constexpr double kInf = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();

/// Doubles that a float cannot hold: too long, halfway between two, too small, too large; and some that it can.
const std::vector<double> kDoubles{0.1,
                                   -0.1,
                                   1 + 0x1p-24,
                                   1 + 0x3p-24,
                                   -1 - 0x1p-24,
                                   1 + 0x1p-24 + 0x1p-50,
                                   0x1p-149,
                                   0x1p-150,
                                   0x1.8p-150,
                                   1e-310,
                                   0x1.fffffep127,
                                   0x1.ffffffp127,
                                   1e39,
                                   -1e300,
                                   kInf,
                                   -kInf,
                                   0.0,
                                   -0.0,
                                   3.0,
                                   -0x1p-126};

/// visit(first, packet) of kDoubles, each number in every lane in turn.
template <typename Visit>
void for_each_packet_of_doubles(Visit visit) {
  std::vector<double> twice = kDoubles;
  twice.insert(twice.end(), kDoubles.begin(), kDoubles.end());
  for (std::size_t first = 0; first < kDoubles.size(); ++first) visit(twice.data() + first);
}

}  // namespace

TEST_CASE("packet: one lane, and absolute values") {
  for_each_packet_of_doubles([](const double* values) {
    const Doubles packet = load<double>(values);
    for (Index i = 0; i < width<double>; ++i) {
      CHECK(bits(packet[i]) == bits(values[i]));
      CHECK(bits(abs(packet)[i]) == bits(std::abs(values[i])));
    }
  });
}

TEST_CASE("packet: lanes that are at most others") {
  for (const double a : {-kInf, -1.0, -0.0, 0.0, 1e-310, 1.0, kInf, kNaN}) {
    for (const double b : {-kInf, -1.0, -0.0, 0.0, 1e-310, 1.0, kInf, kNaN}) {
      for (Index lane = 0; lane < width<double>; ++lane) {
        std::vector<double> left(static_cast<std::size_t>(width<double>), 2.0), right(left.size(), 1.0);
        left[static_cast<std::size_t>(lane)] = a;
        right[static_cast<std::size_t>(lane)] = b;
        const Doubles flags = at_most(load<double>(left.data()), load<double>(right.data()));
        for (Index i = 0; i < width<double>; ++i) CHECK(flags[i] == (i == lane && a <= b ? 1.0 : 0.0));
      }
    }
  }
}

TEST_CASE("packet: all lanes are 1, or not") {
  CHECK(all_of(Doubles::all(1)));
  for (Index lane = 0; lane < width<double>; ++lane) {
    std::vector<double> flags(static_cast<std::size_t>(width<double>), 1.0);
    flags[static_cast<std::size_t>(lane)] = 0;
    CHECK_FALSE(all_of(load<double>(flags.data())));
  }
}

TEST_CASE("packet: doubles are stored as floats, rounded once, and nothing beside them is written") {
  tn_test::Fenced<float> memory(64);
  for_each_packet_of_doubles([&](const double* values) {
    for (Index count = 0; count <= width<double>; ++count) {
      float* const floats = memory.place_last(count);
      store(floats, load<double>(values), Part{count});
      for (Index i = 0; i < count; ++i) CHECK(bits(floats[i]) == bits(static_cast<float>(values[i])));
      CHECK(memory.clean());
    }
    float* const floats = memory.place(width<double>, 3);
    store(floats, load<double>(values));
    for (Index i = 0; i < width<double>; ++i) CHECK(bits(floats[i]) == bits(static_cast<float>(values[i])));
    CHECK(memory.clean());
  });
}

TEST_CASE("packet: lanes rounded to a type, and numbers") {
  for_each_packet_of_doubles([](const double* values) {
    const Doubles floats = rounded<float>(load<double>(values)), doubles = rounded<double>(load<double>(values));
    for (Index i = 0; i < width<double>; ++i) {
      const auto expected = static_cast<double>(static_cast<float>(values[i]));
      CHECK(bits(floats[i]) == bits(expected));
      CHECK(bits(rounded<float>(values[i])) == bits(expected));
      CHECK(bits(doubles[i]) == bits(values[i]));
      CHECK(bits(rounded<double>(values[i])) == bits(values[i]));
    }
  });
}

TEST_CASE("packet: a rounded product is not contracted with what it is added to") {
  volatile double a = 1 + 0x1p-52, b = 1 - 0x1p-52;
  const double x = a, y = b;
  CHECK(uncontracted(x * y) - 1 == 0);
  CHECK(rounded<double>(x * y) - 1 == 0);
  const Doubles one = Doubles::all(1), difference = rounded<double>(Doubles::all(x) * Doubles::all(y)) - one;
  for (Index i = 0; i < width<double>; ++i) CHECK(difference[i] == 0);
}
