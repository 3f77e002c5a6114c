// Sums over a patch of memory, rows of lanes, in registers: the inner loop of every reduction. What is summed, u and
// u*v, is the caller's; so is what becomes of the sums of each tile of rows, and what is taken for a row:
//
//   caller            a row is                  rows           lanes                  stride from row to row
//   sum_rows          `fold` outer indices      outer / fold   fold*channels*inner    fold*C*inner
//   sum_short_runs    a run of one channel      outer          inner                  C*inner
//   add_run           a packet of a long run    inner / W      W                      W
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

/// Sums over `rows` rows, from row r on: one chain of additions.
template <typename Term>
PacketSums sum_chain(const Term& term, Index r, Index rows) {
  Packet<double> u = term.u(r), uv = u * term.v(r, u);
  for (Index k = 1; k < rows; ++k) {
    const Packet<double> next = term.u(r + k);
    uv = fma(next, term.v(r + k, next), uv);
    u = u + next;
  }
  return {u, uv};
}

/// Sums over a tile of rows, from row r on: two chains of four. Chains of two or of eight were up to a third slower.
template <typename Term>
PacketSums sum_tile(const Term& term, Index r) {
  static_assert(tile_rows == 8);
  return sum_chain(term, r, 4) + sum_chain(term, r + 4, 4);
}

/// Sums over `rows` rows of `lanes` lanes each: add(row, height, lane, sums) for every packet of lanes of every tile of
/// rows, the last of which may be lower. column_at(lane, extent) gives u and v at each row of a lane.
template <typename Asking, typename ColumnAt, typename Add>
void sum_patch(Index rows, Index lanes, const Asking& ahead, const ColumnAt& column_at, const Add& add) {
  const auto tile = [&](Index r, Index height, const auto& sums_of) {
    Asking of_tile = ahead;
    for_each_packet<double>(lanes, [&](Index l, auto extent) {
      const auto column = column_at(l, extent);
      of_tile.ask(column, r, height, l);
      add(r, height, l, sums_of(column));
    });
  };
  Index r = 0;
  for (; r + tile_rows <= rows; r += tile_rows) {
    tile(r, tile_rows, [r](const auto& column) { return sum_tile(column, r); });
  }
  if (r < rows) {
    tile(r, rows - r, [r, rows](const auto& column) { return sum_chain(column, r, rows - r); });
  }
}

}}}  // namespace tensornorm::v0::detail
