// The one element pass of the library: out = f(inputs at the element, its channel's coefficients). Normalising and the
// input's gradient are two choices of f. Coefficients are folded a channel beforehand; nothing here divides.
//
// An operation F offers
//   F::coefficients                        how many numbers a channel has
//   f(offset, coefficients, extent)        the results at the elements from `offset` on, with -, * and fma alone:
//                                          a packet; in rows, for Two, a pair, of pairs of coefficients; in runs, for
//                                          TwoMixed, a pair, of the same coefficients in all lanes
//   f.prefetch(offset)                     asks for the inputs at an element that may lie outside the tensor
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "loops.hpp"
#include "movement.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// K numbers a channel: [K][channels], or spread over the lanes of a row, [K][lanes].
template <typename Lane, int K>
struct alignas(cache_line) Coefficients {
  Lane values[K][block_lanes];
};
/// Those of an operation F on memory of type T.
template <typename F, typename T>
using CoefficientsOf = Coefficients<LaneOf<T>, F::coefficients>;

/// {make(0), ..., make(K - 1)}, unrolled at every optimisation level.
template <typename Make, std::size_t... k>
auto each_of(const Make& make, std::index_sequence<k...>) {
  using Made = decltype(make(std::integral_constant<std::size_t, 0>{}));  // which may be an array itself
  return std::array<Made, sizeof...(k)>{make(std::integral_constant<std::size_t, k>{})...};
}
template <std::size_t K, typename Make>
auto each(const Make& make) {
  return each_of(make, std::make_index_sequence<K>{});
}

/// A channel's numbers, each in all lanes of a packet.
template <typename Lane, int K>
auto of_channel(const Coefficients<Lane, K>& table, Index c) {
  return each<std::size_t{K}>([&](auto j) { return Packet<Lane>::all(table.values[j][c]); });
}
/// Those of a packet whose first `count` lanes belong to one channel, and the others to the next.
template <typename Factors>
Factors join_each(const Factors& a, Index count, const Factors& b) {
  return each<std::tuple_size_v<Factors>>([&](auto j) { return join(a[j], count, b[j]); });
}

/// Asks for the memory that a pass comes to next. A type of its own beside one that asks for nothing: in loops of so
/// few instructions even a cache line's untaken branches cost a twentieth.
struct Ask {
  Index next, next_out;  // as in Movement
  template <typename F, typename T>
  void operator()(const F& f, T* out, Index offset) const {
    if (next != 0) f.prefetch(offset + next);
    if (next_out != 0) prefetch_to_write(out + offset + next_out);
  }
};
struct AskNothing {
  template <typename F, typename T>
  void operator()(const F&, T*, Index) const {}
};

/// Rows in cache that are mapped side by side, so that coefficients are loaded once for all of them: packets of a cache
/// line. Four made SSE2 40 % faster and two made AVX2 30 %; with packets of a line, AVX-512, more than one was slower,
/// and so were two of AVX2 beyond the caches.
template <typename T>
inline constexpr Index mapped_rows = std::min<Index>(4, Index{cache_line} / Index{sizeof(Packet<LaneOf<T>>)} /
                                                            (stored_in_pairs<T> ? 2 : 1));

/// Packets of a row that is so narrow that its coefficients, K each, fit in half of the registers, and stay there for
/// all rows: in cache training of (512, 64) took a sixth less and in place a third. 0: there are too few registers, as
/// with AVX2 for more than two coefficients.
template <std::size_t K>
inline constexpr Index mapped_packets = packet_registers >= Index{8 * K} ? 4 : 0;

