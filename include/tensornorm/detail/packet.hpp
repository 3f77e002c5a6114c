// Packets: the SIMD vectors that the kernels compute with. This façade is the only file that names Eigen's internals or
// an instruction set; everything else sees Packet<Lane>, a value with +, -, *, fma, load and store.
//
// A lane is float or double; memory holds float, double, half or bfloat16. Loads widen to the lane's type, stores round
// once to the memory's type. Wherever an intrinsic is used, a plain path that every target compiles stands beside it.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "float16.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// Whether Eigen's packets are arrays of lanes in memory, as what is done here by bytes and by the compiler's vectors
/// relies on. On s390x before z14 its four floats are two packets of doubles: there a packet is one lane.
inline constexpr bool packets_are_arrays =
    sizeof(Eigen::internal::packet_traits<float>::type) == Eigen::internal::packet_traits<float>::size * sizeof(float);

template <typename Lane, bool are_arrays = packets_are_arrays>
struct RawPacket {
  using type = typename Eigen::internal::packet_traits<Lane>::type;
};
template <typename Lane>
struct RawPacket<Lane, false> {
  using type = Lane;
};

/// A number or a packet as it is, hidden from the optimiser: a product that passes through here is rounded before it is
/// added to.
template <typename Value>
Value uncontracted(Value value) {
#if defined(__SSE2__)
  asm("" : "+v"(value));
#elif defined(__aarch64__)
  asm("" : "+w"(value));
#else
  asm("" : "+m"(value));
#endif
  return value;
}

/// The sum or difference as it is written. Under -ffast-math compilers regroup (x - hi) - lo into x - (hi + lo), which
/// loses lo; they cannot look through this. Without it, nothing. g++ tells of -fassociative-math alone too, clang does
/// not.
template <typename Raw>
Raw as_written(Raw value) {
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__)
  return uncontracted(value);
#else
  return value;
#endif
}

/// Bytes. Arrays that are read packet by packet start on one: half of all packets would straddle two lines otherwise.
inline constexpr std::size_t cache_line = 64;

/// width<Lane> values of type Lane that are computed on at once.
template <typename Lane>
struct Packet {
  using Raw = typename RawPacket<Lane>::type;
  Raw raw;

  static Packet all(Lane value) { return {Eigen::internal::pset1<Raw>(value)}; }
  /// One lane. Slow.
  Lane operator[](Index lane) const {
    Lane lanes[sizeof(Raw) / sizeof(Lane)];
    std::memcpy(lanes, &raw, sizeof(raw));
    return lanes[lane];
  }

  friend Packet operator+(Packet a, Packet b) { return {as_written(Eigen::internal::padd(a.raw, b.raw))}; }
  friend Packet operator-(Packet a, Packet b) { return {as_written(Eigen::internal::psub(a.raw, b.raw))}; }
  /// Rounded, whatever is added to it.
  friend Packet operator*(Packet a, Packet b) { return {uncontracted(Eigen::internal::pmul(a.raw, b.raw))}; }
  friend Packet operator/(Packet a, Packet b) { return {Eigen::internal::pdiv(a.raw, b.raw)}; }
  /// a*b + c, rounded once where the target can.
  friend Packet fma(Packet a, Packet b, Packet c) {
    if constexpr (sizeof(Raw) == sizeof(Lane)) {  // of one number Eigen's function leaves it to the compiler
#if defined(__FP_FAST_FMA) || defined(__FMA__)
      return {std::fma(a.raw, b.raw, c.raw)};
#else
      return a * b + c;
#endif
    } else {
      return {Eigen::internal::pmadd(a.raw, b.raw, c.raw)};
    }
  }
};

template <typename Lane>
inline constexpr Index width = sizeof(typename Packet<Lane>::Raw) / sizeof(Lane);

/// Packets that the target's registers hold.
#ifdef EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS
inline constexpr Index packet_registers = Index{EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS};
#else
inline constexpr Index packet_registers = 16;
#endif

/// The lane type that computes on memory of type T.
template <typename T>
using LaneOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// How much of a packet a step of a loop covers: all its lanes, or the first `count` of them. packet_pair.hpp has more.
struct Whole {};
struct Part {
  Index count;
};

