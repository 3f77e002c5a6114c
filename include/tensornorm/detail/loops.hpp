// Loops over contiguous lanes. The remainder that does not fill a packet is handled here and nowhere else: a kernel is
// a lambda that takes a position and an extent (Whole, Part or Two) and passes the extent on to load and store.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "packet_pair.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

// Functions that loop over the numbers of channels are flattened: g++ 12 made a call of each loop, and kept its
// operands in memory, which took a tenth of a small layer's time.

/// body(l, extent) for l = begin, begin + width, ..., covering the lanes [begin, lanes): once or, if `may_repeat`
/// allows it, some of the last ones twice, so that the last packet is a whole one too. `in_pairs`: two packets at once
/// as long as there are two.
template <typename Lane, bool in_pairs = false, typename Body>
void for_each_packet(Index lanes, Body&& body, bool may_repeat = false, Index begin = 0) {
  constexpr Index W = width<Lane>;
  Index l = begin;
  if constexpr (in_pairs) {
    for (; l + 2 * W <= lanes; l += 2 * W) body(l, Two{});
  }
  for (; l + W <= lanes; l += W) body(l, Whole{});
  if (l < lanes) {
    if (may_repeat && lanes >= W) {
      body(lanes - W, Whole{});
    } else {
      body(l, Part{lanes - l});
    }
  }
}

/// Where a loop's results go: into the caches as usual, or past them.
struct Cached {
  static constexpr bool streamed = false;
  template <typename T, typename Lanes, typename Extent>
  void operator()(T* p, Lanes lanes, Extent extent) const {
    store(p, lanes, extent);
  }
};
struct Streamed {
  static constexpr bool streamed = true;
  template <typename T, typename Lanes, typename Extent>
  void operator()(T* p, Lanes lanes, Extent extent) const {
    stream(p, lanes, extent);
  }
};

/// Bytes of memory of type T that loops store at once, a packet or a pair. What is streamed is aligned to as many.
template <typename T>
inline constexpr std::uintptr_t bytes_at_once = std::uintptr_t{width<LaneOf<T>>} * sizeof(T) *
                                                (stored_in_pairs<T> ? 2 : 1);

/// How many of those, in a cache line, loops store in turn: four at most. Unrolled as these are, eval in cache took up
/// to a quarter less of half, and a fifth less of floats with SSE2 and of bfloat16.
template <typename T>
inline constexpr Index packets_a_line = std::clamp<Index>(Index{cache_line / bytes_at_once<T>}, 1, 4);

/// act(0), ..., act(K - 1), unrolled at every optimisation level.
template <typename Act, std::size_t... k>
void unrolled_over(const Act& act, std::index_sequence<k...>) {
  (act(std::integral_constant<Index, Index{k}>{}), ...);
}
template <std::size_t K, typename Act>
void unrolled(const Act& act) {
  unrolled_over(act, std::make_index_sequence<K>{});
}

/// What is to be done before the packets of a line: nothing.
struct NothingALine {
  void operator()(Index) const {}
};

/// for_each_packet() over the lanes [begin, lanes) of memory of type T, in pairs where those are stored faster. line(l)
/// comes before the packets, or pairs, of each cache line, or of a part of it.
template <typename T, typename Body, typename Line>
void for_each_line(Index lanes, Body&& body, bool may_repeat, Index begin, Line&& line) {
  using Lane = LaneOf<T>;
  using Extent = std::conditional_t<stored_in_pairs<T>, Two, Whole>;
  constexpr auto at_once = static_cast<Index>(bytes_at_once<T> / sizeof(T));
  constexpr Index packets = packets_a_line<T>, step = packets * at_once;
  Index l = begin;
  for (; l + step <= lanes; l += step) {
    line(l);
    unrolled<packets>([&](auto p) { body(l + p * at_once, Extent{}); });
  }
  if (l == lanes) return;
  line(l);
  for_each_packet<Lane, stored_in_pairs<T>>(lanes, body, may_repeat, l);
}

/// Lanes before the first place from y on that is aligned to a packet.
template <typename T>
Index lanes_to_alignment(const T* y) {
  constexpr auto packet_bytes = static_cast<std::uintptr_t>(width<LaneOf<T>>) * sizeof(T);
  const auto past = reinterpret_cast<std::uintptr_t>(y) % packet_bytes;
  return past == 0 ? 0 : static_cast<Index>((packet_bytes - past) / sizeof(T));
}

/// for_each_line() over `lanes` lanes that are written to y: when `streamed`, such that whole packets and pairs start
/// where y is aligned.
template <typename T, typename Body, typename Line = NothingALine>
void for_each_packet_of(const T* y, Index lanes, bool streamed, Body&& body, bool may_repeat = false,
                        Line&& line = NothingALine{}) {
  using Lane = LaneOf<T>;
  Index head = 0;
  if (streamed) {
    head = std::min(lanes_to_alignment(y), lanes);
    if (head > 0) {
      line(Index{0});
      body(Index{0}, Part{head});
    }
    if constexpr (stored_in_pairs<T>) {
      const bool aligned = reinterpret_cast<std::uintptr_t>(y + head) % bytes_at_once<T> == 0;
      if (!aligned && head + width<Lane> <= lanes) {
        line(head);
        body(head, Whole{});
        head += width<Lane>;
      }
    }
  }
  for_each_line<T>(lanes, body, may_repeat, head, line);
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

}}}  // namespace tensornorm::v0::detail