/// Rows of that many packets, the first of them at `begin`. Apart from other rows, as one function for both was slower.
template <typename F, typename T, typename Asking, typename Write>
[[gnu::noinline]] void map_narrow_rows(Index begin, Index rows, Index stride, const F f,
                                       const CoefficientsOf<F, T>& table, T* out, const Asking ask, const Write write) {
  using Lane = LaneOf<T>;
  constexpr Index W = width<Lane>, packets = mapped_packets<F::coefficients>;
  const auto of_lanes = each<packets>(
      [&](auto p) { return each<F::coefficients>([&](auto j) { return load<Lane>(table.values[j] + p * W); }); });
  for (Index first = begin, r = 0; r < rows; ++r, first += stride) {
    unrolled<packets>([&](auto p) {
      const Index at = first + p * W;
      ask(f, out, at);
      write(out + at, f(at, of_lanes[p], Whole{}), Whole{});
    });
  }
}

template <typename F, typename T, typename Asking, typename Write>
[[gnu::flatten]] void map_rows(const Plan& plan, const Box& box, const F f, const CoefficientsOf<F, T>& table, T* out,
                               const bool may_repeat, const Asking ask, const Write write) {
  using Lane = LaneOf<T>;
  constexpr int K = F::coefficients;
  const Index inner = plan.shape.inner, lanes = plan.fold * box.channels() * inner;
  const Index stride = plan.fold * plan.shape.channels * inner;
  const bool lane_a_channel = lanes == box.channels();  // then nothing is spread
  CoefficientsOf<F, T> spread_table;
  for (int k = 0; k < K && !lane_a_channel; ++k) {
    spread(table.values[k], box.channels(), inner, plan.fold, spread_table.values[k]);
  }
  const CoefficientsOf<F, T>& lane_table = lane_a_channel ? table : spread_table;
  const Index begin = plan.shape.offset(box.outer_begin, box.channel_begin, 0);
  const Index rows = (box.outer_end - box.outer_begin) / plan.fold;
  const Index rest = (box.outer_end - box.outer_begin) % plan.fold * box.channels() * inner;  // lanes
  auto tile = [&](Index r, auto tile_height, Index tile_lanes) {
    constexpr Index height = decltype(tile_height)::value;
    const Index first = begin + r * stride;
    auto map = [=, &lane_table](Index l, auto e) {
      const auto of_lanes = each<K>([&](auto j) { return load<Lane>(lane_table.values[j] + l, e); });
      for (Index at = first + l, k = 0; k < height; ++k, at += stride) write(out + at, f(at, of_lanes, e), e);
    };
    auto ask_for = [=](Index l) {
      for (Index at = first + l, k = 0; k < height; ++k, at += stride) ask(f, out, at);
    };
    for_each_packet_of(out + first, tile_lanes, Write::streamed, map, may_repeat, ask_for);
  };
  using Single = std::integral_constant<Index, 1>;
  Index r = 0;
  constexpr Index narrow = mapped_packets<K>;
  if constexpr (!Write::streamed && narrow != 0) {
    if (lanes == narrow * width<Lane>) {
      map_narrow_rows(begin, rows, stride, f, lane_table, out, ask, write);
      r = rows;
    }
  }
  constexpr Index height = Write::streamed ? 1 : mapped_rows<T>;  // rows may be aligned each in its own way
  for (; !plan.beyond_cache && r + height <= rows; r += height) {
    tile(r, std::integral_constant<Index, height>{}, lanes);
  }
  for (; r < rows; ++r) tile(r, Single{}, lanes);
  if (rest > 0) tile(rows, Single{}, rest);
}

