// What sums ask for before they need it: memory beyond the caches, on the way through a patch of it (patch.hpp). Walks
// by packets call ask(column, r, height, l) at every packet of lanes of every tile of rows, walks by strips
// ask_row(column, r, l, summed, lanes) at every row of a strip of `lanes` lanes from l on: `summed` elements of the
// tile at row r have been summed by then.
//
// `Terms` names the tensors that are read, as in sums.hpp: Terms::inputs of them, of Terms::Value.
#pragma once

#include <algorithm>
#include <type_traits>

#include "traversal.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// Values in a cache line.
template <typename Terms>
inline constexpr Index line_values = Index{cache_line} / Index{sizeof(typename Terms::Value)};

// How far ahead memory is asked for, of each of one or two inputs: of rows in bytes, but a tile at least, and of long
// runs in elements. Measured on AMD's Zen 3 for rows, and for runs of two inputs beside a map: a half and twice as far
// are as fast or up to a tenth slower, but of rows of one input 2 KiB, a third to a half slower.
inline constexpr Index rows_ahead_bytes[] = {0, 16 * 1024, 2 * 1024};
inline constexpr Index run_ahead[] = {0, 4096, 512};

/// In cache: nothing. A type of its own, as unused numbers took a tenth of a small layer's time.
struct NothingAhead {
  template <typename Column>
  void ask(const Column&, Index, Index, Index) const {}
  template <typename Column>
  void ask_row(const Column&, Index, Index, Index, Index) const {}
};

/// In rows that follow each other: what lies `distance` elements further on, in the order of memory. That of the sums
/// is another one where a row is several strips: asked for in theirs, rows of 64 and 128 lanes took a half longer, and
/// by TileAhead a sixth.
struct StripAhead {
  Index distance;

  template <typename Column>
  void ask_row(const Column& column, Index r, Index l, Index summed, Index lanes) const {
    const Index at = column.offset(r) - l + summed + distance;
    for (Index k = 0; k < lanes; k += Column::line) column.terms.prefetch(at + k);
  }
};

/// In a run, whose rows of a packet follow each other, `packets_a_line` in each cache line. Beyond `end` what comes
/// next is `gap` further still.
struct RunAhead {
  Index distance, packets_a_line, end, gap;

  template <typename Column>
  void ask(const Column& column, Index r, Index height, Index) const {
    for (Index row = r; row < r + height; row += packets_a_line) {
      const Index next = column.offset(row) + distance;
      column.terms.prefetch(next < end ? next : next + gap);
    }
  }
};

/// In rows of `lanes` lanes with `gap` elements between them: the tile `distance` further on, in the order of memory.
/// An object serves one tile.
struct TileAhead {
  Index distance, lanes, gap;
  Index asked = 0;        // elements asked for so far, without what lies between rows
  Index row_end = lanes;  // what `asked` is at the end of the present row
  Index skipped = 0;      // elements between the rows so far: a sum, as a multiplication a line took 8 % longer

  /// As many elements have been asked for as are summed by the end of this packet.
  template <typename Column>
  void ask(const Column& column, Index r, Index height, Index l) {
    ask_until((l + width<double>)*height, column, column.offset(r) - l);
  }
  template <typename Column>
  void ask_row(const Column& column, Index r, Index l, Index summed, Index row_lanes) {
    ask_until(summed + row_lanes, column, column.offset(r) - l);
  }

 private:
  template <typename Column>
  void ask_until(Index count, const Column& column, Index tile) {
    for (; asked < count; asked += Column::line) {
      for (; asked >= row_end; row_end += lanes) skipped += gap;
      column.terms.prefetch(tile + distance + asked + skipped);
    }
  }
};

/// Elements ahead in rows `stride` apart: whole tiles.
template <typename Terms>
Index tiles_ahead(Index stride) {
  const Index tile = tile_rows * stride, ahead = rows_ahead_bytes[Terms::inputs] / Index{sizeof(typename Terms::Value)};
  return std::max(tile, round_down(ahead, tile));
}
/// What is asked for in rows of `lanes` lanes, `stride` apart.
template <typename Asking, typename Terms>
Asking ahead_of_rows(Index stride, Index lanes) {
  if constexpr (std::is_same_v<Asking, NothingAhead>) {
    return {};
  } else if constexpr (std::is_same_v<Asking, StripAhead>) {
    return {tiles_ahead<Terms>(stride)};
  } else {
    return {tiles_ahead<Terms>(stride), lanes, stride - lanes};
  }
}

/// What is asked for during row r of a box, the run at `first`. After it comes the channel's next one or, when that was
/// its last, what lies behind its first one: the rest of that, or the next channel.
template <typename Asking, typename Terms>
Asking ahead_of_run(const Shape& shape, const Box& box, Index r, Index first) {
  if constexpr (std::is_same_v<Asking, NothingAhead>) {
    return {};
  } else {
    const Index length = box.inner_end - box.inner_begin, outer = box.outer_begin + r;
    const Index stride = shape.channels * shape.inner;
    const Index gap = outer + 1 < shape.outer ? stride - length : -outer * stride;
    return {std::min(run_ahead[Terms::inputs], length), std::max<Index>(1, line_values<Terms> / width<double>),
            first + length, gap};
  }
}

}}}  // namespace tensornorm::v0::detail
