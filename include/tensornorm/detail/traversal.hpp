// How a tensor [outer, channels, inner] is walked: which traversal, which blocks of channels, which chunks of a block.
// All of it follows from the shape and the size of a value, never from the number of threads, so that the order of
// every sum, and with it every bit of a result, is the same on one thread and on many. (What caches there are decides
// how many channels are a block of runs, which are summed each by itself, and what is mapped apart.)
//
//   runs   a channel's values lie in long runs of `inner`; a run is read with its channel's numbers in registers.
//   rows   inner is short (1 in NHWC and (N, C)): a row of channels*inner neighbouring lanes is read at once, each lane
//          with its own numbers. When a row is short too, or no whole cache lines, `fold` rows that follow each other
//          count as one.
#pragma once

#include <algorithm>
#include <numeric>

#include "caches.hpp"
#include "packet.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

struct Shape {
  Index outer, channels, inner;

  Index size() const { return outer * channels * inner; }
  Index per_channel() const { return outer * inner; }
  /// Where element (o, c, i) lies.
  Index offset(Index o, Index c, Index i) const { return (o * channels + c) * inner + i; }
};

/// A part of a tensor: [outer_begin, outer_end) x [channel_begin, channel_end) x [inner_begin, inner_end).
struct Box {
  Index outer_begin, outer_end, channel_begin, channel_end, inner_begin, inner_end;

  Index channels() const { return channel_end - channel_begin; }
  Index per_channel() const { return (outer_end - outer_begin) * (inner_end - inner_begin); }
};

// Tuning constants. Blocks of 256 KiB were as fast on an AMD Zen 5 server core (1 MiB L2), and took up to a third
// longer on Zen 3 (512 KiB), where two blocks and their outputs do not fit. Blocks of 64 KiB gained nothing there, and
// two threads took up to 1.7 times as long. Narrower columns of rows were much slower. The other numbers follow from
// the sizes of the caches.
inline constexpr Index block_lanes = 1024;               // most lanes, or channels, a block: their numbers fit in L1
inline constexpr Index block_columns = 512;              // the same where inner is 1 and rows are longer
inline constexpr Index folded_lanes = 64;                // of rows that are short: a tile of them is little of L1
inline constexpr Index narrow_lanes = 256;               // wider rows are summed packet by packet: see patch.hpp
inline constexpr Index block_bytes = 128 * 1024;         // of x a block: it is still in L2 for the second pass
inline constexpr Index chunk_bytes = 256 * 1024;         // of x a chunk, the unit of work of larger blocks
inline constexpr Index l2_bytes = 512 * 1024;            // of the second cache, at least
inline constexpr Index cache_bytes = 12 * 1024 * 1024;   // a larger tensor leaves the last cache, with its output
inline constexpr Index crowded_bytes = 4 * 1024 * 1024;  // a tensor, three of which do not fit the last cache with ease
inline constexpr Index page_bytes = 4 * 1024;            // prefetchers of the hardware end at the end of a page
inline constexpr Index short_inner = 64;   // runs up to here may be walked as rows, if there are enough rows
inline constexpr Index mapped_inner = 16;  // runs from here on can be mapped as runs
inline constexpr Index tile_rows = 8;      // rows, at least, summed in registers before memory is used

inline Index round_down(Index n, Index multiple) { return n / multiple * multiple; }

/// Steps of size `step` that cover n. Divides only where it must: a few divisions take as long as a small tensor.
inline Index steps(Index n, Index step) { return step >= n ? 1 : (n + step - 1) / step; }

/// Whether a tensor is too large to be in a cache when it is read, and its output when it is written.
inline bool leaves_cache(Shape shape, Index value_bytes) { return shape.size() * value_bytes > cache_bytes; }

/// The walk of one tensor.
class Plan {
 public:
  Shape shape;
  Index value_bytes;  // of one
  bool rows;          // else runs
  Index fold;         // rows only: how many outer indices count as one row
  Index block_channels, chunk_outer, chunk_inner;
  Index blocks, outer_chunks, chunks;  // how many there are; chunks: of one block
  bool beyond_cache;                   // leaves_cache(), of the tensor

  /// Channels a block, outer and inner a chunk; each may be more than there are.
  Plan(Shape s, Index bytes_a_value, bool walk_rows, Index fold_rows, Index channels, Index outer, Index inner)
      : shape(s),
        value_bytes(bytes_a_value),
        rows(walk_rows),
        fold(fold_rows),
        block_channels(std::min(channels, s.channels)),
        chunk_outer(std::min(outer, s.outer)),
        chunk_inner(std::min(inner, s.inner)),
        blocks(steps(s.channels, channels)),
        outer_chunks(steps(s.outer, outer)),
        chunks(outer_chunks * steps(s.inner, inner)),
        beyond_cache(leaves_cache(s, bytes_a_value)) {}

  Index bytes() const { return shape.size() * value_bytes; }  // of the tensor

