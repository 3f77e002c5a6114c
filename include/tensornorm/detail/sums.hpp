// The one reduction of the library: for every channel of a box, the sum of u and the sum of u*v, where u and v are made
// from the values at an element. Statistics and backward are two choices of (u, v).
//
// All sums are taken in lanes of double, whatever memory holds. A product of two floats is exact there and in range,
// and 29 bits are spare, so rounding errors of float values do not depend on the values, which may repeat or lie far
// apart. (Float lanes were up to a half faster, and lost promised digits where a few values come again and again. Of
// half and bfloat16 even sums of eight values in float would save up to a half of a pass, but neither statistics
// nor outputs would be those of the same values as floats.) Chains of additions are short nevertheless, for the sake of
// doubles; and see totals.hpp.
//
// The order of every sum depends on the shape alone, and is the same in every lane, so neither a channel's place nor
// the alignment of a pointer changes a bit.
#pragma once

#include "totals.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

// `Terms` names the tensors that are read, Terms::inputs of them, of Terms::Value, and says whether Terms::keeps_rest,
// and of which sums, as in totals.hpp: terms.u(offset, centre, extent) and terms.v(u, offset, centre, extent) are the
// factors at the elements from `offset` on, centre being their channels' number (a pivot, a mean).

/// The factors down a column: at rows `stride` apart from offset `first` on. Lanes beyond a Part add nothing.
template <typename Terms, typename Extent>
struct Column {
  using Value = typename Terms::Value;
  static constexpr Index inputs = Terms::inputs, line = line_values<Terms>;

  const Terms& terms;
  Index first, stride;
  Packet<double> centre;
  Extent extent;

  Index offset(Index row) const { return first + row * stride; }
  Packet<double> u(Index row) const { return keep(terms.u(offset(row), centre, extent), extent); }
  Packet<double> v(Index row, Packet<double> u) const { return terms.v(u, offset(row), centre, extent); }
};

// In what follows, centre: double [channels of the box].

// sum_rows, sum_short_runs and sum_long_runs are not inlined into their one or two callers, where g++ 12 keeps what
// their loops need in memory: statistics of 4x32x28x28 took a twentieth longer.

template <typename Walk, typename Asking, typename Terms>
[[gnu::flatten, gnu::noinline]] void sum_rows(const Plan& plan, const Box& box, const Terms& terms,
                                              const double* centre, ChannelSums& sums) {
  const Index inner = plan.shape.inner, channels = box.channels(), lanes = plan.fold * channels * inner;
  const bool lane_a_channel = lanes == channels;  // then nothing is spread, and nothing gathered
  alignas(cache_line) double spread_centre[block_lanes];
  ChannelSums lane_sums;  // [fold, channels, inner]
  ChannelSums& into = lane_a_channel ? sums : lane_sums;
  if (!lane_a_channel) spread(centre, channels, inner, plan.fold, spread_centre);
  const double* const lane_centre = lane_a_channel ? centre : spread_centre;
  LaneTotals<Terms> totals(into, lanes);

  const Index stride = plan.fold * plan.shape.channels * inner;
  const auto patch = [&](Index outer, Index rows, Index patch_lanes) {
    const Index first = plan.shape.offset(outer, box.channel_begin, 0);
    const auto column_at = [&](Index l, auto extent) {
      return Column<Terms, decltype(extent)>{terms, first + l, stride, load<double>(lane_centre + l, extent), extent};
    };
    const auto add = [&](Index, Index, Index l, const PacketSums& s) { totals.add(l, s); };
    sum_patch(Walk{}, rows, patch_lanes, ahead_of_rows<Asking, Terms>(stride, patch_lanes), column_at, add);
  };
  const Index rows = (box.outer_end - box.outer_begin) / plan.fold;
  const Index rest = (box.outer_end - box.outer_begin) % plan.fold;
  patch(box.outer_begin, rows, lanes);
  if (rest > 0) patch(box.outer_end - rest, 1, rest * channels * inner);
  totals.finish();
  if (lane_a_channel) return;
  gather<Terms>(lane_sums.u, channels, inner, plan.fold, sums.u);
  gather<Terms>(lane_sums.uv, channels, inner, plan.fold, sums.uv);
}

