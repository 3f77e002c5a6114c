// Passes over a whole tensor, on any number of threads: reduce every channel to two numbers, map every element, or both
// a block at a time, so that a block is mapped while it is still in cache from being reduced.
//
// A reduction R offers
//   R::inputs                  how many tensors it reads; for reduce_and_map() alone
//   R::Rest                    what it keeps of a channel while boxes are merged, besides two numbers; begins as {}
//   r.box(plan, box, a, b)     two numbers a channel of the box
//   r.merge(n_before, n_box, rest, a, b, box_a, box_b)    adds a box's numbers to those of the boxes before it,
//   r.merge_rest(rest, a, b)   and the rest to both, when all boxes are merged
//   r.complete(plan, box, a)   makes of a what the pass is to find, after that
// and a mapping M makes, from the finished numbers of a block of channels, what elementwise.hpp maps with.
#pragma once

#include <vector>

#include "normalize.hpp"
#include "parallel.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

// Measured on 32x64x56x56 in all layouts. Twice as far is as fast, half as far takes a twentieth longer.
inline constexpr Index prefetch_bytes = 8 * 1024;    // ahead of an element pass that reads what no other has
inline constexpr Index prefetch_rows = 4;            // the same where a block is a column of the rows; not measured
inline constexpr Index parallel_bytes = 128 * 1024;  // of x, from where on threads are woken

/// The numbers of a block of channels, folded for an operation F and ready for the element pass. They come from
/// numbers(c, extent), as those of normalize.hpp.
template <typename F, typename Lane, typename Numbers>
class BlockMap {
 public:
  /// Of no block yet.
  BlockMap(const F& f, const Numbers& numbers) : f_(f), numbers_(numbers) {}
  BlockMap(const F& f, const Numbers& numbers, Index first, Index count) : BlockMap(f, numbers) {
    prepare(first, count);
  }

  /// Of `count` channels of the tensor from `first` on.
  [[gnu::flatten]] void prepare(Index first, Index count) {
    first_ = first;
    auto fit = Packet<double>::all(1);
    for_each_packet<double>(count, [&](Index c, auto extent) {
      const ChannelNumbers numbers = numbers_(first + c, extent);
      const auto coefficients = F::coefficients_of(numbers);
      for (std::size_t k = 0; k < coefficients.size(); ++k) store(table_.values[k] + c, coefficients[k]);
      if constexpr (std::is_same_v<Lane, float>) fit = fit * F::fits(numbers);
    });
    all_fit_ = all_of(fit);
    if (all_fit_) return;
    for_each_wide_channel(count, [&](Index c, const ChannelNumbers&, Index) {  // which the vector pass is to copy
      const auto copying = F::copying();
      for (std::size_t k = 0; k < copying.size(); ++k) table_.values[k][c] = copying[k];
    });
  }

  template <typename T>
  void operator()(const Plan& plan, const Box& box, T* out, const Movement& movement) const {
    map_box<Lane>(plan, box, f_, table_, out, movement);
    if (!all_fit_) map_wide_channels(plan, box, out);
  }

  /// Whether every channel can be computed in lanes, as beside() does.
  bool all_fit() const { return all_fit_; }
  /// The same as company for sums over a block `distance` elements further on.
  template <typename Write, typename T>
  auto beside(T* out, Index distance) const {
    return MapBeside<Lane, F, T, Write>(f_, table_, out, distance);
  }

 private:
  /// each(c, numbers, lane) for the channels that float lanes cannot compute; theirs is one lane of the numbers. Rare.
  template <typename Each>
  void for_each_wide_channel(Index count, const Each& each) const {
    for_each_packet<double>(count, [&](Index c, auto extent) {
      const ChannelNumbers numbers = numbers_(first_ + c, extent);
      const auto fits = F::fits(numbers);
      for (Index lane = 0; lane < std::min(width<double>, count - c); ++lane) {
        if (fits[lane] != 1) each(c + lane, numbers, lane);
      }
    });
  }
  /// Computes them in double where they lie.
  template <typename T>
  void map_wide_channels(const Plan& plan, const Box& box, T* out) const {
    for_each_wide_channel(box.channels(), [&](Index c, const ChannelNumbers& numbers, Index lane) {
      for (Index o = box.outer_begin; o < box.outer_end; ++o) {
        for (Index i = box.inner_begin; i < box.inner_end; ++i) {
          const Index offset = plan.shape.offset(o, box.channel_begin + c, i);
          const double value = f_.exact(static_cast<double>(out[offset]), offset, numbers, lane);
          out[offset] = static_cast<T>(static_cast<LaneOf<T>>(value));
        }
      }
    });
  }

  F f_;
  Numbers numbers_;
  Coefficients<Lane, F::coefficients> table_;
  Index first_ = 0;
  bool all_fit_ = true;
};

/// map(start)(box), as map_all() calls it, for an operation f and the numbers of the tensor's channels.
template <typename F, typename T, typename Numbers>
struct Mapping {
  using Map = BlockMap<F, LaneOf<T>, Numbers>;
  const Plan& plan;
  F f;
  T* out;
  Movement movement;
  Numbers numbers;