// -------------------------------------------------------------------------------- conversions, written once a width

// Compilers take __builtin_convertvector apart into halves and put those together again (g++ 12), so the conversions
// that kernels spend their time in are named.

/// Each float as a double, and each double as a float.
template <typename To, Index N, typename From>
Vector<To, N> convert(const From& from) {
  if constexpr (N == 1) {
    return static_cast<To>(from);
#ifdef EIGEN_VECTORIZE_AVX512
  } else if constexpr (N == 8 && std::is_same_v<To, double>) {
    return _mm512_maskz_cvtps_pd(0xff, (__m256)from);
  } else if constexpr (N == 8) {
    return _mm512_maskz_cvtpd_ps(0xff, (__m512d)from);
#endif
#ifdef EIGEN_VECTORIZE_AVX
  } else if constexpr (N == 4 && std::is_same_v<To, double>) {
    return _mm256_cvtps_pd((__m128)from);
  } else if constexpr (N == 4) {
    return _mm256_cvtpd_ps((__m256d)from);
#endif
#ifdef EIGEN_VECTORIZE_SSE2
  } else if constexpr (N == 2 && std::is_same_v<To, double>) {
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&from))));
#endif
  } else {
    return __builtin_convertvector(from, Vector<To, N>);
  }
}

/// Numbers of 16 bits as the upper halves of words, above zeros.
template <Index N>
Words<N> upper_halves(const Vector<std::uint16_t, N>& numbers) {
  if constexpr (N == 1) {
    return static_cast<std::uint32_t>(numbers) << 16;
#ifdef EIGEN_VECTORIZE_AVX512
  } else if constexpr (N == 16) {
    return (Words<N>)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)numbers) << 16;
#endif
#ifdef EIGEN_VECTORIZE_AVX2
  } else if constexpr (N == 8) {  // one instruction less than to widen and shift; 80: a zero
    const __m256i bytes =
        _mm256_setr_epi64x(0x0302808001008080, 0x0706808005048080, 0x0b0a808009088080, 0x0f0e80800d0c8080);
    return (Words<N>)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256((__m128i)numbers), bytes);
#endif
#ifdef EIGEN_VECTORIZE_SSE2
  } else if constexpr (N == 4) {
    const __m128i narrow = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&numbers));
    return (Words<N>)_mm_unpacklo_epi16(_mm_setzero_si128(), narrow);
#endif
  } else {
    return __builtin_convertvector(numbers, Words<N>) << 16;
  }
}

/// The upper halves of words.
template <Index N>
Vector<std::uint16_t, N> of_upper_halves(const Words<N>& words) {
  using Numbers = Vector<std::uint16_t, N>;
  if constexpr (N == 1) {
    return static_cast<std::uint16_t>(words >> 16);
#ifdef EIGEN_VECTORIZE_AVX512
  } else if constexpr (N == 16) {
    return (Numbers)_mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)(words >> 16));
#endif
#ifdef EIGEN_VECTORIZE_AVX2
  } else if constexpr (N == 8) {
    const auto lower = (__m256i)(words >> 16);
    return (Numbers)_mm_packus_epi32(_mm256_castsi256_si128(lower), _mm256_extracti128_si256(lower, 1));
#endif
#ifdef EIGEN_VECTORIZE_SSE2
  } else if constexpr (N == 4) {
    const __m128i extended = _mm_srai_epi32((__m128i)words, 16);  // SSE2 packs signed words only
    Numbers numbers;
    _mm_storel_epi64(reinterpret_cast<__m128i*>(&numbers), _mm_packs_epi32(extended, extended));
    return numbers;
#endif
  } else {
    return __builtin_convertvector(words >> 16, Numbers);
  }
}

/// Words whose lower halves are the upper halves of `even`, and whose upper halves are those of `odd`.
template <Index N>
Words<N> mix_upper_halves(const Words<N>& even, const Words<N>& odd) {
#ifdef EIGEN_VECTORIZE_AVX2
  if constexpr (N == 8) return (Words<N>)_mm256_blend_epi16((__m256i)(even >> 16), (__m256i)odd, 0xaa);
#endif
  return (even >> 16) | (odd & ~0xffffu);
}