// A run is summed in pieces, and the pieces in turn, so that double rounds less: of values of double neither a piece
// nor a chunk of pieces is a chain of more than 256 additions, all of which may round the same way.
/// A run this long is cut into tiles of its own; shorter ones share tiles with the same channel's next ones. Of two
/// bytes with AVX-512 those are longer: training and backward of 14x14 took up to 1.15 times as long otherwise.
template <typename T>
inline constexpr Index long_run = sizeof(T) == 2 ? 32 * std::max(width<double>, Index{4}) : 128;
template <typename T>
inline constexpr Index piece_values = tile_rows* long_run<T>;
/// Channels whose short runs are summed in turn, row after row: their runs are neighbours in memory, and together long
/// enough for the hardware's prefetchers (32x256x14x14: an eighth faster).
inline constexpr Index neighbours = 32;

/// What keeps sums company: nothing. Others do some other work, about as large. companion.begin(plan, box) has
///   of_channel(c)    a functor (offset, count) for channel c of the box, called when the elements [offset, offset +
///                    count) of a long run of it have been summed, or `count` of short ones
///   finish()         called when all have been
/// See companions.hpp.
struct Alone {
  static constexpr bool in_any_order = true;  // whether it keeps short runs company, too

  const Alone& begin(const Plan&, const Box&) const { return *this; }
  auto of_channel(Index) const {
    return [](Index /*offset*/, Index /*count*/) {};
  }
  void finish() const {}
};

/// Sums over a piece of one channel, of any rows `stride` apart. beside(row, values) is called after each packet of
/// each tile of rows.
template <typename Terms, typename Asking, typename Beside>
PacketSums sum_piece(const Terms& terms, double centre, Index first, Index rows, Index lanes, Index stride,
                     const Asking& ahead, const Beside& beside) {
  auto centres = Packet<double>::all(centre);
  Total<Terms> total;
  sum_patch(
      ByPackets{}, rows, lanes, ahead,
      [&](Index l, auto extent) {
        return Column<Terms, decltype(extent)>{terms, first + l, stride, centres, extent};
      },
      [&](Index row, Index height, Index l, const PacketSums& s) {
        total.add(s);
        beside(row, height * std::min(width<double>, lanes - l));
      });
  return total.sum();
}

template <typename Asking, typename Terms, typename Companion>
[[gnu::flatten, gnu::noinline]] void sum_short_runs(const Plan& plan, const Box& box, const Terms& terms,
                                                    const double* centre, const Asking& ahead, ChannelSums& sums,
                                                    const Companion companion) {
  const Index run = box.inner_end - box.inner_begin, stride = plan.shape.channels * plan.shape.inner;
  const Index step = std::max(tile_rows, round_down(piece_values<typename Terms::Value> / run, tile_rows));
  decltype(auto) company = companion.begin(plan, box);
  constexpr Index W = width<double>;
  static_assert(neighbours % W == 0);
  for (Index group = 0; group < box.channels(); group += neighbours) {
    const Index end = std::min(group + neighbours, box.channels());
    Total<Terms> totals[neighbours];
    for (Index o = box.outer_begin; o < box.outer_end; o += step) {
      const Index rows = std::min(step, box.outer_end - o);
      for (Index c = group; c < end; ++c) {
        const Index first = plan.shape.offset(o, box.channel_begin + c, box.inner_begin);
        const auto beside = company.of_channel(c);
        totals[c - group].add(sum_piece(terms, centre[c], first, rows, run, stride, ahead,
                                        [&](Index, Index values) { beside(first, values); }));
      }
    }
    for (Index c = group; c < end; c += W) {
      LanesOfChannels of_channels(W);
      for (Index k = 0; k < W; ++k) of_channels.set(k, totals[c - group + k].sum());
      sums.set(c, of_channels);
    }
  }
  company.finish();
}

/// Adds the sums over the run at [first, first + length) of one channel to `total`.
template <typename Terms, typename Asking, typename Beside>
void add_run(const Terms& terms, double centre, Index first, Index length, const Asking& ahead, const Beside& beside,
             Total<Terms>& total) {
  constexpr Index W = width<double>, piece = piece_values<typename Terms::Value>;
  for (Index end = first + length, at = first; at < end; at += piece) {
    const Index count = std::min(end - at, piece), whole = round_down(count, W);
    PacketSums sum = sum_piece(terms, centre, at, count / W, W, W, ahead,
                               [&](Index row, Index values) { beside(at + row * W, values); });
    if (whole < count) {
      sum = sum + sum_piece(terms, centre, at + whole, 1, count - whole, 0, ahead,
                            [&](Index, Index values) { beside(at + whole, values); });
    }
    total.add(sum);  // once a piece: there may be hundreds
  }
}

