// What maps one block in the company of sums over the block after it: wherever some of that one's elements have been
// summed, as many of this one's are mapped. Sums keep the processor busy and mapping keeps memory busy, so the two
// together take little longer than one of them. Both of these are companions as sums.hpp describes them.
#pragma once

#include "elementwise.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// The block that is mapped.
template <typename F, typename T>
struct BlockToMap {
  F f;
  const CoefficientsOf<F, T>& table;  // [K][channels]
  T* out;
  Index distance;  // from its elements to those of the block that is summed
};

/// Goes along with sums over long runs: maps the places `distance` before those that have just been summed. What is
/// streamed starts aligned in each run.
template <typename F, typename T, typename Write>
struct MapAlong : BlockToMap<F, T> {
  static constexpr bool in_any_order = false;

  const MapAlong& begin(const Plan&, const Box&) const { return *this; }
  auto of_channel(Index c) const {
    return [of_run = detail::of_channel(this->table, c), f = this->f, out = this->out, distance = this->distance](
               Index offset, Index count) {
      for_each_packet<LaneOf<T>, stored_in_pairs<T>>(count, [=](Index l, auto extent) {
        const Index at = offset - distance + l;
        Write{}(out + at, f(at, of_run, mixed(extent)), mixed(extent));
      });
    };
  }
  void finish() const {}
};

/// Whether what is streamed is mapped by MapInOrder, rather than by MapAlong where it is long and aligned: with AVX-512
/// training and backward of 32x256x14x14 take 0.8 of the time so, of 32x512x7x7 0.87, and in doubles 0.7 and 0.9; long
/// runs take as long. Of two bytes those take up to 1.07 times as long, and of floats with AVX2 1.2 times (Emerald
/// Rapids).
template <typename T>
inline constexpr bool maps_in_order = width<float> >= 16 && sizeof(T) >= 4;

/// Goes its own way, in the order of memory, and past the caches: the runs of neighbouring channels are joined, as by
/// map_joined_runs(), and may begin and end anywhere. They are at least as long as a packet.
template <typename F, typename T>
struct MapInOrder : BlockToMap<F, T> {
  static constexpr bool in_any_order = true;

  /// Where it is in a box, whose channels' runs are whole unless there is but one channel.
  class Cursor {
   public:
    Cursor(const BlockToMap<F, T>& block, const Plan& plan, const Box& box)
        : block_(block),
          run_(box.inner_end - box.inner_begin),
          row_(box.channels() * run_),
          stride_(plan.shape.channels * plan.shape.inner),
          next_row_(plan.shape.offset(box.outer_begin, box.channel_begin, box.inner_begin) - block.distance),
          end_(next_row_ + (box.outer_end - box.outer_begin - 1) * stride_ + row_) {}

    auto of_channel(Index) {
      return [this](Index, Index count) { advance(count); };
    }
    void finish() {
      while (at_ != end_) advance(W);
    }

   private:
    static constexpr Index W = width<LaneOf<T>>;

    /// Maps `count` elements more, or a few less, as the end of a row counts as a packet: never more than are due.
    void advance(Index count) {
      for (due_ += count; due_ >= W;) {
        if (at_ == row_end_) {
          begin_row();
          continue;
        }
        const Index whole = round_down(std::min(due_, run_end_ - at_), W);
        due_ -= std::max(whole, W);
        if (whole > 0) {
          const auto of_run = of(channel_);
          for (const Index end = at_ + whole; at_ < end; at_ += W) map(of_run, Whole{});
        } else if (at_ + W <= row_end_) {
          map_border();
        } else {
          map(of(channel_), Part{row_end_ - at_});
          at_ = row_end_;
        }
      }
    }
    void begin_row() {
      at_ = next_row_;
      next_row_ += stride_;
      channel_ = 0;
      run_end_ = at_ + run_;
      row_end_ = at_ + row_;
      const Index head = lanes_to_alignment(block_.out + at_);
      if (head == 0) return;
      map(of(channel_), Part{head});
      at_ += head;
      due_ -= head;
    }
    void map_border() {
      map(join_each(of(channel_), run_end_ - at_, of(channel_ + 1)), Whole{});
      ++channel_;
      run_end_ += run_;
      at_ += W;
    }
    template <typename Factors, typename Extent>
    void map(const Factors& factors, Extent extent) const {
      stream(block_.out + at_, block_.f(at_, factors, extent), extent);
    }
    auto of(Index c) const { return detail::of_channel(block_.table, c); }

    const BlockToMap<F, T> block_;
    const Index run_, row_, stride_;  // elements; a row: the runs of one outer index
    Index next_row_, end_;            // offsets
    Index at_ = 0, run_end_ = 0, row_end_ = 0;
    Index channel_ = 0, due_ = 0;
  };
  Cursor begin(const Plan& plan, const Box& box) const { return {*this, plan, box}; }
};

}}}  // namespace tensornorm::v0::detail
