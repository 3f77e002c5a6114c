// Passes over a whole tensor, on any number of threads: reduce every channel to two numbers, map every element, or both
// a block at a time, so that a block is mapped while it is still in cache from being reduced.
//
// A reduction R offers
//   R::inputs                  how many tensors it reads; where it is followed by a map
//   R::Rest                    what it keeps of a channel while boxes are merged, besides two numbers; begins as {}
//   r.box(plan, box, a, b)     two numbers a channel of the box
//   r.merge(n_before, n_box, rest, a, b, box_a, box_b)    adds a box's numbers to those of the boxes before it,
//   r.merge_rest(rest, a, b)   and the rest to both, when all boxes are merged
//   r.complete(plan, box, a)   makes of a what the pass is to find, after that
// and a mapping M makes, from the finished numbers of a block of channels, what maps its boxes, as those of
// block_map.hpp.
#pragma once

#include <vector>

#include "parallel.hpp"
#include "traversal.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

inline constexpr Index parallel_bytes = 128 * 1024;  // of x, from where on threads are woken

/// Scratch memory that grows to what the largest pass needed, and is then kept.
using Scratch = std::vector<double>;

template <typename Device>
bool worth_threads(const Device& device, const Plan& plan) {
  return threads_of(device) > 1 && plan.bytes() >= parallel_bytes;
}

/// Doubles of scratch that reduce() wants: [chunks][2][C], or none on one thread.
template <typename Device>
Index scratch_size(const Device& device, const Plan& plan) {
  return worth_threads(device, plan) ? 2 * plan.chunks * plan.shape.channels : 0;
}

/// Merges the numbers of a block's other chunks with those of its first, in a and b: [channels of the block]. They come
/// from numbers_of(chunk, box, merge), which calls merge(box_a, box_b) once.
template <typename R, typename NumbersOf>
[[gnu::noinline]] void merge_chunks(const Plan& plan, Index block, const R& r, double* a, double* b,
                                    const NumbersOf& numbers_of) {
  const Box start = plan.box(block, 0);
  typename R::Rest rest[block_lanes];
  std::fill_n(rest, start.channels(), typename R::Rest{});
  Index before = start.per_channel();
  for (Index chunk = 1; chunk < plan.chunks; ++chunk) {
    const Box box = plan.box(block, chunk);
    numbers_of(chunk, box, [&](const double* box_a, const double* box_b) {
      for (Index c = 0; c < box.channels(); ++c) {
        r.merge(before, box.per_channel(), rest[c], a[c], b[c], box_a[c], box_b[c]);
      }
    });
    before += box.per_channel();
  }
  for (Index c = 0; c < start.channels(); ++c) r.merge_rest(rest[c], a[c], b[c]);
}

/// a and b of one block of channels, chunk after chunk. a, b: double [C].
template <typename R>
void reduce_block(const Plan& plan, Index block, const R& r, double* a, double* b) {
  const Box start = plan.box(block, 0);
  const Index first = start.channel_begin;
  r.box(plan, start, a + first, b + first);
  if (plan.chunks > 1) {
    merge_chunks(plan, block, r, a + first, b + first, [&](Index, const Box& box, const auto& merge) {
      double box_a[block_lanes], box_b[block_lanes];
      r.box(plan, box, box_a, box_b);
      merge(box_a, box_b);
    });
  }
  r.complete(plan, start, a + first);
}

/// a and b of all channels, in the same order as block by block, so with the same bits. O(values).
template <typename Device, typename R>
void reduce(const Device& device, const Plan& plan, const R& r, double* a, double* b, Scratch& scratch) {
  if (!worth_threads(device, plan)) {
    for (Index block = 0; block < plan.blocks; ++block) reduce_block(plan, block, r, a, b);
    return;
  }
  const Index chunks = plan.chunks, channels = plan.shape.channels;
  const auto partial = [&](Index chunk) { return scratch.data() + 2 * chunk * channels; };
  for_each_item(device, plan.blocks * chunks, [&](Index item) {
    const Index chunk = item % chunks;
    const Box box = plan.box(item / chunks, chunk);
    r.box(plan, box, partial(chunk) + box.channel_begin, partial(chunk) + channels + box.channel_begin);
  });
  std::copy_n(partial(0), channels, a);
  std::copy_n(partial(0) + channels, channels, b);
  for (Index block = 0; block < plan.blocks; ++block) {
    const Box start = plan.box(block, 0);
    const Index first = start.channel_begin;
    if (chunks > 1) {
      merge_chunks(plan, block, r, a + first, b + first, [&](Index chunk, const Box&, const auto& merge) {
        merge(partial(chunk) + first, partial(chunk) + channels + first);
      });
    }
    r.complete(plan, start, a + first);
  }
}

/// map(start)(box) for all boxes, `start` being the first of the same block. map(start) must be callable from many
/// threads at once. O(values).
template <typename Device, typename Map>
void map_all(const Device& device, const Plan& plan, bool last_to_first, const Map& map) {
  const Index chunks = plan.chunks, blocks = plan.blocks;
  if (!worth_threads(device, plan)) {
    const auto order = [&](Index k, Index count) { return last_to_first ? count - 1 - k : k; };
    for (Index b = 0; b < blocks; ++b) {
      const auto map_block = map(plan.box(order(b, blocks), 0));
      for (Index k = 0; k < chunks; ++k) map_block(plan.box(order(b, blocks), order(k, chunks)));
    }
    return;
  }
  share_items(device, blocks * chunks, last_to_first, [&](auto next) {
    Index item;
    for (bool more = next(item); more;) {
      const Index block = item / chunks;
      const auto map_block = map(plan.box(block, 0));  // prepares numbers: once for all chunks in a row
      do {
        map_block(plan.box(block, item % chunks));
        more = next(item);
      } while (more && item / chunks == block);
    }
  });
}

/// Whether threads share the chunks of a block, as blocks are too few for all of them.
template <typename Device>
bool shares_chunks(const Device& device, const Plan& plan) {
  return worth_threads(device, plan) && plan.chunks > 1 && plan.blocks < 8 * threads_of(device);
}

/// Whether chunks of a block that has been reduced are mapped from the last one back, as what was read last is still in
/// a cache. A block of rows may be all of two tensors, of which L2 holds little: backward of 32x64x56x56 NHWC took a
/// sixth longer that way.
template <typename R>
bool maps_back(const Plan& plan) {
  return !plan.rows || R::inputs == 1;
}

/// Reduces, then finish(channel_begin, channel_end), then maps: a block at a time where one thread can have a whole
/// block.
template <typename Device, typename R, typename Finish, typename Map>
void reduce_and_map(const Device& device, const Plan& plan, const R& r, double* a, double* b, Scratch& scratch,
                    const Finish& finish, const Map& map) {
  const bool back = maps_back<R>(plan);
  if (shares_chunks(device, plan)) {
    reduce(device, plan, r, a, b, scratch);
    finish(Index{0}, plan.shape.channels);
    return map_all(device, plan, back, map);
  }
  const auto work = [&](Index block) {
    reduce_block(plan, block, r, a, b);
    const Box start = plan.box(block, 0);
    finish(start.channel_begin, start.channel_end);
    const auto map_block = map(start);
    for (Index k = 0; k < plan.chunks; ++k) map_block(plan.box(block, back ? plan.chunks - 1 - k : k));
  };
  if (worth_threads(device, plan)) return for_each_item(device, plan.blocks, work);
  for (Index block = 0; block < plan.blocks; ++block) work(block);
}

}}}  // namespace tensornorm::v0::detail