/// What memory of type T holds, as a vector can hold it: bfloat16 and half are their 16 bits.
template <typename T>
using Bits = std::conditional_t<sizeof(T) == 2, std::uint16_t, T>;

/// N values of memory of type T, as floats. Exact.
template <typename T, Index N>
Vector<float, N> to_floats(const Vector<Bits<T>, N>& bits) {
  if constexpr (std::is_same_v<T, float>) {
    return bits;
  } else if constexpr (std::is_same_v<T, Eigen::bfloat16>) {
    return bits_as<Vector<float, N>>(upper_halves<N>(bits));
  } else {
    static_assert(std::is_same_v<T, Eigen::half>);
#if defined(EIGEN_VECTORIZE_AVX512) && defined(__F16C__)
    if constexpr (N == 16) return _mm512_maskz_cvtph_ps(0xffff, (__m256i)bits);
#endif
#if defined(EIGEN_VECTORIZE_AVX) && defined(__F16C__)
    if constexpr (N == 8) return _mm256_cvtph_ps((__m128i)bits);
    if constexpr (N == 4) return _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&bits)));
#endif
    return floats_of_half<N>(upper_halves<N>(bits));
  }
}

/// Floats rounded to nearest-even, as the bits of memory of the second argument's type.
template <Index N>
Vector<std::uint16_t, N> round_floats(const Vector<float, N>& floats, const Eigen::bfloat16*) {
#if defined(EIGEN_VECTORIZE_AVX512) && defined(__AVX512DQ__) && defined(__AVX512BF16__)
  // What the instruction below treats its own way.
  constexpr int quiet_nan = 0x01, subnormal = 0x20, signaling_nan = 0x80;
  if constexpr (N == 16) {
    std::uint32_t special = _mm512_fpclass_ps_mask(floats, quiet_nan | subnormal | signaling_nan);
    asm("" : "+r"(special));  // compilers would test the mask where it is: eval in cache took a fifth longer
    if (special == 0) {
      return (Vector<std::uint16_t, N>)_mm512_maskz_cvtneps_pbh(0xffff, floats);
    }
  }
#endif
  return of_upper_halves<N>(bfloat16_of_floats<N>(floats));
}

template <Index N>
Vector<std::uint16_t, N> round_floats(const Vector<float, N>& floats, const Eigen::half*) {
#if defined(EIGEN_VECTORIZE_AVX) && defined(__F16C__)
  constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  if constexpr (N == 8) return (Vector<std::uint16_t, N>)_mm256_cvtps_ph(floats, nearest);
#ifdef EIGEN_VECTORIZE_AVX512
  if constexpr (N == 16) return (Vector<std::uint16_t, N>)_mm512_maskz_cvtps_ph(0xffff, floats, nearest);
#endif
#endif
  return of_upper_halves<N>(half_of_floats<N>(floats));
}

/// Whether loops store to memory of type T in pairs of packets: bfloat16, where words of two packets fill a register
/// when they have lost half, and one test finds NaN in both. Not with AVX-512, which has instructions for it, nor with
/// AVX alone, whose words are of 128 bits; nor where compilers may assume that there is no NaN, and drop the test.
template <typename T>
inline constexpr bool stored_in_pairs = false;
#if defined(EIGEN_VECTORIZE_AVX2) && !defined(EIGEN_VECTORIZE_AVX512) && !__FINITE_MATH_ONLY__
template <>
inline constexpr bool stored_in_pairs<Eigen::bfloat16> = true;
inline bool any_nan(__m256 a, __m256 b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_UNORD_Q)) != 0; }
/// Without NaN.
inline __m256i bfloat16_of_pair(__m256 a, __m256 b) {
  const auto lower = [](__m256 floats) { return (__m256i)(bfloat16_of_numbers<8>((Floats<8>)floats) >> 16); };
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(lower(a), lower(b)), 0xd8);  // packed are four of each in turn
}
#elif defined(EIGEN_VECTORIZE_SSE2) && !defined(EIGEN_VECTORIZE_AVX) && !__FINITE_MATH_ONLY__
template <>
inline constexpr bool stored_in_pairs<Eigen::bfloat16> = true;
inline bool any_nan(__m128 a, __m128 b) { return _mm_movemask_ps(_mm_cmpunord_ps(a, b)) != 0; }
/// Without NaN.
inline __m128i bfloat16_of_pair(__m128 a, __m128 b) {
  const auto extended = [](__m128 floats) {
    return _mm_srai_epi32((__m128i)bfloat16_of_numbers<4>((Floats<4>)floats), 16);
  };
  return _mm_packs_epi32(extended(a), extended(b));
}
#endif

