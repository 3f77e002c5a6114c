// detail/loops.hpp: every lane once and in order, in pairs of packets and whole packets as far as they go, aligned
// where they are streamed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <tensornorm/detail/loops.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/fenced.hpp"

namespace {

using namespace tensornorm::detail;
using tn_test::bits;
using tn_test::Fenced;

/// The steps of a loop: where each began, how many lanes it covered, and in how many packets; 0: a part of one.
struct Step {
  Index begin, count, packets;
};

template <typename Lane>
struct Steps {
  std::vector<Step> all;
  void operator()(Index l, Whole) { all.push_back({l, width<Lane>, 1}); }
  void operator()(Index l, Two) { all.push_back({l, 2 * width<Lane>, 2}); }
  void operator()(Index l, Part part) { all.push_back({l, part.count, 0}); }

  /// Whether the steps follow each other from 0 to `lanes`, parts being smaller than a packet and not empty.
  bool cover(Index lanes) const {
    Index next = 0;
    for (const Step& step : all) {
      if (step.begin != next || step.count < 1 || (step.packets == 0 && step.count >= width<Lane>)) return false;
      next += step.count;
    }
    return next == lanes;
  }
  Index count(Index packets) const {
    return std::count_if(all.begin(), all.end(), [=](const Step& step) { return step.packets == packets; });
  }
  Index parts() const { return count(0); }
};

template <typename Lane, bool in_pairs>
void check_packets() {
  for (Index lanes = 0; lanes <= 4 * width<Lane> + 3; ++lanes) {
    CAPTURE(lanes);
    Steps<Lane> steps;
    for_each_packet<Lane, in_pairs>(lanes, steps);
    CHECK(steps.cover(lanes));
    CHECK(steps.parts() == (lanes % width<Lane> == 0 ? 0 : 1));
    CHECK(steps.count(2) == (in_pairs ? lanes / (2 * width<Lane>) : 0));
    CHECK((steps.all.empty() || steps.parts() == 0 || steps.all.back().packets == 0));
  }
}

/// A loop that may visit lanes again: whole packets alone where one fits, the last of which ends with the last lane.
template <typename Lane>
void check_packets_again() {
  constexpr Index W = width<Lane>;
  for (Index lanes = 0; lanes <= 4 * W + 3; ++lanes) {
    CAPTURE(lanes);
    Steps<Lane> once, again;
    for_each_packet<Lane>(lanes, once);
    for_each_packet<Lane>(lanes, again, true);
    REQUIRE(again.all.size() == once.all.size());
    if (lanes < W) {
      CHECK(again.cover(lanes));
      continue;
    }
    CHECK(again.parts() == 0);
    for (std::size_t i = 0; i + 1 < again.all.size(); ++i) CHECK(again.all[i].begin == once.all[i].begin);
    CHECK(again.all.back().begin == lanes - W);
  }
}

template <typename T>
void check_output_packets() {
  using Lane = LaneOf<T>;
  constexpr std::size_t packet_bytes = static_cast<std::size_t>(width<Lane>) * sizeof(T);
  Fenced<T> memory(256);
  for (Index lanes = 0; lanes <= 4 * width<Lane> + 3; ++lanes) {
    for (Index offset = 0; offset < 16; ++offset) {
      CAPTURE(lanes);
      CAPTURE(offset);
      T* const y = memory.place(lanes, offset);
      Steps<Lane> cached, streamed;
      for_each_packet_of(y, lanes, false, cached);
      CHECK(cached.cover(lanes));
      CHECK(cached.parts() == (lanes % width<Lane> == 0 ? 0 : 1));
      for_each_packet_of(y, lanes, true, streamed);
      CHECK(streamed.cover(lanes));
      CHECK(streamed.parts() <= 2);
      bool aligned = true;
      for (const Step& step : streamed.all) {
        const auto place = reinterpret_cast<std::uintptr_t>(y + step.begin);
        aligned =
            aligned && (step.packets == 0 || place % (static_cast<std::size_t>(step.packets) * packet_bytes) == 0);
      }
      CHECK(aligned);
      // A head no longer than it must be: whole packets are as many as there is room for.
      const Index head = (width<Lane> - offset % width<Lane>) % width<Lane>;
      const Index room = lanes > head ? (lanes - head) / width<Lane> : 0;
      CHECK(streamed.count(1) + 2 * streamed.count(2) == room);
      CHECK(streamed.count(1) <= (stored_in_pairs<T> ? 2 : room));
    }
  }
}

/// line(l) comes before the packets from l on, once for as many lanes as a cache line holds, or four
/// packets or pairs have.
template <typename T>
void check_lines() {
  using Lane = LaneOf<T>;
  constexpr Index W = width<Lane>;
  constexpr Index at_once = stored_in_pairs<T> ? 2 * W : W;
  constexpr Index apart = std::min(std::max(at_once, Index{64} / Index{sizeof(T)}), 4 * at_once);
  Fenced<T> memory(512);
  for (Index lanes = 0; lanes <= 4 * apart + W + 3; ++lanes) {
    for (Index offset = 0; offset < 2 * 16; ++offset) {
      const bool streamed = offset % 2 == 1;
      CAPTURE(lanes);
      CAPTURE(offset);
      T* const y = memory.place(lanes, offset / 2);
      Steps<Lane> steps;
      std::vector<Index> lines;
      int early = 0;
      const auto line = [&](Index l) { lines.push_back(l); };
      const auto body = [&](Index l, auto extent) {
        early += lines.empty() || l < lines.back() || l >= lines.back() + apart;
        steps(l, extent);
      };
      for_each_packet_of(y, lanes, streamed, body, false, line);
      CHECK(steps.cover(lanes));
      CHECK(early == 0);
      const auto begins_a_line = [&](const Step& step) {
        return std::count(lines.begin(), lines.end(), step.begin) == 1;
      };
      const Index most = (lanes + apart - 1) / apart + (streamed ? 2 : 0);  // a head, and a packet that aligns pairs
      CHECK(static_cast<Index>(lines.size()) <= most);
      CHECK((steps.all.empty() || begins_a_line(steps.all.front())));
    }
  }
}

template <typename T, typename Write>
void check_writes(const Write& write) {
  using Lane = LaneOf<T>;
  Fenced<T> memory(256);
  for (Index lanes = 1; lanes <= 4 * width<Lane> + 3; ++lanes) {
    for (Index offset = 0; offset < 16; ++offset) {
      std::vector<Lane> values(static_cast<std::size_t>(lanes));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Lane>(i + 1);
      T* const y = memory.place(lanes, offset);
      for_each_packet_of(y, lanes, Write::streamed,
                         [&](Index l, auto extent) { write(y + l, load<Lane>(values.data() + l, extent), extent); });
      fence_streams();
      int wrong = memory.clean() ? 0 : 1;
      for (Index i = 0; i < lanes; ++i)
        wrong += bits(y[i]) != bits(static_cast<T>(values[static_cast<std::size_t>(i)]));
      CHECK(wrong == 0);
    }
  }
}

template <typename T>
void check_both_writes() {
  check_writes<T>(Cached{});
  check_writes<T>(Streamed{});
}

}  // namespace

TEST_CASE("loops: packets cover every lane once") {
  check_packets<float, false>();
  check_packets<float, true>();
  check_packets<double, false>();
  check_packets<double, true>();
}

TEST_CASE("loops: the last packet is a whole one where lanes may be visited again") {
  check_packets_again<float>();
  check_packets_again<double>();
}

TEST_CASE("loops: packets that are streamed start where the output is aligned") {
  check_output_packets<float>();
  check_output_packets<double>();
  check_output_packets<Eigen::half>();
  check_output_packets<Eigen::bfloat16>();
}

TEST_CASE("loops: a line is announced once, before its packets") {
  check_lines<float>();
  check_lines<double>();
  check_lines<Eigen::half>();
  check_lines<Eigen::bfloat16>();
}

TEST_CASE("loops: what is written is there, cached or streamed, and nothing beside it") {
  check_both_writes<float>();
  check_both_writes<double>();
  check_both_writes<Eigen::half>();
  check_both_writes<Eigen::bfloat16>();
}