/// The runs of `channels` channels that follow each other in memory from element `at` on, each longer than a packet. A
/// packet on the border of two has the numbers of both, so that none but the last ends within a packet. Eval in cache
/// of runs of 17 to 225 values takes 0.4 to 0.8 of the time so with AVX-512, 0.65 to 1.05 with AVX2, and 0.8 to 1.05 of
/// runs of 17 to 49 with SSE2. Streamed word by word, as the ends of a lone run are, eval of 32x512x7x7 takes a quarter
/// longer, of 32x2048x7x7 in half 1.6 times as long (all on Emerald Rapids).
template <typename F, typename T, typename Asking, typename Write>
[[gnu::flatten, gnu::noinline]] void map_joined_runs(Index at, Index channels, Index run, const F f,
                                                     const CoefficientsOf<F, T>& table, T* out, const Asking ask,
                                                     const Write write) {
  constexpr Index W = width<LaneOf<T>>, packets = packets_a_line<T>;
  const Index last = at + channels * run;
  const auto map = [&](const auto& factors, auto extent) { write(out + at, f(at, factors, extent), extent); };
  Index c = 0, end = at + run;  // of the present run
  auto of_run = of_channel(table, c);
  const Index head = Write::streamed ? lanes_to_alignment(out + at) : 0;
  if (head > 0) map(of_run, Part{head});
  at += head;
  auto map_packet = [&] {
    if (at + W <= end) {
      map(of_run, Whole{});
    } else {
      auto of_next = of_channel(table, ++c);
      map(join_each(of_run, end - at, of_next), Whole{});
      of_run = of_next;
      end += run;
    }
    at += W;
  };
  while (at + packets * W <= last) {
    ask(f, out, at);
    unrolled<packets>([&](auto) { map_packet(); });
  }
  while (at + W <= last) map_packet();
  if (at < last) map(of_channel(table, channels - 1), Part{last - at});
}

template <typename F, typename T, typename Asking, typename Write>
[[gnu::flatten]] void map_runs(const Plan& plan, const Box& box, const F f, const CoefficientsOf<F, T>& table, T* out,
                               const bool last_to_first, const bool may_repeat, const Asking ask, const Write write) {
  const Index run = box.inner_end - box.inner_begin, rows = box.outer_end - box.outer_begin;
  const Index channels = box.channels(), inner = plan.shape.inner;
  constexpr Index W = width<LaneOf<T>>;
  // To look for the ends of longer ones at every packet takes longer in cache: eval of runs of 729 values 1.3 times as
  // long with SSE2.
  constexpr Index longest = Write::streamed ? std::numeric_limits<Index>::max() : 4 * W * W;
  constexpr bool joins = joins_runs(sizeof(T)) || (Write::streamed && !stored_in_pairs<T>);
  const bool joined = run == inner && channels > 1 && run > W && run <= longest && run % W != 0;
  for (Index k = 0; k < rows; ++k) {
    const Index o = last_to_first ? box.outer_end - 1 - k : box.outer_begin + k;
    Index first = plan.shape.offset(o, box.channel_begin, box.inner_begin);
    if constexpr (joins) {
      if (joined) {
        map_joined_runs(first, channels, inner, f, table, out, ask, write);
        continue;
      }
    }
    for (Index c = 0; c < channels; ++c, first += inner) {
      const auto of_run = of_channel(table, c);
      auto map = [=](Index l, auto extent) {
        const auto e = mixed(extent);
        write(out + first + l, f(first + l, of_run, e), e);
      };
      auto ask_for = [=](Index l) { ask(f, out, first + l); };
      for_each_packet_of(out + first, run, Write::streamed, map, may_repeat, ask_for);
    }
  }
}

/// out = f over the box. O(values); reads what f reads, writes the box of out once.
template <typename F, typename T>
void map_box(const Plan& plan, const Box& box, const F& f, const CoefficientsOf<F, T>& table, T* out,
             const Movement& movement) {
  auto map = [&](auto asking, auto write) {
    if (plan.rows) {
      map_rows(plan, box, f, table, out, movement.may_repeat, asking, write);
    } else {
      map_runs(plan, box, f, table, out, movement.last_to_first, movement.may_repeat, asking, write);
    }
  };
  const Ask ask{movement.next, movement.next_out};
  // A map of a file's bytes may begin between two values: then no packet is ever aligned.
  const bool can_be_aligned = reinterpret_cast<std::uintptr_t>(out) % sizeof(T) == 0;
  if (movement.streamed && can_be_aligned) {
    map(ask, Streamed{});
    fence_streams();
  } else if (ask.next != 0 || ask.next_out != 0) {
    map(ask, Cached{});
  } else {
    map(AskNothing{}, Cached{});
  }
}

}}}  // namespace tensornorm::v0::detail