// ------------------------------------------------------------------------------------------------- loads and stores

template <typename Lane, typename T>
Packet<Lane> from_bits(const Vector<Bits<T>, width<Lane>>& bits) {
  Packet<Lane> packet;
  if constexpr (std::is_same_v<T, Lane>) {
    copy_bits(bits, packet.raw);
  } else {
    static_assert(sizeof(T) < sizeof(Lane), "a load widens");
#ifdef EIGEN_VECTORIZE_SSE2
    if constexpr (sizeof(T) == 2 && width<Lane> == 2) {  // by way of four, which fill a register
      std::uint32_t two;
      copy_bits(bits, two);
      const auto four = (Vector<std::uint16_t, 4>)std::uint64_t{two};
      return {_mm_cvtps_pd(to_floats<T, 4>(four))};
    }
#endif
    copy_bits(convert<Lane, width<Lane>>(to_floats<T, width<Lane>>(bits)), packet.raw);
  }
  return packet;
}

/// Copies `count` values, at most N, a power of two, in pieces that may overlap. Not in a loop: compilers turn one into
/// a call of memcpy.
template <Index N, typename T>
void copy_some(const T* from, Index count, T* to) {
  if constexpr (N == 1) {
    if (count > 0) *to = *from;
  } else if (count < N / 2) {
    copy_some<N / 2>(from, count, to);
  } else {
    const auto copy_half = [=](Index at) {
      std::memcpy(static_cast<void*>(to + at), static_cast<const void*>(from + at), sizeof(T) * N / 2);
    };
    copy_half(0);
    copy_half(count - N / 2);
  }
}

/// All ones in the first `count` lanes, zeros in the others.
template <typename Lane>
Packet<Lane> lane_mask(Index count) {
  using Word = std::conditional_t<sizeof(Lane) == 4, std::uint32_t, std::uint64_t>;
  struct Table {
    Word words[2 * width<Lane>] = {};
    constexpr Table() {
      for (Index i = 0; i < width<Lane>; ++i) words[i] = ~Word{0};
    }
  };
  static constexpr Table table;
  Packet<Lane> mask;
  std::memcpy(&mask.raw, table.words + width<Lane> - count, sizeof(mask.raw));
  return mask;
}

#if defined(EIGEN_VECTORIZE_AVX) && !defined(EIGEN_VECTORIZE_AVX512)
/// The same for the floats of four doubles.
inline __m128i four_lane_mask(Index count) {
  return _mm_castps_si128(_mm256_castps256_ps128(lane_mask<float>(count).raw));
}
#endif

/// width<Lane> values from p, of any alignment, widened to lanes.
template <typename Lane, typename T>
Packet<Lane> load(const T* p, Whole = {}) {
  Vector<Bits<T>, width<Lane>> bits;
  std::memcpy(&bits, static_cast<const void*>(p), sizeof(bits));
  return from_bits<Lane, T>(bits);
}

/// The value at p, of any alignment, as a double.
template <typename T>
double number_at(const T* p) {
  T value;
  std::memcpy(static_cast<void*>(&value), static_cast<const void*>(p), sizeof(value));
  return static_cast<double>(value);
}

