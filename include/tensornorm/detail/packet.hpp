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
#include <type_traits>

namespace tensornorm::detail {

using Eigen::Index;

/// width<Lane> values of type Lane that are computed on at once.
template <typename Lane>
struct Packet {
  using Raw = typename Eigen::internal::packet_traits<Lane>::type;
  Raw raw;

  static Packet all(Lane value) { return {Eigen::internal::pset1<Raw>(value)}; }

  friend Packet operator+(Packet a, Packet b) { return {Eigen::internal::padd(a.raw, b.raw)}; }
  friend Packet operator-(Packet a, Packet b) { return {Eigen::internal::psub(a.raw, b.raw)}; }
  friend Packet operator*(Packet a, Packet b) { return {Eigen::internal::pmul(a.raw, b.raw)}; }
  friend Packet operator/(Packet a, Packet b) { return {Eigen::internal::pdiv(a.raw, b.raw)}; }
  /// a*b + c, rounded once where the target can.
  friend Packet fma(Packet a, Packet b, Packet c) { return {Eigen::internal::pmadd(a.raw, b.raw, c.raw)}; }
};

template <typename Lane>
inline constexpr Index width = Eigen::internal::unpacket_traits<typename Packet<Lane>::Raw>::size;

/// The lane type that computes on memory of type T.
template <typename T>
using LaneOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// How much of a packet a step of a loop covers: all its lanes, or the first `count` of them.
struct Whole {};
struct Part {
  Index count;
};

// -------------------------------------------------------------------------------- conversions, written once a width

/// The compiler's own vector of N values.
template <typename T, Index N>
struct VectorOf {
  typedef T type __attribute__((vector_size(static_cast<std::size_t>(N) * sizeof(T))));
};
template <typename T>
struct VectorOf<T, 1> {
  using type = T;
};
template <typename T, Index N>
using Vector = typename VectorOf<T, N>::type;

/// The bytes of `from` as a To.
template <typename To, typename From>
void copy_bits(const From& from, To& to) {
  static_assert(sizeof(To) == sizeof(From));
  std::memcpy(&to, &from, sizeof(To));
}

template <typename To, Index N, typename From>
Vector<To, N> convert(const From& from) {
  if constexpr (N == 1) {
    return static_cast<To>(from);
  } else {
    return __builtin_convertvector(from, Vector<To, N>);
  }
}

template <Index N>
Vector<float, N> load_floats(const float* p) {
  Vector<float, N> floats;
  std::memcpy(&floats, p, sizeof(floats));
  return floats;
}

template <Index N>
Vector<float, N> load_floats(const Eigen::bfloat16* p) {
  Vector<std::uint16_t, N> high;
  std::memcpy(&high, p, sizeof(high));
  const Vector<std::uint32_t, N> bits = convert<std::uint32_t, N>(high) << 16;
  Vector<float, N> floats;
  copy_bits(bits, floats);
  return floats;
}

template <Index N>
Vector<float, N> load_floats(const Eigen::half* p) {
#if defined(EIGEN_VECTORIZE_AVX) && defined(__F16C__)
  if constexpr (N == 4) {
    return _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  } else if constexpr (N == 8) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  } else
#ifdef EIGEN_VECTORIZE_AVX512
      if constexpr (N == 16) {
    return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  } else
#endif
#endif
  {
    float each[N];
    for (Index i = 0; i < N; ++i) each[i] = static_cast<float>(p[i]);
    return load_floats<N>(each);
  }
}

