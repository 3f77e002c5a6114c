// Sums of one block while the block before it is mapped, a few packets of each in turn. Sums keep the processor busy
// and mapping keeps memory busy, so that both together take little longer than a copy.
#pragma once

#include <cstdint>

#include "block_map.hpp"
#include "passes.hpp"
#include "sums.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// A reduction R whose sums take a companion along: r.box(plan, box, a, b, companion).
template <typename R, typename Companion>
struct InCompany {
  const R& r;
  const Companion& companion;

  using Rest = typename R::Rest;
  void box(const Plan& plan, const Box& box, double* a, double* b) const { r.box(plan, box, a, b, companion); }
  void merge(Index before, Index count, Rest& rest, double& a, double& b, double box_a, double box_b) const {
    r.merge(before, count, rest, a, b, box_a, box_b);
  }
  void merge_rest(const Rest& rest, double& a, double& b) const { r.merge_rest(rest, a, b); }
  void complete(const Plan& plan, const Box& box, double* a) const { r.complete(plan, box, a); }
};

/// Whether that takes less time where it can be done. Two blocks of one input fit in L2 together. Of two inputs they do
/// where L2 is large: backward of 0.4 to 6.4 MB takes 0.8 to 0.9 of the time on Intel's Emerald Rapids (2 MiB). Where
/// they do not, it costs less than is gained where memory is slow: on AMD's Zen 3 backward of 32x64x56x56 and
/// 8x64x112x112 took a fifth to a quarter less, 8x64x56x56 a tenth or more, and 1x64x56x56, in cache, an eighth more.
template <typename R>
bool gains_beside(const Plan& plan) {
  return R::inputs == 1 || plan.bytes() > crowded_bytes || has_large_l2();
}

/// Whether blocks can be mapped beside sums of the next: there are several, of long runs, and what is streamed in whole
/// packets starts aligned in each run; or of any runs that are streamed in the order of memory.
template <typename F, typename T, typename Numbers>
bool can_map_beside(const Plan& plan, const Mapping<F, T, Numbers>& map) {
  static_assert(std::uintptr_t{tile_rows * width<double>} * sizeof(T) % bytes_at_once<T> == 0, "tiles keep alignment");
  if (plan.rows || plan.blocks == 1) return false;
  const auto address = reinterpret_cast<std::uintptr_t>(map.out);
  if (maps_in_order<T> && map.movement.streamed) {
    return address % sizeof(T) == 0 && plan.shape.inner >= width<LaneOf<T>>;  // else no packet is ever aligned
  }
  const auto whole = [](Index values) {
    return static_cast<std::uintptr_t>(values) * sizeof(T) % bytes_at_once<T> == 0;
  };
  const bool aligned = address % bytes_at_once<T> == 0 && whole(plan.shape.inner) && whole(plan.chunk_inner);
  return plan.shape.inner >= long_run<T> && (aligned || !map.movement.streamed);
}

/// The block that has been reduced last, and waits to be mapped beside the sums of the next one.
template <typename F, typename T, typename Numbers>
class BlockBehind {
 public:
  explicit BlockBehind(const Mapping<F, T, Numbers>& mapping) : mapping_(mapping), map_(mapping.f, mapping.numbers) {}

  /// Reduces `block` and maps this one beside it, with the same results as one after the other.
  template <typename R>
  void map_beside(Index block, const R& r, double* a, double* b) const {
    const Plan& plan = mapping_.plan;
    const Box box = plan.box(block, 0), behind = plan.box(block_, 0);
    if (!map_.all_fit() || box.channels() != behind.channels()) {
      map_alone();
      return reduce_block(plan, block, r, a, b);
    }
    const Index distance = plan.shape.offset(0, box.channel_begin - behind.channel_begin, 0);
    const auto reduce = [&](auto write) {
      const auto companion = map_.template beside<decltype(write)>(mapping_.out, distance);
      reduce_block(plan, block, InCompany<R, decltype(companion)>{r, companion}, a, b);
    };
    if (mapping_.movement.streamed) {
      reduce(Streamed{});
      fence_streams();
    } else {
      reduce(Cached{});
    }
  }

  /// `block` is the one that waits now. Its numbers are finished.
  void wait(Index block) {
    const Box box = mapping_.plan.box(block, 0);
    block_ = block;
    map_.prepare(box.channel_begin, box.channels());
  }

  void map_alone() const {
    for (Index chunk = 0; chunk < mapping_.plan.chunks; ++chunk) {
      map_(mapping_.plan, mapping_.plan.box(block_, chunk), mapping_.out, mapping_.movement);
    }
  }

 private:
  const Mapping<F, T, Numbers>& mapping_;
  typename Mapping<F, T, Numbers>::Map map_;
  Index block_ = 0;
};

/// As reduce_and_map(), with the same bits, for a reduction that takes company. O(values).
template <typename Device, typename R, typename Finish, typename F, typename T, typename Numbers>
void reduce_and_map_beside(const Device& device, const Plan& plan, const R& r, double* a, double* b, Scratch& scratch,
                           const Finish& finish, const Mapping<F, T, Numbers>& map) {
  if (shares_chunks(device, plan) || !can_map_beside(plan, map) || !gains_beside<R>(plan)) {
    return reduce_and_map(device, plan, r, a, b, scratch, finish, map);
  }
  const auto work = [&](auto next) {
    BlockBehind<F, T, Numbers> behind(map);
    const auto finish_and_wait = [&](Index block) {
      const Box box = plan.box(block, 0);
      finish(box.channel_begin, box.channel_end);
      behind.wait(block);
    };
    Index block;
    if (!next(block)) return;
    reduce_block(plan, block, r, a, b);
    finish_and_wait(block);
    while (next(block)) {
      behind.map_beside(block, r, a, b);
      finish_and_wait(block);
    }
    behind.map_alone();
  };
  if (worth_threads(device, plan)) return share_items(device, plan.blocks, false, work);
  share_items(Eigen::DefaultDevice{}, plan.blocks, false, work);
}

}}}  // namespace tensornorm::v0::detail