  auto operator()(const Box& start) const {
    return [this, map = Map(f, numbers, start.channel_begin, start.channels())](const Box& box) {
      map(plan, box, out, movement);
    };
  }
};
template <typename F, typename T, typename Numbers>
Mapping<F, T, Numbers> mapping(const Plan& plan, const F& f, T* out, const Movement& movement, const Numbers& numbers) {
  return {plan, f, out, movement, numbers};
}

// `after_reduction`: the element pass follows one that read the block, and is followed by one that reads the neighbour.

/// How far ahead an element pass that reads `inputs` tensors asks for them, in elements. 0: not at all.
///
///   rows, in several blocks                               some rows further down the column
///   in cache                                              nothing
///   nothing summed before, or rows                        a few KB further on
///   summed before, and two blocks fit in L2               the same place in the next block
///   summed before, and they do not                        nothing
inline Index next_input(const Plan& plan, Index value_bytes, Index inputs, bool after_reduction) {
  if (plan.rows && plan.blocks > 1) return prefetch_rows * plan.shape.channels * plan.shape.inner;
  if (!plan.beyond_cache) return 0;
  if (!after_reduction || plan.rows) return prefetch_bytes / value_bytes;  // rows were summed long ago
  const Index block = plan.block_channels * plan.shape.per_channel() * value_bytes * inputs;
  const bool two_in_cache = block <= 2 * block_bytes;  // this one and the next one, in L2
  return two_in_cache ? plan.block_channels * plan.shape.inner : 0;
}

/// The same for its output: a row further, where a block is written in short pieces far apart within the last cache. No
/// prefetcher of the hardware foresees the next one.
inline Index next_output(const Plan& plan, Index value_bytes, bool after_reduction) {
  const bool far_apart = plan.rows ? plan.blocks > 1 : after_reduction && plan.shape.inner * value_bytes <= page_bytes;
  const bool in_last_cache = !plan.beyond_cache && plan.shape.size() * value_bytes > 4 * block_bytes;
  return far_apart && in_last_cache ? plan.shape.channels * plan.shape.inner : 0;
}

/// Whether what is larger than the caches is written past them: not in rows that start aligned each in its own way, as
/// then no packet finds its coefficients aligned either. Training of (20000, 300) took a quarter longer past the
/// caches.
inline bool streams(const Plan& plan) {
  return plan.beyond_cache && (!plan.rows || plan.fold * plan.shape.channels * plan.shape.inner % width<float> == 0);
}

/// How an element pass moves memory: in the caches, or past them where the tensors are larger.
inline Movement movement_of(const Plan& plan, Index value_bytes, Index inputs, bool in_place, bool after_reduction) {
  const bool last_to_first = after_reduction && inputs > 1;  // one input still fits L2, two need not
  const Index next = next_input(plan, value_bytes, inputs, after_reduction);
  const Index next_out = in_place ? 0 : next_output(plan, value_bytes, after_reduction);
  return {streams(plan) && !in_place, next, last_to_first, last_to_first && !plan.rows ? -next_out : next_out,
          !plan.beyond_cache && !in_place};
}

/// Scratch memory that grows to what the largest pass needed, and is then kept.
using Scratch = std::vector<double>;

template <typename Device>
bool worth_threads(const Device& device, const Plan& plan, Index value_bytes) {
  return threads_of(device) > 1 && plan.shape.size() * value_bytes >= parallel_bytes;
}

/// Doubles of scratch that reduce() wants: [chunks][2][C], or none on one thread.
template <typename Device>
Index scratch_size(const Device& device, const Plan& plan, Index value_bytes) {
  return worth_threads(device, plan, value_bytes) ? 2 * plan.chunks * plan.shape.channels : 0;
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
void reduce(const Device& device, const Plan& plan, Index value_bytes, const R& r, double* a, double* b,
            Scratch& scratch) {
  if (!worth_threads(device, plan, value_bytes)) {
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
void map_all(const Device& device, const Plan& plan, Index value_bytes, bool last_to_first, const Map& map) {
  const Index chunks = plan.chunks, blocks = plan.blocks;
  if (!worth_threads(device, plan, value_bytes)) {
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
bool shares_chunks(const Device& device, const Plan& plan, Index value_bytes) {
  return worth_threads(device, plan, value_bytes) && plan.chunks > 1 && plan.blocks < 8 * threads_of(device);
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
void reduce_and_map(const Device& device, const Plan& plan, Index value_bytes, const R& r, double* a, double* b,
                    Scratch& scratch, const Finish& finish, const Map& map) {
  const bool back = maps_back<R>(plan);
  if (shares_chunks(device, plan, value_bytes)) {
    reduce(device, plan, value_bytes, r, a, b, scratch);
    finish(Index{0}, plan.shape.channels);
    return map_all(device, plan, value_bytes, back, map);
  }
  const auto work = [&](Index block) {
    reduce_block(plan, block, r, a, b);
    const Box start = plan.box(block, 0);
    finish(start.channel_begin, start.channel_end);
    const auto map_block = map(start);
    for (Index k = 0; k < plan.chunks; ++k) map_block(plan.box(block, back ? plan.chunks - 1 - k : k));
  };
  if (worth_threads(device, plan, value_bytes)) return for_each_item(device, plan.blocks, work);
  for (Index block = 0; block < plan.blocks; ++block) work(block);
}

}}}  // namespace tensornorm::v0::detail
