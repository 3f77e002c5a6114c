// Two packets at once, for memory that is stored faster so: stored_in_pairs of packet.hpp says which.
#pragma once

#include "packet.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// A step of a loop that covers two packets, which follow each other in memory or are mixed.
struct Two {};
struct TwoMixed {};

/// The extent where all lanes are treated alike, so that it does not matter which of two packets a value is in.
template <typename Extent>
Extent mixed(Extent extent) {
  return extent;
}
inline TwoMixed mixed(Two) { return {}; }

/// Two packets that follow each other or, mixed, have the even and the odd values of their memory. An operand that is
/// one packet stands for both.
template <typename Lane, bool is_mixed = false>
struct PacketPair {
  Packet<Lane> first, second;

  PacketPair(Packet<Lane> a, Packet<Lane> b) : first(a), second(b) {}
  PacketPair(Packet<Lane> both) : first(both), second(both) {}  // NOLINT(google-explicit-constructor)

  friend PacketPair operator-(PacketPair a, PacketPair b) { return {a.first - b.first, a.second - b.second}; }
  friend PacketPair operator*(PacketPair a, PacketPair b) { return {a.first * b.first, a.second * b.second}; }
  friend PacketPair fma(PacketPair a, PacketPair b, PacketPair c) {
    return {fma(a.first, b.first, c.first), fma(a.second, b.second, c.second)};
  }
};

/// 2 * width<Lane> values from p, of any alignment, widened to lanes.
template <typename Lane, typename T>
PacketPair<Lane> load(const T* p, Two) {
  return {load<Lane>(p), load<Lane>(p + width<Lane>)};
}
/// Of bfloat16: two values are a word, and the odd one is its upper half, where a float has it.
template <typename Lane>
PacketPair<Lane, true> load(const Eigen::bfloat16* p, TwoMixed) {
  Words<width<Lane>> words;
  std::memcpy(&words, static_cast<const void*>(p), sizeof(words));
  const Words<width<Lane>> even = words << 16, odd = words & ~0xffffu;
  return {Packet<Lane>{bits_as<typename Packet<Lane>::Raw>(even)},
          Packet<Lane>{bits_as<typename Packet<Lane>::Raw>(odd)}};
}

/// The pair as memory of type T holds it, which is stored_in_pairs: rounded to nearest-even.
template <typename T, typename Lane>
auto to_memory(PacketPair<Lane> pair) {
  static_assert(stored_in_pairs<T> && std::is_same_v<Lane, float>);
  Vector<Bits<T>, 2 * width<Lane>> bits;
  if (any_nan(pair.first.raw, pair.second.raw)) {
    const Vector<Bits<T>, width<Lane>> halves[] = {to_memory<T>(pair.first), to_memory<T>(pair.second)};
    copy_bits(halves, bits);
  } else {
    copy_bits(bfloat16_of_pair(pair.first.raw, pair.second.raw), bits);
  }
  return bits;
}

/// Of a mixed one.
template <typename T, typename Lane>
auto to_memory(PacketPair<Lane, true> pair) {
  static_assert(stored_in_pairs<T> && std::is_same_v<Lane, float>);
  constexpr Index W = width<Lane>;
  const auto even = bits_as<Floats<W>>(pair.first.raw), odd = bits_as<Floats<W>>(pair.second.raw);
  if (any_nan(pair.first.raw, pair.second.raw)) {
    return mix_upper_halves<W>(bfloat16_of_floats<W>(even), bfloat16_of_floats<W>(odd));
  }
  return mix_upper_halves<W>(bfloat16_of_numbers<W>(even), bfloat16_of_numbers<W>(odd));
}

/// Stores to p, of any alignment.
template <typename T, typename Lane, bool is_mixed, typename Extent>
void store(T* p, PacketPair<Lane, is_mixed> pair, Extent) {
  const auto bits = to_memory<T>(pair);
  std::memcpy(static_cast<void*>(p), &bits, sizeof(bits));
}

}}}  // namespace tensornorm::v0::detail
