// An element pass over a block of channels: its numbers folded once for all of the block's boxes, and the channels that
// float lanes cannot compute computed in double.
#pragma once

#include "companions.hpp"
#include "normalize.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

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
      auto coefficients = F::coefficients_of(numbers);
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
    map_box(plan, box, f_, table_, out, movement);
    if (!all_fit_) map_wide_channels(plan, box, out);
  }

  /// Whether every channel can be computed in lanes, as beside() does.
  bool all_fit() const { return all_fit_; }
  /// The same as company for sums over a block `distance` elements further on.
  template <typename Write, typename T>
  auto beside(T* out, Index distance) const {
    using Companion = std::conditional_t<Write::streamed && maps_in_order<T>, MapInOrder<F, T>, MapAlong<F, T, Write>>;
    return Companion{{f_, table_, out, distance}};
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
          const double value = f_.exact(number_at(out + offset), offset, numbers, lane);
          store(out + offset, Packet<LaneOf<T>>::all(static_cast<LaneOf<T>>(value)), Part{1});
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

}}}  // namespace tensornorm::v0::detail