template <Index N>
auto round_floats(const Vector<float, N>& floats, const Eigen::bfloat16*) {
  Vector<std::uint32_t, N> bits;
  copy_bits(floats, bits);
  const Vector<std::uint32_t, N> rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Vector<std::uint32_t, N> nan = ((bits >> 16) & 0x8000u) | 0x7fc0u;
  return convert<std::uint16_t, N>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

template <Index N>
auto round_floats(const Vector<float, N>& floats, const Eigen::half*) {
#if defined(EIGEN_VECTORIZE_AVX) && defined(__F16C__)
  constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  if constexpr (N == 8) {
    return _mm256_cvtps_ph(floats, nearest);
  } else
#ifdef EIGEN_VECTORIZE_AVX512
      if constexpr (N == 16) {
    return _mm512_maskz_cvtps_ph(0xffff, floats, nearest);
  } else
#endif
#endif
  {
    float each[N];
    copy_bits(floats, each);
    Vector<std::uint16_t, N> halves;
    Eigen::half rounded[N];
    for (Index i = 0; i < N; ++i) rounded[i] = static_cast<Eigen::half>(each[i]);
    std::memcpy(&halves, static_cast<const void*>(rounded), sizeof(halves));
    return halves;
  }
}

// ------------------------------------------------------------------------------------------------- loads and stores

/// width<Lane> values from p, of any alignment, widened to lanes.
template <typename Lane, typename T>
Packet<Lane> load(const T* p, Whole = {}) {
  constexpr Index W = width<Lane>;
  if constexpr (std::is_same_v<T, Lane>) {
    return {Eigen::internal::ploadu<typename Packet<Lane>::Raw>(p)};
  } else {
    static_assert(sizeof(T) < sizeof(Lane), "a load widens");
    Packet<Lane> packet;
    copy_bits(convert<Lane, W>(load_floats<W>(p)), packet.raw);
    return packet;
  }
}

/// The first part.count values from p, zero in the other lanes. Reads nothing past them.
template <typename Lane, typename T>
Packet<Lane> load(const T* p, Part part) {
#ifdef EIGEN_VECTORIZE_AVX512
  const unsigned mask = (1u << part.count) - 1u;
  if constexpr (std::is_same_v<T, float> && std::is_same_v<Lane, float>) {
    return {_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p)};
  } else if constexpr (std::is_same_v<T, double>) {
    return {_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), p)};
  } else
#endif
  {
    T values[width<Lane>] = {};
    std::memcpy(static_cast<void*>(values), p, static_cast<std::size_t>(part.count) * sizeof(T));
    return load<Lane>(values);
  }
}

/// The packet as memory of type T holds it: rounded to nearest-even.
template <typename T, typename Lane>
auto to_memory(Packet<Lane> packet) {
  if constexpr (std::is_same_v<T, Lane>) {
    return packet.raw;
  } else {
    static_assert(std::is_same_v<Lane, float>);
    Vector<float, width<float>> floats;
    copy_bits(packet.raw, floats);
    return round_floats<width<float>>(floats, static_cast<const T*>(nullptr));
  }
}

/// Stores to p, of any alignment.
template <typename T, typename Lane>
void store(T* p, Packet<Lane> packet, Whole = {}) {
  const auto bits = to_memory<T>(packet);
  std::memcpy(static_cast<void*>(p), &bits, sizeof(bits));
}

/// Stores the first part.count lanes to p. Writes nothing past them.
template <typename T, typename Lane>
void store(T* p, Packet<Lane> packet, Part part) {
#ifdef EIGEN_VECTORIZE_AVX512
  const unsigned mask = (1u << part.count) - 1u;
  if constexpr (std::is_same_v<T, float>) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>(mask), packet.raw);
  } else if constexpr (std::is_same_v<T, double>) {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask), packet.raw);
  } else
#endif
  {
    const auto bits = to_memory<T>(packet);
    std::memcpy(static_cast<void*>(p), &bits, static_cast<std::size_t>(part.count) * sizeof(T));
  }
}