/// The first part.count values from p, zero in the other lanes. Reads nothing past them.
template <typename Lane, typename T>
Packet<Lane> load(const T* p, Part part) {
  constexpr Index W = width<Lane>;
#if defined(EIGEN_VECTORIZE_AVX512) && defined(__AVX512VL__) && defined(__AVX512BW__)
  const unsigned mask = (1u << part.count) - 1u;
  if constexpr (sizeof(T) == 2 && W == 16) {
    return from_bits<Lane, T>((Vector<Bits<T>, W>)_mm256_maskz_loadu_epi16(static_cast<__mmask16>(mask), p));
  } else if constexpr (sizeof(T) == 2) {
    return from_bits<Lane, T>((Vector<Bits<T>, W>)_mm_maskz_loadu_epi16(static_cast<__mmask8>(mask), p));
  } else if constexpr (std::is_same_v<T, double>) {
    return {_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), p)};
  } else if constexpr (W == 16) {
    return {_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p)};
  } else {
    return from_bits<Lane, T>(_mm256_maskz_loadu_ps(static_cast<__mmask8>(mask), p));
  }
#else
#if defined(EIGEN_VECTORIZE_AVX) && !defined(EIGEN_VECTORIZE_AVX512)
  if constexpr (std::is_same_v<T, Lane> && std::is_same_v<T, float> && W == 8) {
    return {_mm256_maskload_ps(p, _mm256_castps_si256(lane_mask<Lane>(part.count).raw))};
  } else if constexpr (std::is_same_v<T, Lane> && std::is_same_v<T, double> && W == 4) {
    return {_mm256_maskload_pd(p, _mm256_castpd_si256(lane_mask<Lane>(part.count).raw))};
  } else if constexpr (std::is_same_v<T, float> && W == 4) {
    return from_bits<Lane, T>(_mm_maskload_ps(p, four_lane_mask(part.count)));
  } else
#endif
      if constexpr (W == 2) {
    // In a register: to read back what has just been stored in parts takes longer.
    Bits<T> values[W] = {};
    if (part.count > 0) std::memcpy(&values[0], static_cast<const void*>(p), sizeof(T));
    if (part.count > 1) std::memcpy(&values[1], static_cast<const void*>(p + 1), sizeof(T));
    return from_bits<Lane, T>(Vector<Bits<T>, W>{values[0], values[1]});
  } else {
    T values[W] = {};
    copy_some<W>(p, part.count, values);
    return load<Lane>(values);
  }
#endif
}

/// The packet as memory of type T holds it: rounded to nearest-even.
template <typename T, typename Lane>
auto to_memory(Packet<Lane> packet) {
  if constexpr (std::is_same_v<T, Lane>) {
    return packet.raw;
  } else {
    Vector<Lane, width<Lane>> lanes;
    copy_bits(packet.raw, lanes);
    if constexpr (std::is_same_v<T, float>) {
      return convert<float, width<Lane>>(lanes);
    } else {
      return round_floats<width<Lane>>(lanes, static_cast<const T*>(nullptr));
    }
  }
}

/// Stores to p, of any alignment.
template <typename T, typename Lane>
void store(T* p, Packet<Lane> packet, Whole = {}) {
  const auto bits = to_memory<T>(packet);
  std::memcpy(static_cast<void*>(p), &bits, sizeof(bits));
}

/// Stores the first part.count lanes to p. Writes nothing past them. By AVX-512's masks, but not by AVX's: AMD's
/// processors store through those slowly, and a training step of (2, 3) took a fifteenth longer.
template <typename T, typename Lane>
void store(T* p, Packet<Lane> packet, Part part) {
#ifdef EIGEN_VECTORIZE_AVX512
  const unsigned mask = (1u << part.count) - 1u;
  if constexpr (std::is_same_v<T, float> && std::is_same_v<Lane, float>) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>(mask), packet.raw);
  } else if constexpr (std::is_same_v<T, double>) {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask), packet.raw);
  } else
#ifdef __AVX512VL__
      if constexpr (std::is_same_v<T, float>) {
    _mm256_mask_storeu_ps(p, static_cast<__mmask8>(mask), to_memory<T>(packet));
  } else
#endif
#if defined(__AVX512VL__) && defined(__AVX512BW__)
      if constexpr (sizeof(T) == 2 && width<Lane> == 16) {
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(mask), (__m256i)to_memory<T>(packet));
  } else
