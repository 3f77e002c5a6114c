// The one reduction of the library: for every channel of a box, the sum of u and the sum of u*v, where u and v are made
// from the values at an element. Statistics and backward are two choices of (u, v).
//
// u and u*v are added pairwise over `Flush` packets in lanes of type Lane, then in double. Rounding errors of float lanes
// so stay those of a sum of Flush terms, and average out over the rest; see statistics.hpp and backward.hpp for the
// bounds. The order of every sum depends on the shape alone, and is the same in every lane, so neither a channel's place
// nor the alignment of a pointer changes a bit.
#pragma once

#include <array>

#include "loops.hpp"
#include "traversal.hpp"

namespace tensornorm::detail {

/// Sum of u and of u*v, a channel: double [channels] each.
struct ChannelSums {
  double u[block_lanes];
  double uv[block_lanes];
};

template <typename Lane>
struct Factors {
  Packet<Lane> u, v;
};
template <typename Lane>
struct PacketSums {
  Packet<Lane> u, uv;
};
template <typename Lane>
struct WideSums {
  Wide<Lane> u, uv;
  friend WideSums operator+(const WideSums& a, const WideSums& b) { return {a.u + b.u, a.uv + b.uv}; }
};

/// A channel number for every lane of a row: one value for all (runs), or one a lane (rows).
template <typename Lane>
struct OneForAll {
  Packet<Lane> value;
  Packet<Lane> operator()(Index) const { return value; }
};
template <typename Lane>
struct OneALane {
  const Lane* values;  // [lanes], readable up to a whole packet past the last
  Packet<Lane> operator()(Index lane) const { return load<Lane>(values + lane); }
};

/// Pairwise sums over `Rows` rows, from row r on.
template <int Rows, typename Lane, typename Term>
PacketSums<Lane> sum_in_lanes(const Term& term, Index r) {
  if constexpr (Rows == 1) {
    const Factors<Lane> a = term(r);
    return {a.u, a.u * a.v};
  } else if constexpr (Rows == 2) {
    const Factors<Lane> a = term(r), b = term(r + 1);
    return {a.u + b.u, fma(b.u, b.v, a.u * a.v)};
  } else {
    const PacketSums<Lane> a = sum_in_lanes<Rows / 2, Lane>(term, r), b = sum_in_lanes<Rows / 2, Lane>(term, r + Rows / 2);
    return {a.u + b.u, a.uv + b.uv};
  }
}

template <int Rows, int Flush, typename Lane, typename Term>
WideSums<Lane> sum_column(const Term& term, Index r) {
  if constexpr (Rows <= Flush) {
    const PacketSums<Lane> sums = sum_in_lanes<Rows, Lane>(term, r);
    return {widen(sums.u), widen(sums.uv)};
  } else {
    return sum_column<Rows / 2, Flush, Lane>(term, r) + sum_column<Rows / 2, Flush, Lane>(term, r + Rows / 2);
  }
}

/// Sums over `rows` rows of `lanes` lanes each: add(lane, sums) for every packet of lanes of every tile of rows.
/// term(row, lane, extent) gives the factors; those beyond a Part must be zero in u if add() merges lanes.
template <int Flush, typename Lane, typename Term, typename Add>
void sum_patch(Index rows, Index lanes, const Term& term, const Add& add) {
  const auto tile = [&](Index r, auto tile_height) {
    constexpr int height = decltype(tile_height)::value;
    for_each_packet<Lane>(lanes, [&](Index l, auto extent) {
      add(l, sum_column<height, Flush, Lane>([&](Index row) { return term(row, l, extent); }, r));
    });
  };
  Index r = 0;
  for (; r + tile_rows <= rows; r += tile_rows) tile(r, std::integral_constant<int, tile_rows>{});
  static_assert(tile_rows == 8, "the remainder below counts 4, 2, 1");
  if (rows - r >= 4) tile(r, std::integral_constant<int, 4>{}), r += 4;
  if (rows - r >= 2) tile(r, std::integral_constant<int, 2>{}), r += 2;
  if (rows - r >= 1) tile(r, std::integral_constant<int, 1>{});
}

/// Repeats a number a channel over the lanes of a row: [channels] -> [fold, channels, inner].
template <typename Lane>
void spread(const Lane* a_channel, Index channels, Index inner, Index fold, Lane* a_lane) {
  for (Index f = 0; f < fold; ++f) {
    if (inner == 1) {
      std::copy_n(a_channel, channels, a_lane + f * channels);
    } else {
      for (Index c = 0; c < channels; ++c) std::fill_n(a_lane + (f * channels + c) * inner, inner, a_channel[c]);
    }
  }
}

/// Adds lanes up into channels: [fold, channels, inner] -> [channels].
inline void gather(const double* a_lane, Index channels, Index inner, Index fold, double* a_channel) {
  for (Index c = 0; c < channels; ++c) a_channel[c] = 0;
  for (Index f = 0; f < fold; ++f) {
    for (Index c = 0; c < channels; ++c) {
      const double* lanes = a_lane + (f * channels + c) * inner;
      if (inner == 1) {
        a_channel[c] += *lanes;
      } else {
        Packet<double> sum = Packet<double>::all(0);
        for_each_packet<double>(inner, [&](Index l, auto extent) { sum = sum + load<double>(lanes + l, extent); });
        a_channel[c] += reduce_add(sum);
      }
    }
  }
}

// `Terms` names the tensors that are read: terms.factors(offset, centre, extent) are the factors at the elements from
// `offset` on, centre being their channels' number (a pivot, a mean). centre: Lane [channels of the box].

template <int Flush, typename Lane, typename Terms>
[[gnu::flatten]] void sum_rows(const Plan& plan, const Box& box, const Terms& terms, const Lane* centre, ChannelSums& sums) {
  constexpr Index room = block_lanes + width<float>;
  Lane lane_centre[room];
  double u[room], uv[room];  // [fold, channels, inner]
  const Index inner = plan.shape.inner, lanes = plan.fold * box.channels() * inner;
  spread(centre, box.channels(), inner, plan.fold, lane_centre);
  std::fill_n(u, lanes + width<Lane>, 0.0);
  std::fill_n(uv, lanes + width<Lane>, 0.0);

  const auto patch = [&](Index outer, Index rows, Index patch_lanes) {
    const Index first = plan.shape.offset(outer, box.channel_begin, 0);
    const Index stride = plan.fold * plan.shape.channels * inner;
    const OneALane<Lane> centres{lane_centre};
    sum_patch<Flush, Lane>(
        rows, patch_lanes,
        [&](Index r, Index l, auto extent) { return terms.template factors<Lane>(first + r * stride + l, centres(l), extent); },
        [&](Index l, const WideSums<Lane>& s) {
          (Wide<Lane>::load_from(u + l) + s.u).store_to(u + l);
          (Wide<Lane>::load_from(uv + l) + s.uv).store_to(uv + l);
        });
  };
  const Index rows = (box.outer_end - box.outer_begin) / plan.fold;
  const Index rest = (box.outer_end - box.outer_begin) % plan.fold;
  patch(box.outer_begin, rows, lanes);
  if (rest > 0) patch(box.outer_end - rest, 1, rest * box.channels() * inner);

  gather(u, box.channels(), inner, plan.fold, sums.u);
  gather(uv, box.channels(), inner, plan.fold, sums.uv);
}

inline constexpr Index long_run = 512;  // from here on a run is tiled by itself, not together with its neighbours

template <int Flush, typename Lane, typename Terms>
[[gnu::flatten]] void sum_runs(const Plan& plan, const Box& box, const Terms& terms, const Lane* centre, ChannelSums& sums) {
  const Index run = box.inner_end - box.inner_begin, rows = box.outer_end - box.outer_begin;
  for (Index c = 0; c < box.channels(); ++c) {
    const OneForAll<Lane> channel_centre{Packet<Lane>::all(centre[c])};
    WideSums<Lane> total{Wide<Lane>::zero(), Wide<Lane>::zero()};
    const auto patch = [&](Index first, Index patch_rows, Index lanes, Index stride) {
      sum_patch<Flush, Lane>(
          patch_rows, lanes,
          [&](Index r, Index l, auto extent) {
            Factors<Lane> f = terms.template factors<Lane>(first + r * stride + l, channel_centre(l), extent);
            return Factors<Lane>{keep(f.u, extent), f.v};
          },
          [&](Index, const WideSums<Lane>& s) { total = total + s; });
    };
    const Index first = plan.shape.offset(box.outer_begin, box.channel_begin + c, box.inner_begin);
    const Index stride = plan.shape.channels * plan.shape.inner;
    if (run < long_run && rows > 1) {
      patch(first, rows, run, stride);
    } else {
      constexpr Index W = width<Lane>;
      const Index whole = round_down(run, W);
      for (Index r = 0; r < rows; ++r) {
        patch(first + r * stride, run / W, W, W);
        if (whole < run) patch(first + r * stride + whole, 1, run - whole, 0);
      }
    }
    sums.u[c] = reduce_add(total.u);
    sums.uv[c] = reduce_add(total.uv);
  }
}

/// Sums over every channel of the box; order fixed by the shape.
template <int Flush, typename Lane, typename Terms>
void sum_box(const Plan& plan, const Box& box, const Terms& terms, const Lane* centre, ChannelSums& sums) {
  if (plan.rows) {
    sum_rows<Flush, Lane>(plan, box, terms, centre, sums);
  } else {
    sum_runs<Flush, Lane>(plan, box, terms, centre, sums);
  }
}

}  // namespace tensornorm::detail