/// Stores past the caches to p, which is aligned to the packet's bytes in memory. fence_streams() ends a series.
template <typename T, typename Lane>
void stream(T* p, Packet<Lane> packet) {
#ifdef EIGEN_VECTORIZE_SSE2
  const auto bits = to_memory<T>(packet);
#ifdef EIGEN_VECTORIZE_AVX512
  if constexpr (sizeof(bits) == 64) return _mm512_stream_si512(reinterpret_cast<__m512i*>(p), (__m512i)bits);
#endif
#ifdef EIGEN_VECTORIZE_AVX
  if constexpr (sizeof(bits) == 32) return _mm256_stream_si256(reinterpret_cast<__m256i*>(p), (__m256i)bits);
#endif
  if constexpr (sizeof(bits) == 16) return _mm_stream_si128(reinterpret_cast<__m128i*>(p), (__m128i)bits);
#endif
  store(p, packet);
}

/// Makes streamed stores visible to other threads before what follows.
inline void fence_streams() {
#ifdef EIGEN_VECTORIZE_SSE2
  _mm_sfence();
#endif
}

/// Asks for the cache line at p, which need not be valid memory.
inline void prefetch(const void* p) { __builtin_prefetch(p, 0, 3); }

/// The value as it is, hidden from the optimiser: a product that passes through here is rounded before it is added to.
template <typename Scalar>
Scalar uncontracted(Scalar value) {
  asm("" : "+m"(value));
  return value;
}

// ---------------------------------------------------------------------------------------------------- lane by lane

/// The packet with zeros beyond the part.
template <typename Lane>
Packet<Lane> keep(Packet<Lane> packet, Whole) {
  return packet;
}
template <typename Lane>
Packet<Lane> keep(Packet<Lane> packet, Part part) {
  Lane lanes[width<Lane>];
  store(lanes, packet);
  return load<Lane>(lanes, part);
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

/// A packet's lanes as doubles: [width<Lane>], in packets of double.
template <typename Lane>
struct Wide {
  static constexpr Index count = width<Lane> / width<double>;
  Packet<double> parts[count];

  static Wide load_from(const double* p) {
    Wide wide;
    for (Index i = 0; i < count; ++i) wide.parts[i] = load<double>(p + i * width<double>);
    return wide;
  }
  void store_to(double* p) const {
    for (Index i = 0; i < count; ++i) store(p + i * width<double>, parts[i]);
  }
  static Wide zero() {
    Wide wide;
    for (auto& part : wide.parts) part = Packet<double>::all(0);
    return wide;
  }
  friend Wide operator+(Wide a, const Wide& b) {
    for (Index i = 0; i < count; ++i) a.parts[i] = a.parts[i] + b.parts[i];
    return a;
  }
  friend double reduce_add(Wide a) {
    for (Index i = 1; i < count; ++i) a.parts[0] = a.parts[0] + a.parts[i];
    return reduce_add(a.parts[0]);
  }
};

template <typename Lane>
Wide<Lane> widen(Packet<Lane> packet) {
  if constexpr (std::is_same_v<Lane, double>) {
    return {{packet}};
  } else {
#if defined(EIGEN_VECTORIZE_AVX512)
    const __m512d pairs = _mm512_castps_pd(packet.raw);
    return {{{_mm512_maskz_cvtps_pd(0xff, _mm256_castpd_ps(half_of<0>(pairs)))},
             {_mm512_maskz_cvtps_pd(0xff, _mm256_castpd_ps(half_of<1>(pairs)))}}};
#elif defined(EIGEN_VECTORIZE_AVX)
    const __m128 high = _mm256_extractf128_ps(packet.raw, 1);
    return {{{_mm256_cvtps_pd(_mm256_castps256_ps128(packet.raw))}, {_mm256_cvtps_pd(high)}}};
#elif defined(EIGEN_VECTORIZE_SSE2)
    return {{{_mm_cvtps_pd(packet.raw)}, {_mm_cvtps_pd(_mm_movehl_ps(packet.raw, packet.raw))}}};
#else
    float floats[width<float>];
    store(floats, packet);
    Wide<float> wide;
    for (Index i = 0; i < Wide<float>::count; ++i) wide.parts[i] = load<double>(floats + i * width<double>);
    return wide;
#endif
  }
}

}  // namespace tensornorm::detail