#endif
#endif
  {
    T values[width<Lane>];
    store(values, packet);
    copy_some<width<Lane>>(values, part.count, p);
  }
}

/// Stores past the caches to p, which is aligned to the bytes that `lanes` takes in memory: a packet or, for a T that
/// is stored_in_pairs, a pair. fence_streams() ends a series.
template <typename T, typename Lanes, typename Extent>
void stream(T* p, Lanes lanes, Extent) {
  const auto bits = to_memory<T>(lanes);
#ifdef EIGEN_VECTORIZE_AVX512
  if constexpr (sizeof(bits) == 64) return _mm512_stream_si512(reinterpret_cast<__m512i*>(p), (__m512i)bits);
#endif
#ifdef EIGEN_VECTORIZE_AVX
  if constexpr (sizeof(bits) == 32) return _mm256_stream_si256(reinterpret_cast<__m256i*>(p), (__m256i)bits);
#endif
#ifdef EIGEN_VECTORIZE_SSE2
  if constexpr (sizeof(bits) == 16) return _mm_stream_si128(reinterpret_cast<__m128i*>(p), (__m128i)bits);
#endif
  std::memcpy(static_cast<void*>(p), &bits, sizeof(bits));
}

/// Bytes that can be stored past the caches alone, aligned to as many.
inline constexpr std::size_t streamed_word = 4;

/// The same of the first part.count lanes, to a p that is aligned as a T is: past the caches too if they are words. A
/// cache line whose other part is streamed takes about 100 ns if this part is not: eval of 32x1024x14x14 took four
/// times as long.
template <typename T, typename Lane>
void stream(T* p, Packet<Lane> packet, Part part) {
#ifdef EIGEN_VECTORIZE_SSE2
  const auto bytes = static_cast<std::size_t>(part.count) * sizeof(T);
  if (sizeof(T) % streamed_word == 0 || (reinterpret_cast<std::uintptr_t>(p) | bytes) % streamed_word == 0) {
    const auto bits = to_memory<T>(packet);
    int words[sizeof(bits) / streamed_word];
    std::memcpy(words, &bits, sizeof(bits));
    for (std::size_t k = 0; k < bytes / streamed_word; ++k) {
      _mm_stream_si32(reinterpret_cast<int*>(p) + k, words[k]);
    }
    return;
  }
#endif
  store(p, packet, part);
}

/// Makes streamed stores visible to other threads before what follows.
inline void fence_streams() {
#ifdef EIGEN_VECTORIZE_SSE2
  _mm_sfence();
#endif
}

// g++ takes a function that only asks for memory for one without effect, and drops calls of it: hence the empty asm.

/// Asks for the cache line at p, which need not be valid memory.
inline void prefetch(const void* p) {
  __builtin_prefetch(p, 0, 3);
  asm volatile("");
}
/// The same, for a line that is to be written.
inline void prefetch_to_write(const void* p) {
  __builtin_prefetch(p, 1, 3);
  asm volatile("");
}

// ---------------------------------------------------------------------------------------------------- lane by lane

/// The lanes as memory of type T holds them. As with any rounding, nothing before it is contracted with what follows.
template <typename T, typename Lane>
Packet<Lane> rounded(Packet<Lane> x) {
  if constexpr (std::is_same_v<T, Lane>) {
    return {uncontracted(x.raw)};
  } else {
    Vector<Bits<T>, width<Lane>> bits;
    copy_bits(to_memory<T>(x), bits);
    return from_bits<Lane, T>(bits);
  }
}
/// The same of one number.
template <typename T>
double rounded(double x) {
  return uncontracted(static_cast<double>(static_cast<T>(x)));
}

template <typename Lane>
Packet<Lane> abs(Packet<Lane> x) {
  return {Eigen::internal::pabs(x.raw)};
}

/// 1 in the lanes where a <= b, 0 in the others: also where one is NaN.
template <typename Lane>
Packet<Lane> at_most(Packet<Lane> a, Packet<Lane> b) {
  return {Eigen::internal::pand(Eigen::internal::pcmp_le(a.raw, b.raw), Packet<Lane>::all(1).raw)};
}

