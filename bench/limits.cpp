#include "limits.hpp"

#include <array>
#include <cstring>
#include <tensornorm/detail/loops.hpp>

namespace bench {
namespace {

using tensornorm::detail::Packet;

/// to = f(packet at l) over [begin, end), written by Write.
template <typename Write, typename F>
void map_range(float* to, Index begin, Index end, const F& f) {
  constexpr bool streamed = std::is_same_v<Write, tensornorm::detail::Streamed>;
  tensornorm::detail::for_each_packet_of(to + begin, end - begin, streamed, [&](Index l, auto extent) {
    Write{}(to + begin + l, f(begin + l, extent), extent);
  });
  if (streamed) tensornorm::detail::fence_streams();
}

template <typename Write>
void add(const Threads& threads, const float* a, const float* b, float* to, Index count) {
  threads.split(count, [&](Index begin, Index end) {
    map_range<Write>(to, begin, end, [&](Index l, auto extent) {
      return tensornorm::detail::load<float>(a + l, extent) + tensornorm::detail::load<float>(b + l, extent);
    });
  });
}

}  // namespace

void copy_by_memcpy(const Threads& threads, const float* from, float* to, Index count) {
  threads.split(count, [&](Index begin, Index end) {
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
  });
}

void copy_by_streams(const Threads& threads, const float* from, float* to, Index count) {
  threads.split(count, [&](Index begin, Index end) {
    map_range<tensornorm::detail::Streamed>(
        to, begin, end, [&](Index l, auto extent) { return tensornorm::detail::load<float>(from + l, extent); });
  });
}

void read_once(const Threads& threads, const float* from, Index count) {
  constexpr std::size_t chains = 8;  // sums side by side, so that additions do not wait for each other
  constexpr Index width = tensornorm::detail::width<float>, step = static_cast<Index>(chains) * width;
  threads.split(count, [&](Index begin, Index end) {
    std::array<Packet<float>, chains> sums;
    sums.fill(Packet<float>::all(0));
    for (Index l = begin; l + step <= end; l += step) {
      for (std::size_t k = 0; k < chains; ++k) {
        sums[k] = sums[k] + tensornorm::detail::load<float>(from + l + static_cast<Index>(k) * width);
      }
    }
    for (std::size_t k = 1; k < chains; ++k) sums[0] = sums[0] + sums[k];
    float lanes[static_cast<std::size_t>(width)];
    tensornorm::detail::store(lanes, sums[0]);
    asm volatile("" : : "m"(lanes));  // the sums are wanted, as far as the optimiser knows
  });
}

void add_in_caches(const Threads& threads, const float* a, const float* b, float* to, Index count) {
  add<tensornorm::detail::Cached>(threads, a, b, to, count);
}

void add_by_streams(const Threads& threads, const float* a, const float* b, float* to, Index count) {
  add<tensornorm::detail::Streamed>(threads, a, b, to, count);
}

}  // namespace bench
