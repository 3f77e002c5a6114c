// How a tensor [outer, channels, inner] is walked: which traversal, which blocks of channels, which chunks of a block.
// All of it follows from the shape and the size of a value alone, never from the number of threads, so that the order
// of every sum, and with it every bit of a result, is the same on one thread and on many.
//
//   runs   a channel's values lie in long runs of `inner`; a run is read with its channel's numbers in registers.
//   rows   inner is short (1 in NHWC and (N, C)): a row of channels*inner neighbouring lanes is read at once, each lane
//          with its own numbers. When a row is short too, `fold` rows that follow each other count as one.
#pragma once

#include <Eigen/Core>
#include <algorithm>

namespace tensornorm::detail {

using Eigen::Index;

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

// Tuning constants, measured on an AMD Zen 5 server core (48 KiB L1, 1 MiB L2 a core, 32 MiB L3) with bench/.
inline constexpr Index block_lanes = 512;            // most lanes, or channels, a block: their numbers fit in L1
inline constexpr Index block_bytes = 256 * 1024;     // of x a block: it is still in L2 for the second pass
inline constexpr Index chunk_bytes = 256 * 1024;     // of x a chunk, the unit of work when a block is larger than L2
inline constexpr Index short_inner = 64;             // runs up to here are walked as rows, if there are enough rows
inline constexpr Index tile_rows = 8;                // rows summed in registers before memory is touched

/// The walk of one tensor.
struct Plan {
  Shape shape;
  bool rows;             // else runs
  Index fold;            // rows only: how many outer indices count as one row
  Index block_channels;  // channels a block; the last may have fewer
  Index chunk_outer, chunk_inner;

  Index blocks() const { return (shape.channels + block_channels - 1) / block_channels; }
  Index outer_chunks() const { return (shape.outer + chunk_outer - 1) / chunk_outer; }
  Index chunks() const { return outer_chunks() * ((shape.inner + chunk_inner - 1) / chunk_inner); }

  Box box(Index block, Index chunk) const {
    const Index o = chunk % outer_chunks() * chunk_outer, c = block * block_channels;
    const Index i = chunk / outer_chunks() * chunk_inner;
    return {o, std::min(o + chunk_outer, shape.outer),    c, std::min(c + block_channels, shape.channels),
            i, std::min(i + chunk_inner, shape.inner)};
  }
};

inline Index round_down(Index n, Index multiple) { return n / multiple * multiple; }

inline Plan plan_rows(Shape shape, Index value_bytes) {
  Plan plan{shape, true, 1, shape.channels, shape.outer, shape.inner};
  const Index row = shape.channels * shape.inner;
  if (row <= block_lanes / 2) {
    plan.fold = std::clamp<Index>(block_lanes / row, 1, std::max<Index>(1, shape.outer / tile_rows));
    if (plan.fold > 16) plan.fold = round_down(plan.fold, 16);  // then every folded row starts aligned if the first does
  }
  plan.block_channels = std::min(shape.channels, std::max<Index>(1, block_lanes / shape.inner));
  const Index rows = chunk_bytes / value_bytes / (plan.block_channels * shape.inner);
  plan.chunk_outer = std::max(plan.fold * tile_rows, round_down(rows, plan.fold * tile_rows));
  return plan;
}

inline Plan plan_runs(Shape shape, Index value_bytes) {
  const Index n = shape.per_channel();
  const Index block = std::clamp<Index>(block_bytes / value_bytes / n, 1, std::min(block_lanes, shape.channels));
  Plan plan{shape, false, 1, block, shape.outer, shape.inner};
  const Index chunk_values = chunk_bytes / value_bytes;
  if (n > chunk_values) {
    plan.chunk_inner = std::min(shape.inner, chunk_values);
    plan.chunk_outer = std::max<Index>(1, chunk_values / shape.inner);
    if (plan.chunk_outer > tile_rows) plan.chunk_outer = round_down(plan.chunk_outer, tile_rows);
  }
  return plan;
}

inline bool walks_rows(Shape shape) {
  return shape.channels > 1 && (shape.inner <= 4 || (shape.inner <= short_inner && shape.outer >= tile_rows));
}

/// One channel is one long run.
inline Shape canonical(Shape shape) {
  return shape.channels == 1 ? Shape{1, 1, shape.outer * shape.inner} : shape;
}

/// The walk of a tensor, not empty, whose channels are first summed and then mapped: blocks that stay in cache.
inline Plan plan_reduction(Shape shape, Index value_bytes) {
  shape = canonical(shape);
  return walks_rows(shape) ? plan_rows(shape, value_bytes) : plan_runs(shape, value_bytes);
}

/// The walk of a tensor, not empty, that is only mapped: as many channels a block as fit, so that memory is read in order.
inline Plan plan_map(Shape shape, Index value_bytes) {
  shape = canonical(shape);
  const bool rows = walks_rows(shape);
  Plan plan = rows ? plan_rows(shape, value_bytes) : plan_runs(shape, value_bytes);
  plan.block_channels = std::min(shape.channels, rows ? std::max<Index>(1, block_lanes / shape.inner) : block_lanes);
  const Index chunk_values = chunk_bytes / value_bytes, plane = plan.block_channels * shape.inner;
  plan.chunk_outer = std::max<Index>(1, chunk_values / plane);
  if (rows) plan.chunk_outer = std::max(plan.fold * tile_rows, round_down(plan.chunk_outer, plan.fold * tile_rows));
  plan.chunk_inner = std::min(shape.inner, std::max<Index>(1, chunk_values / plan.block_channels));
  return plan;
}

}  // namespace tensornorm::detail
