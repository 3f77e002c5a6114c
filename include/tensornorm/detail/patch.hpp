// Sums over a patch of memory, rows of lanes, in registers: the inner loop of every reduction. What is summed, u and
// u*v, is the caller's; so is what becomes of the sums of each tile of rows.
#pragma once

#include "ahead.hpp"
#include "loops.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// Sums in lanes: of u, and of u*v.
struct PacketSums {
  Packet<double> u, uv;

  static PacketSums zero() { return {Packet<double>::all(0), Packet<double>::all(0)}; }
  friend PacketSums operator+(const PacketSums& a, const PacketSums& b) { return {a.u + b.u, a.uv + b.uv}; }
};

/// Sums over `Rows` rows, from row r on: four after each other, then fours with each other. Chains of two or of eight
/// were up to a third slower.
template <int Rows, typename Term>
PacketSums sum_in_lanes(const Term& term, Index r) {
  if constexpr (Rows > 4) {
    return sum_in_lanes<Rows / 2>(term, r) + sum_in_lanes<Rows / 2>(term, r + Rows / 2);
  } else {
    Packet<double> u = term.u(r), uv = u * term.v(r, u);
    for (int k = 1; k < Rows; ++k) {
      const Packet<double> next = term.u(r + k);
      uv = fma(next, term.v(r + k, next), uv);
      u = u + next;
    }
    return {u, uv};
  }
}

/// Sums over `rows` rows of `lanes` lanes each: add(row, height, lane, sums) for every packet of lanes of every tile of
/// rows. column_at(lane, extent) gives u and v at each row of a lane.
template <typename Asking, typename ColumnAt, typename Add>
void sum_patch(Index rows, Index lanes, const Asking& ahead, const ColumnAt& column_at, const Add& add) {
  const auto tile = [&](Index r, auto tile_height) {
    constexpr int height = decltype(tile_height)::value;
    for_each_packet<double>(lanes, [&](Index l, auto extent) {
      const auto column = column_at(l, extent);
      ahead.template ask<height>(column, r, l);
      add(r, Index{height}, l, sum_in_lanes<height>(column, r));
    });
  };
  Index r = 0;
  for (; r + tile_rows <= rows; r += tile_rows) tile(r, std::integral_constant<int, tile_rows>{});
  static_assert(tile_rows == 8, "the remainder below counts 4, 2, 1");
  if (rows - r >= 4) tile(r, std::integral_constant<int, 4>{}), r += 4;
  if (rows - r >= 2) tile(r, std::integral_constant<int, 2>{}), r += 2;
  if (rows - r >= 1) tile(r, std::integral_constant<int, 1>{});
}

}}}  // namespace tensornorm::v0::detail