template <typename Asking, typename Terms, typename Companion>
[[gnu::flatten, gnu::noinline]] void sum_long_runs(const Plan& plan, const Box& box, const Terms terms,
                                                   const double* centre, ChannelSums& sums, const Companion companion) {
  const Index length = box.inner_end - box.inner_begin, channels = box.channels();
  const Index rows = box.outer_end - box.outer_begin, stride = plan.shape.channels * plan.shape.inner;
  Index of_channel = plan.shape.offset(box.outer_begin, box.channel_begin, box.inner_begin);
  decltype(auto) company = companion.begin(plan, box);
  for (Index group = 0; group < channels; group += width<double>) {
    const Index end = std::min(group + width<double>, channels);
    LanesOfChannels totals(end - group);
    for (Index c = group; c < end; ++c, of_channel += plan.shape.inner) {
      const auto beside = company.of_channel(c);
      Total<Terms> total;
      Index first = of_channel;
      for (Index r = 0; r < rows; ++r, first += stride) {
        const auto ahead = ahead_of_run<Asking, Terms>(plan.shape, box, r, first);
        add_run(terms, centre[c], first, length, ahead, beside, total);
      }
      totals.set(c - group, total.sum());
    }
    sums.set(group, totals);
  }
  company.finish();
}

template <typename Terms, typename Companion>
void sum_runs(const Plan& plan, const Box& box, const Terms& terms, const double* centre, ChannelSums& sums,
              const Companion& companion) {
  const Index run = box.inner_end - box.inner_begin;
  if (box.outer_end - box.outer_begin > 1 && run < long_run<typename Terms::Value>) {
    const auto fitting = [&] {
      if constexpr (Companion::in_any_order) {
        return companion;
      } else {
        return Alone{};
      }
    }();
    if (!plan.beyond_cache) return sum_short_runs(plan, box, terms, centre, NothingAhead{}, sums, fitting);
    // One input: the next block, both are in L2 then. With two, both blocks would not fit: what comes next in this one.
    const Index row = plan.shape.channels * plan.shape.inner;
    const Index next = Terms::inputs > 1 ? run_ahead[2] : plan.block_channels * plan.shape.inner;
    sum_short_runs(plan, box, terms, centre, TileAhead{next, run, row - run}, sums, fitting);
  } else {
    // Two inputs in company are always asked for. They nearly fill the last cache at least, and compilers are spared a
    // kind of loop.
    constexpr bool always = Terms::inputs > 1 && !std::is_same_v<Companion, Alone>;
    if (always || plan.beyond_cache) {
      sum_long_runs<RunAhead>(plan, box, terms, centre, sums, companion);
    } else if constexpr (!always) {
      sum_long_runs<NothingAhead>(plan, box, terms, centre, sums, companion);
    }
  }
}

/// Whether rows in cache are summed strip by strip: narrow ones, and those of two inputs that lie whole pages apart. A
/// tile of the latter wants one set of the first cache to hold 16 lines, more than it can, so that packets would load
/// each again and again: backward of (1024, 1024) takes a quarter less so.
template <typename Terms>
bool sums_by_strips(const Plan& plan) {
  const Index stride = plan.fold * plan.shape.channels * plan.shape.inner;
  const bool pages = stride * Index{sizeof(typename Terms::Value)} % page_bytes == 0;
  return plan.fold * plan.block_channels * plan.shape.inner <= narrow_lanes || (Terms::inputs > 1 && pages);
}

/// Sums over every channel of the box; order fixed by the shape.
template <typename Terms, typename Companion = Alone>
void sum_box(const Plan& plan, const Box& box, const Terms& terms, const double* centre, ChannelSums& sums,
             const Companion& companion = {}) {
  if (!plan.rows) return sum_runs(plan, box, terms, centre, sums, companion);
  if (plan.beyond_cache) {
    if (plan.blocks == 1) return sum_rows<ByStrips, StripAhead>(plan, box, terms, centre, sums);
    return sum_rows<ByStrips, TileAhead>(plan, box, terms, centre, sums);
  }
  if (sums_by_strips<Terms>(plan)) return sum_rows<ByStrips, NothingAhead>(plan, box, terms, centre, sums);
  sum_rows<ByPackets, NothingAhead>(plan, box, terms, centre, sums);
}

}}}  // namespace tensornorm::v0::detail