  Box box(Index block, Index chunk) const {
    const Index c = block * block_channels, end = std::min(c + block_channels, shape.channels);
    if (chunk == 0) return {0, chunk_outer, c, end, 0, chunk_inner};  // a small tensor's only one
    const Index inner_chunk = chunk < outer_chunks ? 0 : chunk / outer_chunks;
    const Index o = (chunk - inner_chunk * outer_chunks) * chunk_outer, i = inner_chunk * chunk_inner;
    return {o, std::min(o + chunk_outer, shape.outer), c, end, i, std::min(i + chunk_inner, shape.inner)};
  }
};

static_assert(block_lanes / short_inner >= 16, "a block of rows is a multiple of 16 channels");
/// Whether runs of more than four values are so short that channels are better summed side by side: those of up to half
/// of short_inner, and longer ones of values of two bytes, or where a block of runs would have less than
/// `least_channels`, neighbours in memory. As runs, statistics of 7x7 take 0.85 to 1.05 of the time and backward 0.75
/// to 1.05, but statistics of 1024x16x7x7 1.3 times as long, and of half with AVX2 up to twice as long (Emerald
/// Rapids).
inline bool walks_short_runs_as_rows(Index outer, Index inner, Index value_bytes) {
  constexpr Index least_channels = 8;
  if (inner > short_inner || outer < tile_rows) return false;
  return value_bytes < 4 || inner <= short_inner / 2 || least_channels * outer * inner * value_bytes > block_bytes;
}
/// Whether channels are summed side by side, as lanes of a row.
inline bool walks_rows(Shape shape, Index value_bytes) {
  if (shape.channels == 1) return false;
  return shape.inner <= 4 || walks_short_runs_as_rows(shape.outer, shape.inner, value_bytes);
}

/// Whether maps of runs in cache make one packet of the end of a run and the beginning of the next: of values of two
/// bytes that takes longer with AVX2 or less, where they are rounded in several steps.
constexpr bool joins_runs(Index value_bytes) { return value_bytes >= 4 || width<float> >= 16; }

/// Whether runs so short are better mapped one by one, in the order of memory, than a block of rows after the other:
/// eval of 4x4 to 8x8 takes up to a half less, if the ends of runs cost no more than the rest. In place they do unless
/// runs are joined, as no packet may be computed twice. What goes past the caches does so in whole lines: else eval of
/// 64x4096x5x5 took 1.7 times as long as by rows, and of 256x512x7x7 no less.
inline bool maps_runs(Shape shape, Index value_bytes, bool in_place) {
  if (shape.inner < mapped_inner) return false;
  if (leaves_cache(shape, value_bytes)) return shape.inner * value_bytes % Index{cache_line} == 0;
  return !in_place || joins_runs(value_bytes) || shape.inner % width<float> == 0;
}

/// One channel is one long run.
inline Shape canonical(Shape shape) { return shape.channels == 1 ? Shape{1, 1, shape.outer * shape.inner} : shape; }

/// Channels that make a block of rows: whole cache lines of floats, whatever inner is, so that all blocks are aligned
/// if the first is.
inline Index channels_of_rows(Shape shape) {
  // Rows that are one block lie in one piece: eval of (64, 1024) takes a third less time than in two.
  if (shape.inner == 1) return shape.channels <= block_lanes ? shape.channels : block_columns;
  return std::min(shape.channels, round_down(block_lanes / shape.inner, 16));
}

inline constexpr Index block_of_lines_bytes = 512 * 1024;  // of x a block, at most, for the sake of whole cache lines

/// Whether blocks may be larger than block_bytes for the sake of whole cache lines: where outputs are written past the
/// caches. Beyond the last cache they gain with AVX-512 alone: with SSE2 training of 64x256x14x14 takes 1.17 times as
/// long.
inline bool gains_by_lines(Shape shape, Index value_bytes) {
  if (leaves_cache(shape, value_bytes)) return width<float> >= 16;
  return leaves_near_caches(2 * shape.size() * value_bytes);
}

/// Channels that make a block of runs, where there are several: as many in each, as the one that is mapped beside sums
/// of the next is to be as large (training and backward of 4x32x28x28 take 0.9 of the time so); and whole cache lines
/// of outputs, so that no line is written by two blocks. Past the caches each such line takes about 100 ns: training
/// and backward of 32x256x14x14, four of whose runs are whole lines, take 0.9 and 0.8 of the time of blocks of five. To
/// be whole lines blocks may be larger, too: in blocks of 200 KiB in place of 100 training and backward of 64x256x14x14
/// take 0.78 and 0.95 of the time, of 64x128x14x14 0.78 and 0.73, in blocks of 400 KiB those of 128x512x14x14 0.8 and
/// 0.65. All on Emerald Rapids.
inline Index channels_of_runs(Shape shape, Index value_bytes) {
  const Index channel_bytes = shape.per_channel() * value_bytes;
  const Index most = std::clamp<Index>(block_bytes / channel_bytes, 1, block_lanes);
  if (most >= shape.channels) return most;
  const Index equal = steps(shape.channels, steps(shape.channels, most));
  const Index line = std::max<Index>(1, Index{cache_line} / value_bytes), power_of_2 = shape.inner & -shape.inner;
  const Index whole = line / std::min(line, power_of_2);  // of them are whole lines; a line is a power of 2 too
  if (most >= whole) return std::min(steps(equal, whole) * whole, round_down(most, whole));
  const bool larger = whole < shape.channels && whole * channel_bytes <= block_of_lines_bytes;
  return larger && gains_by_lines(shape, value_bytes) ? whole : equal;
}