/// The packet with zeros in place of NaN and infinities.
inline Packet<double> finite_or_zero(Packet<double> x) {
  const auto most = Packet<double>::all(std::numeric_limits<double>::max());
  return {Eigen::internal::pand(x.raw, Eigen::internal::pcmp_le(abs(x).raw, most.raw))};
}

/// The packet with zeros beyond the part.
template <typename Lane>
Packet<Lane> keep(Packet<Lane> packet, Whole) {
  return packet;
}
template <typename Lane>
Packet<Lane> keep(Packet<Lane> packet, Part part) {
  return {Eigen::internal::pand(packet.raw, lane_mask<Lane>(part.count).raw)};
}

/// The first `count` lanes of a, and then those of b.
template <typename Lane>
Packet<Lane> join(Packet<Lane> a, Index count, Packet<Lane> b) {
  return {Eigen::internal::pselect(lane_mask<Lane>(count).raw, a.raw, b.raw)};
}

#ifdef EIGEN_VECTORIZE_AVX512
/// The lower or upper four doubles. Masked, as elsewhere here: g++ 12 warns of the undefined values in unmasked forms.
template <int Half>
__m256d half_of(__m512d x) {
  return _mm512_maskz_extractf64x4_pd(0xf, x, Half);
}
#endif

inline double reduce_add(Packet<double> x) {
#ifdef EIGEN_VECTORIZE_AVX512
  return Eigen::internal::predux(_mm256_add_pd(half_of<0>(x.raw), half_of<1>(x.raw)));
#else
  return Eigen::internal::predux(x.raw);
#endif
}

/// reduce_add() of each of width<double> packets, in the same order of additions.
inline Packet<double> reduce_add_each(const Packet<double>* x) {
#ifdef EIGEN_VECTORIZE_AVX512
  // Two packets become one of half the sums, three times.
  const auto halves = [](__m512d a, __m512d b) {
    return _mm512_maskz_shuffle_f64x2(0xff, a, b, 0x44) + _mm512_maskz_shuffle_f64x2(0xff, a, b, 0xee);
  };
  const auto quarters = [](__m512d a, __m512d b) {
    return _mm512_maskz_shuffle_f64x2(0xff, a, b, 0x88) + _mm512_maskz_shuffle_f64x2(0xff, a, b, 0xdd);
  };
  const auto even = quarters(halves(x[0].raw, x[2].raw), halves(x[4].raw, x[6].raw));
  const auto odd = quarters(halves(x[1].raw, x[3].raw), halves(x[5].raw, x[7].raw));
  return {_mm512_maskz_unpacklo_pd(0xff, even, odd) + _mm512_maskz_unpackhi_pd(0xff, even, odd)};
#else
  double sums[width<double>];
  for (Index k = 0; k < width<double>; ++k) sums[k] = reduce_add(x[k]);
  return load<double>(sums);
#endif
}

/// Whether every lane is 1, of lanes that are 0 or 1.
inline bool all_of(Packet<double> flags) {
#ifdef EIGEN_VECTORIZE_AVX512
  return _mm512_cmp_pd_mask(flags.raw, Packet<double>::all(1).raw, _CMP_EQ_OQ) == 0xff;
#else
  return reduce_add(flags) == static_cast<double>(width<double>);
#endif
}

/// Correctly rounded square roots. Eigen's own are approximate on some targets, and differ between packet and scalar.
inline Packet<double> sqrt(Packet<double> x) {
#if defined(EIGEN_VECTORIZE_AVX512)
  return {_mm512_maskz_sqrt_pd(0xff, x.raw)};
#elif defined(EIGEN_VECTORIZE_AVX)
  return {_mm256_sqrt_pd(x.raw)};
#elif defined(EIGEN_VECTORIZE_SSE2)
  return {_mm_sqrt_pd(x.raw)};
#else
  double lanes[width<double>];
  store(lanes, x);
  for (double& lane : lanes) lane = std::sqrt(lane);
  return load<double>(lanes);
#endif
}

}}}  // namespace tensornorm::v0::detail
