// detail/totals.hpp: what additions round off is kept where it is to be; lanes become channels.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <tensornorm/detail/totals.hpp>
#include <vector>

#include "support/random.hpp"

using namespace tensornorm::detail;
using tn_test::Random;

namespace {

struct Plain {
  static constexpr bool keeps_rest = false;
};
struct Keeping {
  static constexpr bool keeps_rest = true, keeps_rest_of_u = true;
};
struct KeepingOfProducts {
  static constexpr bool keeps_rest = true, keeps_rest_of_u = false;
};

PacketSums all(double u, double uv) { return {Packet<double>::all(u), Packet<double>::all(uv)}; }

}  // namespace

TEST_CASE("totals: a sum and its rest are the exact sum") {
  Random random(1);
  for (int k = 0; k < 1000; ++k) {
    const double a = std::ldexp(random.normal(), static_cast<int>(random.below(60)) - 30), b = random.normal();
    const long double exact = static_cast<long double>(a) + static_cast<long double>(b);  // 64 bits: enough up to 2^9
    if (std::abs(std::log2(std::abs(a / b))) > 9) continue;
    CHECK(static_cast<long double>(a + b) + static_cast<long double>(rest_of(a, b)) == exact);
    const auto rest = rest_of(Packet<double>::all(a), Packet<double>::all(b));
    CHECK(rest[0] == rest_of(a, b));
  }
}

TEST_CASE("totals: a million additions round like one where the rest is kept, and not where it is not") {
  const double term = 1.01, other = 1 / 3.0;
  Total<Keeping> keeping;
  Total<KeepingOfProducts> of_products;
  Total<Plain> plain;
  double plainly = 0;
  for (int k = 0; k < 1'000'000; ++k) {
    keeping.add(all(term, other));
    of_products.add(all(term, other));
    plain.add(all(term, other));
    plainly += term;
  }
  const double exact_u = static_cast<double>(1'000'000 * static_cast<long double>(term));
  const double exact_uv = static_cast<double>(1'000'000 * static_cast<long double>(other));
  for (Index lane = 0; lane < width<double>; ++lane) {
    CHECK(keeping.sum().u[lane] == exact_u);
    CHECK(keeping.sum().uv[lane] == exact_uv);
    CHECK(of_products.sum().u[lane] == plainly);
    CHECK(of_products.sum().uv[lane] == exact_uv);
    CHECK(plain.sum().u[lane] == plainly);
  }
  CHECK(plainly != exact_u);
}

TEST_CASE("totals: infinite sums stay infinite, and NaN is NaN") {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double infinite : {inf, -inf}) {
    Total<Keeping> total;
    total.add(all(1, infinite));
    total.add(all(infinite, 2));
    total.add(all(3, 4));
    CHECK(total.sum().u[0] == infinite);
    CHECK(total.sum().uv[0] == infinite);
    total.add(all(-infinite, 0));
    CHECK(std::isnan(total.sum().u[0]));
  }
}

TEST_CASE_TEMPLATE("totals: those of lanes in memory are those in registers", Kind, Plain, Keeping, KeepingOfProducts) {
  constexpr Index W = width<double>;
  Random random(2);
  for (Index lanes = 1; lanes <= 3 * W; ++lanes) {
    ChannelSums sums;
    std::vector<Total<Kind>> wanted(3);
    LaneTotals<Kind> totals(sums, lanes);
    for (int k = 0; k < 100; ++k) {
      for (Index l = 0; l < lanes; l += W) {
        const PacketSums more = all(random.normal(), 1 / random.normal());
        totals.add(l, more);
        wanted[static_cast<std::size_t>(l / W)].add(more);
      }
    }
    totals.finish();
    for (Index l = 0; l < lanes; ++l) {
      const PacketSums sum = wanted[static_cast<std::size_t>(l / W)].sum();
      CHECK(sums.u[l] == sum.u[l % W]);
      CHECK(sums.uv[l] == sum.uv[l % W]);
    }
  }
}

TEST_CASE("totals: spread and gather are each other's inverse in shape") {
  for (Index fold = 1; fold <= 7; ++fold) {
    for (Index channels = 1; channels <= 9; ++channels) {
      for (Index inner = 1; inner <= 6; ++inner) {
        const Index lanes = fold * channels * inner;
        std::vector<double> a_channel, a_lane(static_cast<std::size_t>(lanes)),
            sums(static_cast<std::size_t>(channels));
        for (Index c = 0; c < channels; ++c) a_channel.push_back(std::ldexp(1.0, static_cast<int>(c)));
        spread(a_channel.data(), channels, inner, fold, a_lane.data());
        int wrong = 0;
        for (Index l = 0; l < lanes; ++l) {
          wrong += a_lane[static_cast<std::size_t>(l)] != a_channel[static_cast<std::size_t>(l / inner % channels)];
        }
        for (double& lane : a_lane) lane *= 1 + static_cast<double>(&lane - a_lane.data());  // no two alike
        std::vector<double> expected(sums.size());
        for (Index l = 0; l < lanes; ++l) {
          expected[static_cast<std::size_t>(l / inner % channels)] += a_lane[static_cast<std::size_t>(l)];
        }
        gather<Plain>(a_lane.data(), channels, inner, fold, sums.data());
        wrong += sums != expected;
        CHECK(wrong == 0);
      }
    }
  }
}