/// Rows that count as one. Where 16 such rows are left: so many that they are whole cache lines of floats and have
/// folded_lanes lanes or more. Then all start aligned if the first does; rows of 40 or 50 channels, whose ends are
/// written in parts, took twice as long past the caches, and half as long again in cache. Where lines would be more
/// than a block, or rows are fewer: rows up to folded_lanes / 2 about folded_lanes, as long as tile_rows of them are
/// left, and others what is still narrow, if 32 are. block: channels_of_rows().
inline Index fold_of(Shape shape, Index block) {
  const Index row = shape.channels * shape.inner, most = shape.outer / tile_rows;
  if (most < 2 || block < shape.channels) return 1;
  const Index lines = 16 / std::gcd(row, Index{16}), whole = std::max(lines, round_down(folded_lanes / row, lines));
  if (whole * row <= block_lanes && 2 * whole <= most) return whole;
  if (row <= folded_lanes / 2) return std::min(most, whole * row <= 2 * folded_lanes ? whole : folded_lanes / row);
  const Index fold = narrow_lanes / row;
  return fold > 1 && 4 * fold <= most ? fold : 1;
}

/// Outer indices that make a chunk of rows of `lanes` lanes, a multiple of whole tiles.
inline Index rows_of_chunk(Shape shape, Index lanes, Index fold, Index value_bytes) {
  if (shape.outer * lanes * value_bytes <= chunk_bytes) return shape.outer;
  const Index tile = fold * tile_rows;
  return std::max(tile, round_down(chunk_bytes / value_bytes / lanes, tile));
}

/// The walk of a tensor, not empty, whose channels are first summed and then mapped: blocks that stay in cache.
inline Plan plan_reduction(Shape shape, Index value_bytes) {
  if (walks_rows(shape, value_bytes)) {
    const Index block = channels_of_rows(shape);
    const Index fold = fold_of(shape, block);
    return {shape,      value_bytes, true, fold, block, rows_of_chunk(shape, block * shape.inner, fold, value_bytes),
            shape.inner};
  }
  shape = canonical(shape);
  const Index chunk_values = chunk_bytes / value_bytes, block = channels_of_runs(shape, value_bytes);
  if (shape.per_channel() <= chunk_values) return {shape, value_bytes, false, 1, block, shape.outer, shape.inner};
  const Index outer = std::max<Index>(1, chunk_values / shape.inner);
  return {shape, value_bytes, false, 1, block, outer > tile_rows ? round_down(outer, tile_rows) : outer, chunk_values};
}

/// The walk of a tensor, not empty, that is only mapped: pieces of memory that follow each other, as they come.
inline Plan plan_map(Shape shape, Index value_bytes, bool in_place = false) {
  shape = canonical(shape);
  if (walks_rows(shape, value_bytes) && !maps_runs(shape, value_bytes, in_place))
    return plan_reduction(shape, value_bytes);
  const Index chunk_values = chunk_bytes / value_bytes, plane = shape.channels * shape.inner;
  if (shape.size() <= chunk_values && shape.channels <= block_lanes) {
    return {shape, value_bytes, false, 1, shape.channels, shape.outer, shape.inner};
  }
  const Index block = std::clamp<Index>(chunk_values / shape.inner, 1, block_lanes);
  return {shape, value_bytes, false, 1, block, std::max<Index>(1, chunk_values / plane), chunk_values};
}

/// Whether a tensor that is reduced in this walk is mapped in one of its own afterwards, in the order of memory, rather
/// than block by block. Within the last cache that is faster where it maps runs instead of rows, and where outputs are
/// short pieces far apart that crowd out each other: 32x256x14x14 takes a fifth less, but 8x128x28x28, of 3 MB, a fifth
/// more. Beyond it, where a channel of short pieces does not stay in the last cache itself, and memory would be read
/// and written piece by piece: 8192x32x14x14 takes half, but 256x128x28x28, of 800 KB a channel, a third more. Where
/// that cache is far, outputs are written past it, crowd out nothing, and need only be whole lines.
inline bool maps_apart(const Plan& reduction, bool in_place) {
  const Shape& shape = reduction.shape;
  const Index value_bytes = reduction.value_bytes;
  if (reduction.rows) return !in_place && !reduction.beyond_cache && maps_runs(shape, value_bytes, false);
  const Index run_bytes = shape.inner * value_bytes;
  if (shape.outer == 1 || run_bytes > page_bytes) return false;  // no short pieces
  if (reduction.beyond_cache && 2 * shape.per_channel() * value_bytes > crowded_bytes) return true;
  if (in_place || reduction.blocks == 1) return false;
  if (leaves_near_caches(2 * reduction.bytes())) return reduction.block_channels * run_bytes % Index{cache_line} != 0;
  return !reduction.beyond_cache && reduction.bytes() > crowded_bytes;
}

}}}  // namespace tensornorm::v0::detail
