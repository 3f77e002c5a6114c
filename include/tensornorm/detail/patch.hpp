// Sums over a patch of memory, rows of lanes, in registers: the inner loops of every reduction. What is summed, u and
// u*v, is the caller's; so is what becomes of the sums of each tile of rows, and what is taken for a row:
//
//   caller            a row is                  rows           lanes                  stride from row to row
//   sum_rows          `fold` outer indices      outer / fold   fold*channels*inner    fold*C*inner
//   sum_short_runs    a run of one channel      outer          inner                  C*inner
//   add_run           a packet of a long run    inner / W      W                      W
//
// A tile is summed packet by packet, each through all rows, or strip by strip: several packets side by side, row after
// row. That is nearly the order of memory, which prefetchers follow, and sums stay in registers: statistics of NHWC
// with 64 channels took a tenth less in cache. Rows of more than narrow_lanes took a seventh longer there.
#pragma once

#include <array>
#include <type_traits>
#include <utility>

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

/// How a patch is walked.
struct ByPackets {};
struct ByStrips {};

/// Packets side by side in a strip: their sums take half of the registers.
inline constexpr Index strip_packets = packet_registers / 4;
inline constexpr Index strip_lanes = strip_packets * width<double>;
/// Rows of a tile in cache, or one strip wide, as rows of 64 lanes are with AVX-512. Not of doubles, which so long
/// chains of additions cost digits.
inline constexpr Index strip_rows = 32;
/// Bytes of a lane, of all inputs, in a tile of several strips beyond the caches: higher ones leave the order of
/// memory. Eight rows of two inputs of float took up to a quarter longer than four, and of double than two.
inline constexpr Index strip_column_bytes = 32;

/// Sums over `rows` rows, from row r on, of neighbouring packets: a chain of additions each, the same for every packet.
template <typename Asking, typename ColumnAt, typename Extent, std::size_t... k>
std::array<PacketSums, sizeof...(k)> sum_strip(Asking& ahead, const ColumnAt& column_at, Index l, Extent extent,
                                               Index r, Index rows, std::index_sequence<k...>) {
  constexpr Index W = width<double>, lanes = Index{sizeof...(k)} * W;
  const auto columns = std::array{column_at(l + Index{k} * W, extent)...};
  ahead.ask_row(columns[0], r, l, l * rows, lanes);
  std::array<PacketSums, sizeof...(k)> sums{sum_chain(columns[k], r, 1)...};
  const auto add = [](PacketSums& sum, const auto& column, Index row) {
    const Packet<double> u = column.u(row);
    sum = {sum.u + u, fma(u, column.v(row, u), sum.uv)};
  };
  for (Index row = r + 1; row < r + rows; ++row) {
    ahead.ask_row(columns[0], r, l, l * rows + (row - r) * lanes, lanes);
    (add(sums[k], columns[k], row), ...);
  }
  return sums;
}

/// Sums over `rows` rows of `lanes` lanes each: add(row, height, lane, sums) for every packet of lanes of every tile of
/// rows, the last of which may be lower. column_at(lane, extent) gives u and v at each row of a lane.
template <typename Asking, typename ColumnAt, typename Add>
void sum_patch(ByStrips, Index rows, Index lanes, const Asking& ahead, const ColumnAt& column_at, const Add& add) {
  constexpr Index W = width<double>;
  using Column = decltype(column_at(Index{0}, Whole{}));
  constexpr bool in_cache = std::is_same_v<Asking, NothingAhead>;
  constexpr bool spare_digits = !std::is_same_v<typename Column::Value, double>;
  constexpr Index row_bytes = Column::inputs * Index{sizeof(typename Column::Value)};
  constexpr Index low = in_cache ? tile_rows : strip_column_bytes / row_bytes;
  const Index tallest = spare_digits && (in_cache || lanes == strip_lanes) ? strip_rows : low;
  for (Index r = 0; r < rows; r += tallest) {
    const Index height = std::min(tallest, rows - r);
    Asking of_tile = ahead;
    const auto strip = [&](Index l, auto extent, auto packets) {
      const auto sums = sum_strip(of_tile, column_at, l, extent, r, height, packets);
      for (std::size_t k = 0; k < packets.size(); ++k) add(r, height, l + static_cast<Index>(k) * W, sums[k]);
    };
    Index l = 0;
    for (; l + strip_lanes <= lanes; l += strip_lanes) strip(l, Whole{}, std::make_index_sequence<strip_packets>{});
    if (l + strip_lanes / 2 <= lanes) {
      strip(l, Whole{}, std::make_index_sequence<strip_packets / 2>{});
      l += strip_lanes / 2;
    }
    for_each_packet<double>(lanes - l, [&](Index k, auto extent) { strip(l + k, extent, std::index_sequence<0>{}); });
  }
}

/// The same, by packets.
template <typename Asking, typename ColumnAt, typename Add>
void sum_patch(ByPackets, Index rows, Index lanes, const Asking& ahead, const ColumnAt& column_at, const Add& add) {
  const auto tile = [&](Index r, Index height, const auto& sums_of) {
    Asking of_tile = ahead;
    for_each_packet<double>(lanes, [&](Index l, auto extent) {
      auto column = column_at(l, extent);
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
