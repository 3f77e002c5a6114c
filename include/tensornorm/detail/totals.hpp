// Sums of sums: those of tiles (patch.hpp) added up in registers or in memory, and lanes added up into channels.
//
// Doubles have no bits to spare, and in a chain of additions of a few values that come again and again all may round
// the same way. So what is rounded off can be added up too, as Terms::keeps_rest says: sums over thousands of tiles are
// then as good as those of one. Terms::keeps_rest_of_u: not only that of u*v, but that of u as well.
#pragma once

#include "patch.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// What a + b rounds off (Knuth, The Art of Computer Programming 2, section 4.2.2). NaN where the sum is infinite.
inline Packet<double> rest_of(Packet<double> a, Packet<double> b) {
  const Packet<double> sum = a + b, of_b = sum - a, of_a = sum - of_b;
  return (a - of_a) + (b - of_b);
}
inline double rest_of(double a, double b) {
  const double sum = as_written(a + b), of_b = as_written(sum - a), of_a = as_written(sum - of_b);
  return as_written(a - of_a) + as_written(b - of_b);
}

/// Adds to `rest` what sum + more rounds off, of both sums or, where Terms say so, of u*v alone.
template <typename Terms>
void add_rest(const PacketSums& sum, const PacketSums& more, PacketSums& rest) {
  if constexpr (Terms::keeps_rest_of_u) rest.u = rest.u + rest_of(sum.u, more.u);
  rest.uv = rest.uv + rest_of(sum.uv, more.uv);
}

/// The sums with what was rounded off on the way, as far as that was kept.
template <typename Terms>
PacketSums with_rest(PacketSums sum, const PacketSums& rest) {
  if constexpr (Terms::keeps_rest_of_u) sum.u = sum.u + finite_or_zero(rest.u);
  sum.uv = sum.uv + finite_or_zero(rest.uv);
  return sum;
}

/// Adds up sums of Terms.
template <typename Terms>
class Total {
 public:
  void add(const PacketSums& more) {
    if constexpr (Terms::keeps_rest) add_rest<Terms>(sum_, more, rest_);
    sum_ = sum_ + more;
  }
  PacketSums sum() const {
    if constexpr (Terms::keeps_rest) return with_rest<Terms>(sum_, rest_);
    return sum_;
  }

 private:
  PacketSums sum_ = PacketSums::zero(), rest_ = PacketSums::zero();
};

/// The sums of a packet of channels, still in lanes.
struct LanesOfChannels {
  Packet<double> u[width<double>], uv[width<double>];

  /// Zeros, but for the first ones, `to_set` of them, which are to be set.
  explicit LanesOfChannels(Index to_set) {
    for (Index k = to_set; k < width<double>; ++k) u[k] = uv[k] = Packet<double>::all(0);
  }
  void set(Index k, const PacketSums& sums) {
    u[k] = sums.u;
    uv[k] = sums.uv;
  }
};

/// Sums of u, and of u*v, of every channel, or of every lane of a row: double [channels] or [lanes] each.
struct alignas(cache_line) ChannelSums {
  double u[block_lanes];
  double uv[block_lanes];

  PacketSums at(Index lane) const { return {load<double>(u + lane), load<double>(uv + lane)}; }
  void set(Index lane, const PacketSums& sums) {
    store(u + lane, sums.u);
    store(uv + lane, sums.uv);
  }
  /// Sums up the lanes of channels from the given one on, a multiple of width<double>.
  void set(Index channel, const LanesOfChannels& of_channels) {
    store(u + channel, reduce_add_each(of_channels.u));
    store(uv + channel, reduce_add_each(of_channels.uv));
  }
};

/// As Total, for `lanes` lanes of a row: their sums, in memory.
template <typename Terms>
class LaneTotals {
 public:
  LaneTotals(ChannelSums& sums, Index lanes) : sums_(sums), lanes_(lanes) {
    static_assert(block_lanes % 64 == 0, "a last packet stays inside arrays of block_lanes");
    for_each_packet<double>(lanes, [&](Index l, auto) {
      sums.set(l, PacketSums::zero());
      if constexpr (Terms::keeps_rest) rest_.set(l, PacketSums::zero());
    });
  }
  void add(Index l, const PacketSums& more) {
    const PacketSums sum = sums_.at(l);
    if constexpr (Terms::keeps_rest) {
      PacketSums rest = rest_.at(l);
      add_rest<Terms>(sum, more, rest);
      rest_.set(l, rest);
    }
    sums_.set(l, sum + more);
  }
  /// Once all are added.
  void finish() {
    if constexpr (Terms::keeps_rest) {
      for_each_packet<double>(lanes_, [&](Index l, auto) { sums_.set(l, with_rest<Terms>(sums_.at(l), rest_.at(l))); });
    }
  }

 private:
  struct Nothing {};
  ChannelSums& sums_;
  Index lanes_;
  std::conditional_t<Terms::keeps_rest, ChannelSums, Nothing> rest_;
};

/// Adds lanes up into channels: [fold, channels, inner] -> [channels], first over fold, pairwise. Overwrites a_lane.
template <typename Terms>
void gather(double* a_lane, Index channels, Index inner, Index fold, double* a_channel) {
  const Index row = channels * inner;
  while (fold > 1) {
    const Index half = (fold + 1) / 2;
    for (Index l = 0; l < (fold - half) * row; ++l) a_lane[l] += a_lane[half * row + l];
    fold = half;
  }
  if (inner == 1) {
    std::copy_n(a_lane, channels, a_channel);
    return;
  }
  for (Index c = 0; c < channels; ++c) {
    Total<Terms> total;
    for_each_packet<double>(inner, [&](Index l, auto extent) {
      total.add({Packet<double>::all(0), load<double>(a_lane + c * inner + l, extent)});
    });
    a_channel[c] = reduce_add(total.sum().uv);
  }
}

}}}  // namespace tensornorm::v0::detail
