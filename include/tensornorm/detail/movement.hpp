// How an element pass moves memory: through the caches or past them, and what it asks for ahead. It follows from the
// walk and from what was read before.
#pragma once

#include "traversal.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// What an element pass is told of it.
struct Movement {
  bool streamed = false;       // results go past the caches
  bool last_to_first = false;  // runs, not rows, are walked back, so that what was read last comes first
  bool may_repeat = false;     // some results may be computed twice: out is none of the inputs, and is not streamed
  Index next = 0;              // distance in elements to what is read next: prefetched. 0: nothing
  Index next_out = 0;          // the same of what is written
};

// Measured on 32x64x56x56 in all layouts. Twice as far is as fast, half as far takes a twentieth longer.
inline constexpr Index prefetch_bytes = 8 * 1024;  // ahead of an element pass that reads what no other has
inline constexpr Index prefetch_rows = 4;          // the same where a block is a column of the rows; not measured

// `after_reduction`: the element pass follows one that read the block, and is followed by one that reads the neighbour.

/// How far ahead an element pass that reads `inputs` tensors asks for them, in elements. 0: not at all.
///
///   rows, in several blocks                               some rows further down the column
///   in cache                                              nothing
///   nothing summed before, or rows                        a few KB further on
///   summed before, and two blocks fit in L2               the same place in the next block
///   summed before, and they do not                        nothing
inline Index next_input(const Plan& plan, Index inputs, bool after_reduction) {
  if (plan.rows && plan.blocks > 1) return prefetch_rows * plan.shape.channels * plan.shape.inner;
  if (!plan.beyond_cache) return 0;
  if (!after_reduction || plan.rows) return prefetch_bytes / plan.value_bytes;  // rows were summed long ago
  const Index block = plan.block_channels * plan.shape.per_channel() * plan.value_bytes * inputs;
  const bool two_in_cache = block <= l2_bytes;  // this one and the next one, in L2
  return two_in_cache ? plan.block_channels * plan.shape.inner : 0;
}

/// The same for its output: a row further, where a block is written in short pieces far apart within the last cache. No
/// prefetcher of the hardware foresees the next one.
inline Index next_output(const Plan& plan, bool after_reduction) {
  if (plan.beyond_cache || plan.bytes() <= 2 * l2_bytes) return 0;
  const bool short_runs = after_reduction && plan.shape.inner * plan.value_bytes <= page_bytes;
  const bool far_apart = plan.rows ? plan.blocks > 1 : short_runs;
  return far_apart ? plan.shape.channels * plan.shape.inner : 0;
}

/// Whether a pass that reads `inputs` tensors writes past the caches what does not fit them: rows and runs whose ends
/// are streamed too, see stream(), or that are long. Of half, eval of (20000, 603) took twice as long past the caches,
/// of 64x1024x13x13 five times.
inline bool streams(const Plan& plan, Index inputs) {
  if (plan.bytes() <= large_l2_bytes / 3) return false;  // three such tensors fit L2, if it is large
  if (!plan.beyond_cache && !leaves_near_caches((inputs + 1) * plan.bytes())) return false;
  const Index piece = (plan.rows ? plan.fold * plan.shape.channels : 1) * plan.shape.inner * plan.value_bytes;
  return piece % Index{streamed_word} == 0 || piece > page_bytes;
}

/// How an element pass moves memory: in the caches, or past them where the tensors are larger. Inlined: of a tensor of
/// a few values, calls and copies here were 2 % of eval's instructions.
[[gnu::always_inline]] inline Movement movement_of(const Plan& plan, Index inputs, bool in_place,
                                                   bool after_reduction) {
  const bool last_to_first = !plan.rows && after_reduction && inputs > 1;  // one input still fits L2, two need not
  const bool streamed = !in_place && streams(plan, inputs);
  const Index next_out = in_place || streamed ? 0 : next_output(plan, after_reduction);
  return {streamed, last_to_first, !in_place && !streamed && !plan.beyond_cache,
          next_input(plan, inputs, after_reduction), last_to_first ? -next_out : next_out};
}

}}}  // namespace tensornorm::v0::detail
