// clang-format off
// tensornorm in one header: all of <tensornorm/tensornorm.hpp>. Needs C++17 and Eigen 3.4 or newer.
// Written by packaging/single_header.py from include/tensornorm; change it there.
//
// MIT License
//
// Copyright (c) 2026 The tensornorm authors
//
// Permission is hereby granted, free of charge, to any person obtaining a copy
// of this software and associated documentation files (the "Software"), to deal
// in the Software without restriction, including without limitation the rights
// to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
// copies of the Software, and to permit persons to whom the Software is
// furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all
// copies or substantial portions of the Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
// IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
// FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
// AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
// LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
// OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
// SOFTWARE.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

// ---- tensornorm/tensornorm.hpp
// Batch normalization over Eigen tensors with the meaning of PyTorch's layers. This header includes all of it
// but the file formats: safetensors.hpp, npy.hpp and probe.hpp are included by those who want them.

// ---- tensornorm/array.hpp
// A tensor whose type and shape are known only at run time, as files hold it: dtype, shape and values in C order.

// ---- tensornorm/detail/number_cast.hpp
// Numbers of one stored type as another, or word of what does not fit.

// ---- tensornorm/detail/check.hpp
// What a user did wrong, said in one place.

namespace tensornorm { inline namespace v0 { namespace detail {

/// The parts written one after the other, whatever the program's locale. Throws when there is no memory for them.
/// (Streams bring std::locale with them; <locale> is its facets, which every program would compile for nothing.)
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.exceptions(std::ios::badbit);
  (out << ... << parts);
  return out.str();
}

/// A wrong value.
template <typename... Parts>
[[noreturn]] void fail_argument(const Parts&... parts) {
  throw std::invalid_argument(text(parts...));
}

/// A wrong order of calls.
template <typename... Parts>
[[noreturn]] void fail_order(const Parts&... parts) {
  throw std::logic_error(text(parts...));
}

/// A file that cannot be read, written or understood.
template <typename... Parts>
[[noreturn]] void fail_file(const std::string& source, const Parts&... parts) {
  throw std::runtime_error(text(source, ": ", parts...));
}

}}}  // namespace tensornorm::v0::detail

// ---- tensornorm/detail/float16.hpp
// The two formats of 16 bits, as bits, to and from floats: for processors that have no instruction for it, and vectors
// of any width. Nothing here depends on the rounding of subnormal floats, which a program may have switched off.
//
//   float      1 sign, 8 exponent (bias 127), 23 fraction
//   half       1 sign, 5 exponent (bias 15), 10 fraction
//   bfloat16   the upper half of a float

namespace tensornorm { inline namespace v0 { namespace detail {

using Eigen::Index;

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
template <typename To, typename From>
To bits_as(const From& from) {
  To to;
  copy_bits(from, to);
  return to;
}

template <Index N>
using Floats = Vector<float, N>;
/// A number of 16 bits is the upper half of a word, which as a float is a bfloat16's value. The lower half is 0 in what
/// is taken here, and means nothing in what is given.
template <Index N>
using Words = Vector<std::uint32_t, N>;

/// The lanes where a >= b, of numbers below 2^31: signed, as SSE2 and AVX2 compare nothing else.
template <Index N>
auto at_least(const Words<N>& a, std::uint32_t b) {
  return (Vector<std::int32_t, N>)a >= static_cast<std::int32_t>(b);
}

inline constexpr std::uint32_t one_exponent = 1u << 23;  // of a float
inline constexpr std::uint32_t float_infinity = 255 * one_exponent, sign_bit = 1u << 31;
inline constexpr std::uint32_t half_rebias = (127 - 15) * one_exponent;

/// Exact.
template <Index N>
Floats<N> floats_of_half(const Words<N>& half) {
  const Words<N> size = (half & ~sign_bit) >> 3;  // exponent and fraction, where a float has them
  // An exponent of 0 stands for that of 1, without its leading bit: that one is taken off again.
  const auto subnormal = bits_as<Words<N>>(bits_as<Floats<N>>(size + (half_rebias + one_exponent)) - 0x1p-14f);
  const Words<N> finite = at_least<N>(size, one_exponent) ? size + half_rebias : subnormal;
  const Words<N> all = at_least<N>(size, 31 * one_exponent) ? size + 2 * half_rebias : finite;
  return bits_as<Floats<N>>(all | (half & sign_bit));
}

/// Rounded to nearest-even; none is NaN.
template <Index N>
Words<N> bfloat16_of_numbers(const Floats<N>& floats) {
  const auto bits = bits_as<Words<N>>(floats);
  return bits + 0x7fffu + ((bits >> 16) & 1u);
}

/// Rounded to nearest-even.
template <Index N>
Words<N> bfloat16_of_floats(const Floats<N>& floats) {
  constexpr std::uint32_t quiet = 1u << 22;
  const auto bits = bits_as<Words<N>>(floats);
  const Words<N> rounded = bfloat16_of_numbers<N>(floats);
  return at_least<N>(bits & ~sign_bit, float_infinity + 1) ? bits | quiet : rounded;
}

/// Rounded to nearest-even.
template <Index N>
Words<N> half_of_floats(const Floats<N>& floats) {
  constexpr std::uint32_t least_normal = half_rebias + one_exponent, too_large = (127 + 16) * one_exponent;
  const auto bits = bits_as<Words<N>>(floats);
  const Words<N> size = bits & ~sign_bit;
  // 13 bits of the fraction fall away. What rounds up past the largest half arrives at infinity by itself.
  const Words<N> normal = (size - half_rebias + 0xfffu + ((size >> 13) & 1u)) << 3;
  // Next to 0.5 a float's last bit is 2^-24, as a subnormal half's: the sum is rounded as it should be. The lower half
  // of 0.5 is 0, and that of the sum the number.
  const Words<N> subnormal = bits_as<Words<N>>(bits_as<Floats<N>>(size) + 0.5f) << 16;
  const Words<N> finite = at_least<N>(size, least_normal) ? normal : subnormal;
  const Words<N> infinity = Words<N>{} + 0x7c000000u, nan = Words<N>{} + 0x7e000000u;
  const Words<N> beyond = at_least<N>(size, float_infinity + 1) ? nan : infinity;
  return (at_least<N>(size, too_large) ? beyond : finite) | (bits & sign_bit);
}

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 { namespace detail {

template <typename T>
inline constexpr bool is_half = std::is_same_v<T, Eigen::half> || std::is_same_v<T, Eigen::bfloat16>;

template <typename T>
inline constexpr bool is_real = std::is_floating_point_v<T> || is_half<T>;

/// A number as the arithmetic type that holds it exactly.
template <typename T>
auto plain_number(T value) {
  if constexpr (is_half<T>) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}

/// A float from which any narrower type is rounded as from `value` itself: where there is no such float, the one of its
/// two neighbours that ends in 1 (Boldo and Melquiond, "When double rounding is odd", 2005).
inline float rounded_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (!std::isfinite(nearest) || static_cast<double>(nearest) == value) return nearest;
  const auto bits = bits_as<std::uint32_t>(nearest);
  const bool away_from_0 = std::abs(static_cast<double>(nearest)) > std::abs(value);
  return bits_as<float>((away_from_0 ? bits - 1 : bits) | 1u);
}

/// The To nearest to `value`, rounded once. (Eigen rounds a double to float before it rounds to half.)
template <typename To, typename From>
To nearest_number(From value) {
  if constexpr (is_half<To> && !is_half<From>) {
    return static_cast<To>(rounded_to_odd(static_cast<double>(value)));
  } else {
    return static_cast<To>(value);
  }
}

/// Whether `value` may become a To: reals are rounded but must not overflow; whole numbers must come out exact; a real
/// never becomes a whole number.
template <typename To, typename From>
bool fits(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return true;
  } else if constexpr (std::is_integral_v<From>) {
    const auto wide = static_cast<std::int64_t>(value);
    if constexpr (is_real<To>) {
      const auto nearest = plain_number(nearest_number<To>(wide));
      const auto real = static_cast<std::common_type_t<double, decltype(nearest)>>(nearest);
      return real >= -0x1p63 && real < 0x1p63 && static_cast<std::int64_t>(real) == wide;
    } else {
      if (wide < 0) return std::is_signed_v<To> && wide >= static_cast<std::int64_t>(std::numeric_limits<To>::min());
      return static_cast<std::uint64_t>(wide) <= static_cast<std::uint64_t>(std::numeric_limits<To>::max());
    }
  } else {
    static_assert(is_real<To>, "tensornorm: real numbers do not become whole numbers");
    const auto real = static_cast<double>(plain_number(value));
    return !std::isfinite(real) || std::isfinite(plain_number(nearest_number<To>(real)));
  }
}

/// Whether an array of From may be asked for as an array of To at all.
template <typename To, typename From>
inline constexpr bool is_castable = is_real<To> || (std::is_integral_v<To> && std::is_integral_v<From>);

}}}  // namespace tensornorm::v0::detail

// ---- tensornorm/detail/operand.hpp
// Which Eigen types there are, and one of them as memory: a pointer and its sizes, whatever type carries them.

// ---- tensornorm/detail/eigen_tensor.hpp
// Eigen's tensors, under whichever name the installed Eigen keeps them.

#if __has_include(<unsupported/Eigen/CXX11/Tensor>)
#include <unsupported/Eigen/CXX11/Tensor>
#else
#include <unsupported/Eigen/Tensor>
#endif

namespace tensornorm { inline namespace v0 { namespace detail {

// ----------------------------------------------------------------------------------------------- kinds of Eigen types

template <typename Derived>
std::true_type derives_tensor(const Eigen::TensorBase<Derived, Eigen::ReadOnlyAccessors>*);
std::false_type derives_tensor(const void*);
template <typename Derived>
std::true_type derives_dense(const Eigen::DenseBase<Derived>*);
std::false_type derives_dense(const void*);

template <typename X>
inline constexpr bool is_tensor = decltype(derives_tensor(static_cast<const X*>(nullptr)))::value;
template <typename X>
inline constexpr bool is_dense = decltype(derives_dense(static_cast<const X*>(nullptr)))::value;

/// Tensors with memory of their own or mapped, as opposed to expressions.
template <typename X>
inline constexpr bool is_stored_tensor = false;
template <typename S, int R, int O, typename I>
inline constexpr bool is_stored_tensor<Eigen::Tensor<S, R, O, I>> = true;
template <typename S, typename D, int O, typename I>
inline constexpr bool is_stored_tensor<Eigen::TensorFixedSize<S, D, O, I>> = true;
template <typename P, int O, template <typename> class M>
inline constexpr bool is_stored_tensor<Eigen::TensorMap<P, O, M>> = true;

template <typename X>
inline constexpr bool is_fixed_tensor = false;
template <typename S, typename D, int O, typename I>
inline constexpr bool is_fixed_tensor<Eigen::TensorFixedSize<S, D, O, I>> = true;

template <typename X>
inline constexpr bool is_owning_tensor = false;
template <typename S, int R, int O, typename I>
inline constexpr bool is_owning_tensor<Eigen::Tensor<S, R, O, I>> = true;

/// Whether there is a way to its memory: some of Eigen's expressions have none, and DirectAccessBit all the same.
template <typename X, typename = void>
inline constexpr bool has_data = false;
template <typename X>
inline constexpr bool has_data<X, std::void_t<decltype(std::declval<const X&>().data())>> = true;

/// Whether what a pointer points at is const.
template <typename Pointer>
inline constexpr bool is_const_data = std::is_const_v<std::remove_pointer_t<Pointer>>;

/// What the passes need to know of a type X.
template <typename X, typename = void>
struct EigenTraits {
  static_assert(is_tensor<X> || is_dense<X>,
                "tensornorm: expected an Eigen tensor, matrix or array, or an expression of them");
};

template <typename X>
struct EigenTraits<X, std::enable_if_t<is_tensor<X>>> {
  using Scalar = std::remove_cv_t<typename X::Scalar>;
  using IndexType = typename X::Index;
  static constexpr int rank = X::NumDimensions;
  static constexpr bool row_major = static_cast<int>(Eigen::TensorEvaluator<const X, Eigen::DefaultDevice>::Layout) ==
                                    static_cast<int>(Eigen::RowMajor);
  static constexpr bool has_order = true;
  static constexpr bool has_memory = is_stored_tensor<X>;
  using Plain =
      std::conditional_t<is_fixed_tensor<X>, X,
                         Eigen::Tensor<Scalar, rank, row_major ? Eigen::RowMajor : Eigen::ColMajor, IndexType>>;
};

template <typename X>
struct EigenTraits<X, std::enable_if_t<is_dense<X>>> {
  using Scalar = std::remove_cv_t<typename X::Scalar>;
  using IndexType = Eigen::Index;
  static constexpr int rank = 2;
  static constexpr bool row_major = X::IsRowMajor;
  static constexpr bool has_order = !X::IsVectorAtCompileTime;
  static constexpr bool has_memory = has_data<X> && (int{X::Flags} & int{Eigen::DirectAccessBit}) != 0;
  using Plain = typename X::PlainObject;
};

// ------------------------------------------------------------------------------------ memory of one tensor at hand

/// The sizes along a tensor's axes; prints as PyTorch prints them: [2, 3, 4].
template <std::size_t Rank>
struct Dimensions : std::array<Eigen::Index, Rank> {
  friend std::ostream& operator<<(std::ostream& out, const Dimensions& dimensions) {
    out << '[';
    for (std::size_t i = 0; i < Rank; ++i) out << (i == 0 ? "" : ", ") << dimensions[i];
    return out << ']';
  }
};

/// The largest number of elements that both a tensor's index type and Eigen's can count.
template <typename IndexType>
inline constexpr auto most_elements = static_cast<Eigen::Index>(
    std::min<std::intmax_t>(std::numeric_limits<IndexType>::max(), std::numeric_limits<Eigen::Index>::max()));

/// A tensor's memory: contiguous, in RowMajor or ColMajor order of its axes.
template <typename T, int Rank>
struct Operand {
  T* data;
  Dimensions<std::size_t{Rank}> dimensions;
  bool row_major;
  Eigen::Index most;  // most_elements of its index type

  std::size_t bytes() const {
    std::size_t n = sizeof(T);
    for (const Eigen::Index d : dimensions) n *= static_cast<std::size_t>(d);
    return n;
  }
};

/// Throws std::invalid_argument, of x by its name, where there are sizes and no memory.
template <typename T, int Rank>
void check_memory(const Operand<T, Rank>& x, const char* name) {
  if (x.data == nullptr && x.bytes() > 0)
    fail_argument(name, " of shape ", x.dimensions, " has a null pointer for data");
}

/// Sizes along the axes, of anything.
template <typename X>
auto dimensions_of(const X& x) {
  Dimensions<std::size_t{EigenTraits<X>::rank}> dimensions;
  if constexpr (is_dense<X>) {
    dimensions[0] = x.rows();
    dimensions[1] = x.cols();
  } else {
    using Axis = std::conditional_t<is_owning_tensor<X> || is_fixed_tensor<X>, std::size_t, typename X::Index>;
    for (std::size_t i = 0; i < dimensions.size(); ++i) {
      dimensions[i] = static_cast<Eigen::Index>(x.dimension(static_cast<Axis>(i)));
    }
  }
  return dimensions;
}

/// Whether the memory of an x that has some is contiguous.
template <typename X>
bool is_contiguous(const X& x) {
  if constexpr (is_dense<X>) {
    return (x.innerStride() == 1 || x.innerSize() <= 1) && (x.outerStride() == x.innerSize() || x.outerSize() <= 1);
  } else {
    return true;
  }
}

/// The memory of an x that has some and is contiguous. T: the scalar, const for an input.
template <typename T, typename X>
auto operand_of(X& x) {
  using Traits = EigenTraits<std::remove_const_t<X>>;
  return Operand<T, Traits::rank>{x.data(), dimensions_of(x), Traits::row_major,
                                  most_elements<typename Traits::IndexType>};
}

/// Whether every x of the type has memory that is contiguous.
template <typename X>
inline constexpr bool always_contiguous = (EigenTraits<X>::has_memory && is_tensor<X>);
template <typename Plain, int Alignment>
inline constexpr bool always_contiguous<Eigen::Map<Plain, Alignment, Eigen::Stride<0, 0>>> = true;

/// An input: its own memory where it has any that is contiguous, else that of a copy held here.
template <typename X>
class Input {
 public:
  using Traits = EigenTraits<X>;
  using Scalar = typename Traits::Scalar;
  using Plain = typename Traits::Plain;

  explicit Input(const X& x) : operand_(get(x)) {}
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  const Operand<const Scalar, Traits::rank>& operand() const { return operand_; }

 private:
  // Then it has no room for a copy either: a map's fixed size may be too large for Eigen's own matrices.
  static constexpr bool never_copies = always_contiguous<X>;

  Operand<const Scalar, Traits::rank> get(const X& x) {
    if constexpr (never_copies) {
      return operand_of<const Scalar>(x);
    } else {
      if constexpr (Traits::has_memory) {
        if (is_contiguous(x)) return operand_of<const Scalar>(x);
      }
      copy_ = x;
      return operand_of<const Scalar>(copy_);
    }
  }

  struct Nothing {};
  std::conditional_t<never_copies, Nothing, Plain> copy_;
  Operand<const Scalar, Traits::rank> operand_;
};

/// Whether y is an empty tensor or matrix that can be given any size.
template <typename Y>
bool is_resizable(const Y& y) {
  if constexpr (is_owning_tensor<Y>) {
    return y.size() == 0;
  } else if constexpr (is_dense<Y> && std::is_base_of_v<Eigen::PlainObjectBase<Y>, Y>) {
    return y.size() == 0 && Y::SizeAtCompileTime == Eigen::Dynamic;
  } else {
    return false;
  }
}

/// Whether tensors and matrices of type Y come in these sizes. Where they do not, Eigen's resize asserts or, under
/// NDEBUG, writes past them; sizes that a tensor's index type cannot count would be cut off.
template <typename Y, std::size_t Rank>
constexpr bool comes_in(const Dimensions<Rank>& sizes) {
  if constexpr (is_dense<Y>) {
    const auto allows = [](int fixed, int most, Eigen::Index size) {
      return (fixed == Eigen::Dynamic || size == fixed) && (most == Eigen::Dynamic || size <= most);
    };
    return allows(Y::RowsAtCompileTime, Y::MaxRowsAtCompileTime, sizes[0]) &&
           allows(Y::ColsAtCompileTime, Y::MaxColsAtCompileTime, sizes[1]);
  } else {
    typename Y::Index all = 1;
    bool counted = true;
    for (const Eigen::Index size : sizes) {
      counted = counted && size <= most_elements<typename Y::Index> && !__builtin_mul_overflow(all, size, &all);
    }
    return is_owning_tensor<Y> && counted;
  }
}

/// Gives y the sizes.
template <typename Y, std::size_t Rank>
void resize(Y& y, const Dimensions<Rank>& dimensions) {
  if constexpr (is_owning_tensor<Y>) {
    Eigen::array<typename Y::Index, Rank> sizes;
    for (std::size_t i = 0; i < Rank; ++i) sizes[i] = static_cast<typename Y::Index>(dimensions[i]);
    y.resize(sizes);
  } else if constexpr (is_dense<Y> && std::is_base_of_v<Eigen::PlainObjectBase<Y>, Y>) {
    y.resize(dimensions[0], dimensions[1]);
  }
}

/// Gives an output its sizes, if it has not got them: an empty one that can be resized.
template <typename Y, std::size_t Rank>
void give_sizes(Y& y, const Dimensions<Rank>& dimensions) {
  if (dimensions_of(y) != dimensions) resize(y, dimensions);
}

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 {

/// The types of value an Array can hold.
enum class DType { float64, float32, float16, bfloat16, int64, int32, uint8 };

namespace detail {

/// The DType of values of type T.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, double>) {
    return DType::float64;
  } else if constexpr (std::is_same_v<T, float>) {
    return DType::float32;
  } else if constexpr (std::is_same_v<T, Eigen::half>) {
    return DType::float16;
  } else if constexpr (std::is_same_v<T, Eigen::bfloat16>) {
    return DType::bfloat16;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return DType::int64;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return DType::int32;
  } else {
    static_assert(std::is_same_v<T, std::uint8_t>,
                  "tensornorm: an array holds double, float, half, bfloat16, int64_t, int32_t or uint8_t");
    return DType::uint8;
  }
}

/// call(T{}) with the type behind a dtype.
template <typename Call>
auto with_type_of(DType dtype, const Call& call) {
  switch (dtype) {
    case DType::float64:
      return call(double{});
    case DType::float32:
      return call(float{});
    case DType::float16:
      return call(Eigen::half{});
    case DType::bfloat16:
      return call(Eigen::bfloat16{});
    case DType::int64:
      return call(std::int64_t{});
    case DType::int32:
      return call(std::int32_t{});
    case DType::uint8:
      return call(std::uint8_t{});
  }
  fail_argument("dtype should be one of DType's, not ", static_cast<int>(dtype));
}

inline std::string shape_text(const std::vector<std::int64_t>& shape, const char* separator = ", ") {
  std::string sizes;
  for (const std::int64_t size : shape) sizes += (sizes.empty() ? "" : separator) + std::to_string(size);
  return '[' + sizes + ']';
}

/// Elements of a shape, and -1 when a size is negative or the others, sizes of 0 left out as numpy leaves them out,
/// multiply to more than 2^63 - 1.
inline std::int64_t count_elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  bool empty = false;
  for (const std::int64_t size : shape) {
    empty = empty || size == 0;
    if (size < 0 || (size > 0 && __builtin_mul_overflow(count, size, &count))) return -1;
  }
  return empty ? 0 : count;
}

/// Where the i-th element of a tensor, counted in C order, lies in its ColMajor memory.
template <typename Sizes>
std::int64_t column_major(std::int64_t i, const Sizes& sizes) {
  std::int64_t position = 0;
  for (std::size_t axis = sizes.size(); axis > 0;) {  // the last axis counts fastest in i, and slowest in memory
    --axis;
    position = position * sizes[axis] + i % sizes[axis];
    i /= sizes[axis];
  }
  return position;
}

}  // namespace detail

/// Values it owns, in C order (the last axis counts fastest), with their dtype and shape. A shape of [] is one number.
///
/// What is wrong with a shape, a number of values or a conversion throws std::invalid_argument. All calls but the
/// accessors and copies, which share the values, take O(size) time. The const members are safe from many threads at
/// once. An Array that was moved from may only be assigned to or destroyed.
class Array {
 public:
  /// Sizes along the axes.
  using Shape = std::vector<std::int64_t>;

  /// A copy.
  Array(const Array&) = default;
  /// Takes over what the other has.
  Array(Array&&) = default;
  /// Takes over what the other has.
  Array& operator=(Array&&) = default;
  /// By way of a copy: when memory for that runs out, this array is as it was.
  Array& operator=(const Array& other) { return *this = Array(other); }

  /// The values of `shape`, as many as its sizes multiply to.
  template <typename T>
  Array(Shape shape, std::vector<T> values) : dtype_(detail::dtype_of<T>()), shape_(std::move(shape)) {
    const auto count = static_cast<std::int64_t>(values.size());
    if (detail::count_elements(shape_) != count) {
      detail::fail_argument("values should be as many as the shape ", detail::shape_text(shape_), " says, not ", count);
    }
    values_ = std::make_shared<const std::vector<T>>(std::move(values));
  }

  /// Zeros, of sizes like Shape. A template, so that programs which do not call it need not compile it.
  template <typename Sizes = Shape>
  static Array zeros(DType dtype, const Sizes& shape) {
    const std::int64_t count = detail::count_elements(shape);
    if (count < 0)
      detail::fail_argument("shape should be of sizes that can be counted, not ", detail::shape_text(shape));
    return detail::with_type_of(dtype, [&](auto zero) {
      if (count > std::numeric_limits<std::int64_t>::max() / std::int64_t{sizeof(zero)}) {
        detail::fail_argument("shape should be of values that memory can have, not ", detail::shape_text(shape));
      }
      return Array(shape, std::vector<decltype(zero)>(static_cast<std::size_t>(count), zero));
    });
  }

  /// A copy of an Eigen tensor, matrix or expression of any storage order. The shape of a vector is [size]. Throws
  /// std::invalid_argument for a map of no memory that has sizes.
  template <typename X>
  static Array from(const X& x) {
    using Traits = detail::EigenTraits<X>;
    const detail::Input<X> in(x);
    const auto& operand = in.operand();
    const auto& sizes = operand.dimensions;
    const std::size_t count = operand.bytes() / sizeof(typename Traits::Scalar);
    detail::check_memory(operand, "x");
    std::vector<typename Traits::Scalar> values(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto c_order = static_cast<std::int64_t>(i);
      values[i] = operand.data[operand.row_major ? c_order : detail::column_major(c_order, sizes)];
    }
    if constexpr (!Traits::has_order) return Array({static_cast<std::int64_t>(count)}, std::move(values));
    return Array(Shape(sizes.begin(), sizes.end()), std::move(values));
  }

  /// The type of the values.
  DType dtype() const { return dtype_; }
  /// Sizes along the axes: [] for one number.
  const Shape& shape() const { return shape_; }
  /// Number of values.
  std::int64_t size() const { return detail::count_elements(shape_); }

  /// The values as they are stored: T must be the type of dtype().
  template <typename T>
  const std::vector<T>& values() const {
    if (dtype_ != detail::dtype_of<T>()) {
      detail::fail_argument("values should be asked for in the type they have");
    }
    return *static_cast<const std::vector<T>*>(values_.get());
  }

  /// visitor(const std::vector<T>&), with the T of dtype().
  template <typename Visitor>
  auto visit(const Visitor& visitor) const {
    return detail::with_type_of(dtype_, [&](auto type) { return visitor(values<decltype(type)>()); });
  }

  /// The values as numbers of type T: reals are rounded and must not overflow, whole numbers must come out exact.
  template <typename T>
  std::vector<T> as() const {
    return visit([this](const auto& values) {
      using From = typename std::decay_t<decltype(values)>::value_type;
      std::vector<T> numbers;
      if constexpr (detail::is_castable<T, From>) {
        numbers.reserve(values.size());
        for (const From value : values) {
          if (!detail::fits<T>(value)) fail_cast(detail::plain_number(value));
          numbers.push_back(detail::nearest_number<T>(value));
        }
      } else {
        fail_cast("a real number");
      }
      return numbers;
    });
  }

  /// An Eigen tensor, matrix or vector of type X, of either storage order: `weight.to<Eigen::MatrixXf>()`.
  template <typename X>
  X to() const {
    using Traits = detail::EigenTraits<X>;
    static_assert(Traits::has_memory && std::is_default_constructible_v<X>,
                  "tensornorm: ask for a tensor, matrix or vector that owns its memory");
    const auto sizes = dimensions_for<X>();
    X x;
    if (detail::comes_in<X>(sizes)) detail::give_sizes(x, sizes);
    if (detail::dimensions_of(x) != sizes) {
      detail::fail_argument("array should have the shape ", detail::dimensions_of(x), ", not ",
                            detail::shape_text(shape_));
    }
    const auto numbers = as<typename Traits::Scalar>();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto c_order = static_cast<std::int64_t>(i);
      x.data()[Traits::row_major ? c_order : detail::column_major(c_order, sizes)] = numbers[i];
    }
    return x;
  }

 private:
  template <typename X>
  auto dimensions_for() const {
    using Traits = detail::EigenTraits<X>;
    detail::Dimensions<std::size_t{Traits::rank}> sizes;
    constexpr std::size_t rank = Traits::has_order ? sizes.size() : 1;
    if (shape_.size() != rank) {
      detail::fail_argument("array should have ", rank, rank == 1 ? " axis" : " axes", ", not the shape ",
                            detail::shape_text(shape_));
    }
    sizes.fill(1);
    const bool is_row = !Traits::has_order && Traits::row_major;
    for (std::size_t i = 0; i < rank; ++i) sizes[i + (is_row ? 1 : 0)] = static_cast<Eigen::Index>(shape_[i]);
    return sizes;
  }

  template <typename Value>
  [[noreturn]] void fail_cast(const Value& value) const {
    detail::fail_argument("array holds ", value, ", which the type asked for cannot");
  }

  DType dtype_;
  Shape shape_;
  std::shared_ptr<const void> values_;  // a std::vector of dtype_'s type, which never changes: copies share it
};

}}  // namespace tensornorm::v0

// ---- tensornorm/batch_norm.hpp
// The layers: BatchNorm1d, BatchNorm2d and BatchNorm3d, with the meaning of torch.nn's.

// ---- tensornorm/detail/layer_loading.hpp
// A layer's state as a StateDict, and back. Loading finds every fault before it changes anything.

// ---- tensornorm/state_dict.hpp
// Names and arrays in order: what a layer or a network knows, as PyTorch's state_dict() gives it.

namespace tensornorm { inline namespace v0 {

/// Arrays by name, in the order they were inserted, and the free text that a file carries beside them.
///
/// Meaning: torch.nn.Module.state_dict (https://pytorch.org/docs/stable/generated/torch.nn.Module.html). Names are
/// those of PyTorch: a layer's prefix ends in a dot, "features.1.running_mean". Lookups take O(log size) time. The
/// const members are safe from many threads at once.
class StateDict {
 public:
  /// A name and its array.
  using Entry = std::pair<std::string, Array>;

  /// An empty dict.
  StateDict() = default;
  /// A copy.
  StateDict(const StateDict&) = default;
  /// Takes over what the other has.
  StateDict(StateDict&&) = default;
  /// Takes over what the other has.
  StateDict& operator=(StateDict&&) = default;
  /// By way of a copy: when memory for that runs out, this dict is as it was.
  StateDict& operator=(const StateDict& other) { return *this = StateDict(other); }

  /// Throws std::invalid_argument when the name is taken; the dict is then as it was.
  void insert(std::string name, Array array) {
    const auto [place, is_new] = index_.emplace(name, entries_.size());
    if (!is_new) fail_taken(name);
    try {
      entries_.emplace_back(std::move(name), std::move(array));
    } catch (...) {
      index_.erase(place);
      throw;
    }
  }
  /// All entries of another one, such as a second layer's: all of them, or none where that throws.
  void insert(const StateDict& other) {
    const std::size_t before = size();
    try {
      for (const auto& [name, array] : other.entries_) insert(name, array);
    } catch (...) {
      for (; size() > before; entries_.pop_back()) index_.erase(entries_.back().first);
      throw;
    }
  }

  /// Whether there is an array of that name.
  bool contains(const std::string& name) const { return index_.count(name) > 0; }
  /// The array of that name, or null. Lasts until the next insert(), as references to entries do.
  const Array* find(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &entries_[found->second].second;
  }
  /// The array of that name. Throws std::invalid_argument when there is none.
  const Array& at(const std::string& name) const {
    const Array* array = find(name);
    if (array == nullptr) detail::fail_argument("state dict should have \"", name, "\", and does not");
    return *array;
  }

  /// Number of arrays.
  std::size_t size() const { return entries_.size(); }
  /// Whether there are none.
  bool empty() const { return entries_.empty(); }
  /// The entries, in the order they were inserted: `for (const auto& [name, array] : dict)`.
  auto begin() const { return entries_.begin(); }
  /// Past the last entry.
  auto end() const { return entries_.end(); }

  /// Text by name: a safetensors file's __metadata__. PyTorch keeps eps and momentum nowhere; they can stand here.
  std::map<std::string, std::string>& metadata() { return metadata_; }
  /// The same, to read.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  [[noreturn]] static void fail_taken(const std::string& name) {
    detail::fail_argument("state dict should not have \"", name, "\" yet");
  }

  std::vector<Entry> entries_;
  std::map<std::string, std::size_t> index_;  // name -> place among the entries
  std::map<std::string, std::string> metadata_;
};

}}  // namespace tensornorm::v0

// ---- tensornorm/detail/layer_state.hpp
// What a layer owns, and whether that and a user's tensors are fit for a pass. Nothing here computes on a tensor.

// ---- tensornorm/functional.hpp
// Batch normalization without a layer: passes over memory seen as [outer, channels, inner].
//
// Each pass comes whole (training_forward, training_backward: a block of channels is read from memory once, and is
// still in cache when it is read again) and as the two halves it is made of, for statistics that are merged from
// elsewhere between them. The definitions are those of Ioffe and Szegedy, "Batch Normalization" (2015), with PyTorch's
// conventions (https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html).
//
// Views are [outer, channels, inner], inputs of const values: ChannelView<const float>{pointer, {outer, channels,
// inner}} or channel_view(std::as_const(x)). What is called [C] has one number a channel; a Scalar is double for values
// of double, and else float. Nothing is checked here: views must not be empty, outputs must not partly overlap inputs,
// dx not be x. Nothing throws. On one thread nothing allocates; a pool is handed its work in some memory, without which
// fewer threads help. Passes that merge partial results are given a Scratch of at least scratch_doubles(). Every pass
// takes O(values) time. Calls are safe side by side if their outputs and scratch differ. Results have the same bits on
// every device.

// ---- tensornorm/channel_view.hpp
// Any Eigen tensor or matrix as [outer, channels, inner]: element (o, c, i) at (o * channels + c) * inner + i.
//
// With the channels along axis a, RowMajor storage has outer = product of the sizes before a and inner = product of
// those after it; ColMajor the other way round. NCHW, NHWC, Eigen's ColMajor and (N, C) matrices are all this one
// formula.

// ---- tensornorm/detail/traversal.hpp
// How a tensor [outer, channels, inner] is walked: which traversal, which blocks of channels, which chunks of a block.
// All of it follows from the shape and the size of a value, never from the number of threads, so that the order of
// every sum, and with it every bit of a result, is the same on one thread and on many. (What caches there are decides
// how many channels are a block of runs, which are summed each by itself, and what is mapped apart.)
//
//   runs   a channel's values lie in long runs of `inner`; a run is read with its channel's numbers in registers.
//   rows   inner is short (1 in NHWC and (N, C)): a row of channels*inner neighbouring lanes is read at once, each lane
//          with its own numbers. When a row is short too, or no whole cache lines, `fold` rows that follow each other
//          count as one.

// ---- tensornorm/detail/caches.hpp
// What the processor's caches are like, as far as it decides how memory is moved. Eigen knows their sizes, from the
// processor or from Eigen::setCpuCacheSizes(). No bit of a result depends on them: what decides the order of sums is
// fixed by the shape (traversal.hpp).
//
// Measured on Intel's Emerald Rapids, a server, whose cores have 2 MiB of L2 each and share 260 MiB that are far from
// all of them. To write there takes as long as to write to memory, and first the line that is written over is read.

namespace tensornorm { inline namespace v0 { namespace detail {

using Eigen::Index;

inline constexpr Index large_l2_bytes = 2 * 1024 * 1024;  // of a second cache that is large, at least
inline constexpr Index far_l3_bytes = 64 * 1024 * 1024;   // of a last cache that is far, more than

/// Whether two blocks of several tensors fit in L2 together.
inline bool has_large_l2() { return Eigen::l2CacheSize() >= large_l2_bytes; }

/// Whether `bytes` do not stay near, as they do not fit L2, which is large, and the last cache is far. Written past the
/// caches, what leaves L2 takes 1 to 0.4 of the time in eval of 1.05 to 6.4 MB, 0.95 to 0.5 in training and 0.8 to 0.55
/// in backward; of 0.8 MB, which stay, eval takes 1.5 times as long. On AMD's Zen 5 (1 MiB of L2, 32 MiB of L3) a copy
/// of 6.4 MB takes 1.4 times as long past the caches. Not inlined, for the sake of small tensors.
[[gnu::noinline]] inline bool leaves_near_caches(Index bytes) {
  return has_large_l2() && bytes > Eigen::l2CacheSize() && Eigen::l3CacheSize() > far_l3_bytes;
}

}}}  // namespace tensornorm::v0::detail

// ---- tensornorm/detail/packet.hpp
// Packets: the SIMD vectors that the kernels compute with. This façade is the only file that names Eigen's internals or
// an instruction set; everything else sees Packet<Lane>, a value with +, -, *, fma, load and store.
//
// A lane is float or double; memory holds float, double, half or bfloat16. Loads widen to the lane's type, stores round
// once to the memory's type. Wherever an intrinsic is used, a plain path that every target compiles stands beside it.

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

namespace tensornorm { inline namespace v0 { namespace detail {

struct Shape {
  Index outer, channels, inner;

  Index size() const { return outer * channels * inner; }
  Index per_channel() const { return outer * inner; }
  /// Where element (o, c, i) lies.
  Index offset(Index o, Index c, Index i) const { return (o * channels + c) * inner + i; }
};

/// A part of a tensor: [outer_begin, outer_end) x [channel_begin, channel_end) x [inner_begin, inner_end).
struct Box {
  Index outer_begin, outer_end, channel_begin, channel_end, inner_begin, inner_end;

  Index channels() const { return channel_end - channel_begin; }
  Index per_channel() const { return (outer_end - outer_begin) * (inner_end - inner_begin); }
};

// Tuning constants. Blocks of 256 KiB were as fast on an AMD Zen 5 server core (1 MiB L2), and took up to a third
// longer on Zen 3 (512 KiB), where two blocks and their outputs do not fit. Blocks of 64 KiB gained nothing there, and
// two threads took up to 1.7 times as long. Narrower columns of rows were much slower. The other numbers follow from
// the sizes of the caches.
inline constexpr Index block_lanes = 1024;               // most lanes, or channels, a block: their numbers fit in L1
inline constexpr Index block_columns = 512;              // the same where inner is 1 and rows are longer
inline constexpr Index folded_lanes = 64;                // of rows that are short: a tile of them is little of L1
inline constexpr Index narrow_lanes = 256;               // wider rows are summed packet by packet: see patch.hpp
inline constexpr Index block_bytes = 128 * 1024;         // of x a block: it is still in L2 for the second pass
inline constexpr Index chunk_bytes = 256 * 1024;         // of x a chunk, the unit of work of larger blocks
inline constexpr Index l2_bytes = 512 * 1024;            // of the second cache, at least
inline constexpr Index cache_bytes = 12 * 1024 * 1024;   // a larger tensor leaves the last cache, with its output
inline constexpr Index crowded_bytes = 4 * 1024 * 1024;  // a tensor, three of which do not fit the last cache with ease
inline constexpr Index page_bytes = 4 * 1024;            // prefetchers of the hardware end at the end of a page
inline constexpr Index short_inner = 64;   // runs up to here may be walked as rows, if there are enough rows
inline constexpr Index mapped_inner = 16;  // runs from here on can be mapped as runs
inline constexpr Index tile_rows = 8;      // rows, at least, summed in registers before memory is used

inline Index round_down(Index n, Index multiple) { return n / multiple * multiple; }

/// Steps of size `step` that cover n. Divides only where it must: a few divisions take as long as a small tensor.
inline Index steps(Index n, Index step) { return step >= n ? 1 : (n + step - 1) / step; }

/// Whether a tensor is too large to be in a cache when it is read, and its output when it is written.
inline bool leaves_cache(Shape shape, Index value_bytes) { return shape.size() * value_bytes > cache_bytes; }

/// The walk of one tensor.
class Plan {
 public:
  Shape shape;
  Index value_bytes;  // of one
  bool rows;          // else runs
  Index fold;         // rows only: how many outer indices count as one row
  Index block_channels, chunk_outer, chunk_inner;
  Index blocks, outer_chunks, chunks;  // how many there are; chunks: of one block
  bool beyond_cache;                   // leaves_cache(), of the tensor

  /// Channels a block, outer and inner a chunk; each may be more than there are.
  Plan(Shape s, Index bytes_a_value, bool walk_rows, Index fold_rows, Index channels, Index outer, Index inner)
      : shape(s),
        value_bytes(bytes_a_value),
        rows(walk_rows),
        fold(fold_rows),
        block_channels(std::min(channels, s.channels)),
        chunk_outer(std::min(outer, s.outer)),
        chunk_inner(std::min(inner, s.inner)),
        blocks(steps(s.channels, channels)),
        outer_chunks(steps(s.outer, outer)),
        chunks(outer_chunks * steps(s.inner, inner)),
        beyond_cache(leaves_cache(s, bytes_a_value)) {}

  Index bytes() const { return shape.size() * value_bytes; }  // of the tensor

  Box box(Index block, Index chunk) const {
    const Index c = block * block_channels, end = std::min(c + block_channels, shape.channels);
    if (chunk == 0) return {0, chunk_outer, c, end, 0, chunk_inner};  // a small tensor's only one
    const Index inner_chunk = chunk < outer_chunks ? 0 : chunk / outer_chunks;
    const Index o = (chunk - inner_chunk * outer_chunks) * chunk_outer, i = inner_chunk * chunk_inner;
    return {o, std::min(o + chunk_outer, shape.outer), c, end, i, std::min(i + chunk_inner, shape.inner)};
  }
};

static_assert(block_lanes / short_inner >= 16, "a block of rows is a multiple of 16 channels");
/// Whether runs of more than four values are so short that channels are better summed side by side: those of up to half
/// of short_inner, and longer ones of values of two bytes, or where a block of runs would have less than
/// `least_channels`, neighbours in memory. As runs, statistics of 7x7 take 0.85 to 1.05 of the time and backward 0.75
/// to 1.05, but statistics of 1024x16x7x7 1.3 times as long, and of half with AVX2 up to twice as long (Emerald
/// Rapids).
inline bool walks_short_runs_as_rows(Index outer, Index inner, Index value_bytes) {
  constexpr Index least_channels = 8;
  if (inner > short_inner || outer < tile_rows) return false;
  return value_bytes < 4 || inner <= short_inner / 2 || least_channels * outer * inner * value_bytes > block_bytes;
}
/// Whether channels are summed side by side, as lanes of a row.
inline bool walks_rows(Shape shape, Index value_bytes) {
  if (shape.channels == 1) return false;
  return shape.inner <= 4 || walks_short_runs_as_rows(shape.outer, shape.inner, value_bytes);
}

/// Whether maps of runs in cache make one packet of the end of a run and the beginning of the next: of values of two
/// bytes that takes longer with AVX2 or less, where they are rounded in several steps.
constexpr bool joins_runs(Index value_bytes) { return value_bytes >= 4 || width<float> >= 16; }

/// Whether runs so short are better mapped one by one, in the order of memory, than a block of rows after the other:
/// eval of 4x4 to 8x8 takes up to a half less, if the ends of runs cost no more than the rest. In place they do unless
/// runs are joined, as no packet may be computed twice. What goes past the caches does so in whole lines: else eval of
/// 64x4096x5x5 took 1.7 times as long as by rows, and of 256x512x7x7 no less.
inline bool maps_runs(Shape shape, Index value_bytes, bool in_place) {
  if (shape.inner < mapped_inner) return false;
  if (leaves_cache(shape, value_bytes)) return shape.inner * value_bytes % Index{cache_line} == 0;
  return !in_place || joins_runs(value_bytes) || shape.inner % width<float> == 0;
}

/// One channel is one long run.
inline Shape canonical(Shape shape) { return shape.channels == 1 ? Shape{1, 1, shape.outer * shape.inner} : shape; }

/// Channels that make a block of rows: whole cache lines of floats, whatever inner is, so that all blocks are aligned
/// if the first is.
inline Index channels_of_rows(Shape shape) {
  // Rows that are one block lie in one piece: eval of (64, 1024) takes a third less time than in two.
  if (shape.inner == 1) return shape.channels <= block_lanes ? shape.channels : block_columns;
  return std::min(shape.channels, round_down(block_lanes / shape.inner, 16));
}

inline constexpr Index block_of_lines_bytes = 512 * 1024;  // of x a block, at most, for the sake of whole cache lines

/// Whether blocks may be larger than block_bytes for the sake of whole cache lines: where outputs are written past the
/// caches. Beyond the last cache they gain with AVX-512 alone: with SSE2 training of 64x256x14x14 takes 1.17 times as
/// long.
inline bool gains_by_lines(Shape shape, Index value_bytes) {
  if (leaves_cache(shape, value_bytes)) return width<float> >= 16;
  return leaves_near_caches(2 * shape.size() * value_bytes);
}

/// Channels that make a block of runs, where there are several: as many in each, as the one that is mapped beside sums
/// of the next is to be as large (training and backward of 4x32x28x28 take 0.9 of the time so); and whole cache lines
/// of outputs, so that no line is written by two blocks. Past the caches each such line takes about 100 ns: training
/// and backward of 32x256x14x14, four of whose runs are whole lines, take 0.9 and 0.8 of the time of blocks of five. To
/// be whole lines blocks may be larger, too: in blocks of 200 KiB in place of 100 training and backward of 64x256x14x14
/// take 0.78 and 0.95 of the time, of 64x128x14x14 0.78 and 0.73, in blocks of 400 KiB those of 128x512x14x14 0.8 and
/// 0.65. All on Emerald Rapids.
inline Index channels_of_runs(Shape shape, Index value_bytes) {
  const Index channel_bytes = shape.per_channel() * value_bytes;
  const Index most = std::clamp<Index>(block_bytes / channel_bytes, 1, block_lanes);
  if (most >= shape.channels) return most;
  const Index equal = steps(shape.channels, steps(shape.channels, most));
  const Index line = std::max<Index>(1, Index{cache_line} / value_bytes), power_of_2 = shape.inner & -shape.inner;
  const Index whole = line / std::min(line, power_of_2);  // of them are whole lines; a line is a power of 2 too
  if (most >= whole) return std::min(steps(equal, whole) * whole, round_down(most, whole));
  const bool larger = whole < shape.channels && whole * channel_bytes <= block_of_lines_bytes;
  return larger && gains_by_lines(shape, value_bytes) ? whole : equal;
}

/// Rows that count as one. Where 16 such rows are left: so many that they are whole cache lines of floats and have
/// folded_lanes lanes or more. Then all start aligned if the first does; rows of 40 or 50 channels, whose ends are
/// written in parts, took twice as long past the caches, and half as long again in cache. Where lines would be more
/// than a block, or rows are fewer: rows up to folded_lanes / 2 about folded_lanes, as long as tile_rows of them are
/// left, and others what is still narrow, if 32 are. block: channels_of_rows().
inline Index fold_of(Shape shape, Index block) {
  const Index row = shape.channels * shape.inner, most = shape.outer / tile_rows;
  if (most < 2 || block < shape.channels) return 1;
  const Index lines = 16 / std::gcd(row, Index{16}), whole = std::max(lines, round_down(folded_lanes / row, lines));
  if (whole * row <= block_lanes && 2 * whole <= most) return whole;
  if (row <= folded_lanes / 2) return std::min(most, whole * row <= 2 * folded_lanes ? whole : folded_lanes / row);
  const Index fold = narrow_lanes / row;
  return fold > 1 && 4 * fold <= most ? fold : 1;
}

/// Outer indices that make a chunk of rows of `lanes` lanes, a multiple of whole tiles.
inline Index rows_of_chunk(Shape shape, Index lanes, Index fold, Index value_bytes) {
  if (shape.outer * lanes * value_bytes <= chunk_bytes) return shape.outer;
  const Index tile = fold * tile_rows;
  return std::max(tile, round_down(chunk_bytes / value_bytes / lanes, tile));
}

/// The walk of a tensor, not empty, whose channels are first summed and then mapped: blocks that stay in cache.
inline Plan plan_reduction(Shape shape, Index value_bytes) {
  if (walks_rows(shape, value_bytes)) {
    const Index block = channels_of_rows(shape);
    const Index fold = fold_of(shape, block);
    return {shape,      value_bytes, true, fold, block, rows_of_chunk(shape, block * shape.inner, fold, value_bytes),
            shape.inner};
  }
  shape = canonical(shape);
  const Index chunk_values = chunk_bytes / value_bytes, block = channels_of_runs(shape, value_bytes);
  if (shape.per_channel() <= chunk_values) return {shape, value_bytes, false, 1, block, shape.outer, shape.inner};
  const Index outer = std::max<Index>(1, chunk_values / shape.inner);
  return {shape, value_bytes, false, 1, block, outer > tile_rows ? round_down(outer, tile_rows) : outer, chunk_values};
}

/// The walk of a tensor, not empty, that is only mapped: pieces of memory that follow each other, as they come.
inline Plan plan_map(Shape shape, Index value_bytes, bool in_place = false) {
  shape = canonical(shape);
  if (walks_rows(shape, value_bytes) && !maps_runs(shape, value_bytes, in_place))
    return plan_reduction(shape, value_bytes);
  const Index chunk_values = chunk_bytes / value_bytes, plane = shape.channels * shape.inner;
  if (shape.size() <= chunk_values && shape.channels <= block_lanes) {
    return {shape, value_bytes, false, 1, shape.channels, shape.outer, shape.inner};
  }
  const Index block = std::clamp<Index>(chunk_values / shape.inner, 1, block_lanes);
  return {shape, value_bytes, false, 1, block, std::max<Index>(1, chunk_values / plane), chunk_values};
}

/// Whether a tensor that is reduced in this walk is mapped in one of its own afterwards, in the order of memory, rather
/// than block by block. Within the last cache that is faster where it maps runs instead of rows, and where outputs are
/// short pieces far apart that crowd out each other: 32x256x14x14 takes a fifth less, but 8x128x28x28, of 3 MB, a fifth
/// more. Beyond it, where a channel of short pieces does not stay in the last cache itself, and memory would be read
/// and written piece by piece: 8192x32x14x14 takes half, but 256x128x28x28, of 800 KB a channel, a third more. Where
/// that cache is far, outputs are written past it, crowd out nothing, and need only be whole lines.
inline bool maps_apart(const Plan& reduction, bool in_place) {
  const Shape& shape = reduction.shape;
  const Index value_bytes = reduction.value_bytes;
  if (reduction.rows) return !in_place && !reduction.beyond_cache && maps_runs(shape, value_bytes, false);
  const Index run_bytes = shape.inner * value_bytes;
  if (shape.outer == 1 || run_bytes > page_bytes) return false;  // no short pieces
  if (reduction.beyond_cache && 2 * shape.per_channel() * value_bytes > crowded_bytes) return true;
  if (in_place || reduction.blocks == 1) return false;
  if (leaves_near_caches(2 * reduction.bytes())) return reduction.block_channels * run_bytes % Index{cache_line} != 0;
  return !reduction.beyond_cache && reduction.bytes() > crowded_bytes;
}

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 {

/// Sizes of the three axes that every tensor comes down to: an aggregate of outer, channels and inner.
using Shape = detail::Shape;

/// Values of type T (perhaps const), contiguous, seen as [outer, channels, inner]. Owns nothing.
template <typename T>
struct ChannelView {
  T* data;      ///< outer * channels * inner values
  Shape shape;  ///< [outer, channels, inner]

  /// Number of values.
  Eigen::Index size() const { return shape.size(); }
};

namespace detail {

/// [outer, channels, inner] of an operand whose channels lie along channel_axis, which may count from the last axis.
template <typename T, int Rank>
Shape shape_of(const Operand<T, Rank>& x, int channel_axis, const char* name) {
  if (channel_axis < -Rank || channel_axis >= Rank) {
    fail_argument("channel_axis should be in [", -Rank, ", ", Rank, ") for the ", Rank, "D ", name, ", not ",
                  channel_axis);
  }
  const int axis = channel_axis < 0 ? channel_axis + Rank : channel_axis;
  Eigen::Index before = 1, after = 1, all = 1;
  bool all_counted = true, empty = false;  // counted as if every size were 1 at least
  for (int i = 0; i < Rank; ++i) {
    const Eigen::Index size = x.dimensions[static_cast<std::size_t>(i)];
    if (size < 0) fail_argument(name, " has a negative size: ", x.dimensions);
    empty = empty || size == 0;
    Eigen::Index& side = i < axis ? before : after;
    if (i != axis) __builtin_mul_overflow(side, size, &side);  // too many for it are too many in all
    all_counted = !__builtin_mul_overflow(all, std::max<Eigen::Index>(size, 1), &all) && all_counted;
  }
  if (!empty && (!all_counted || all > x.most)) {
    fail_argument(name, " of shape ", x.dimensions, " has more elements than its index type can count");
  }
  constexpr Eigen::Index most_bytes = std::numeric_limits<Eigen::Index>::max();  // Operand::bytes counts no further
  if (!empty && all > most_bytes / Eigen::Index{sizeof(T)}) {
    fail_argument(name, " of shape ", x.dimensions, " has more bytes than memory can have");
  }
  if (!all_counted) before = after = 0;  // an empty tensor
  const Eigen::Index channels = x.dimensions[static_cast<std::size_t>(axis)];
  return x.row_major ? Shape{before, channels, after} : Shape{after, channels, before};
}

}  // namespace detail

/// A tensor, matrix or map with contiguous memory, its channels along channel_axis (negative: counted from the last).
/// Throws std::invalid_argument when the axis is outside the tensor, the memory not contiguous, or a size negative or
/// beyond counting. Of a const X the values are const too, also of a map that would let them be written. O(1).
template <typename X>
auto channel_view(X& x, int channel_axis = 1) {
  using Traits = detail::EigenTraits<std::remove_const_t<X>>;
  static_assert(Traits::has_memory, "tensornorm: a view needs memory; evaluate the expression first");
  if (!detail::is_contiguous(x)) detail::fail_argument("x should be contiguous");
  using Value = std::remove_pointer_t<decltype(x.data())>;
  using T = std::conditional_t<std::is_const_v<X>, const Value, Value>;
  const auto operand = detail::operand_of<T>(x);
  return ChannelView<T>{operand.data, detail::shape_of(operand, channel_axis, "x")};
}

}}  // namespace tensornorm::v0

// ---- tensornorm/detail/backward.hpp
// The gradients of y = xhat * weight + bias, xhat = (x - mean) * invstd, for a box.
//
// With db = sum dy and dw = sum dy * xhat over a channel's n values (Ioffe and Szegedy, 2015, section 3):
//   training  dx = weight * invstd * (dy - db/n - xhat * dw/(n - correction))
//   eval      dx = weight * invstd * dy

// ---- tensornorm/detail/normalize.hpp
// y = (x - mean) * weight * invstd + bias, for a box.
//
// The mean is kept as two floats, hi + lo, and the product weight*invstd is folded into one number a channel:
//
//   training  y = fma((x - hi) - lo, scale, bias)
//   eval      y = fma(x - hi, scale, bias), as running_mean is a float already: lo = 0
//
// With g = y - bias and u = 2^-24 its error is at most u (3|g| + |y|), besides that of the statistics. x - hi is exact
// for x near the mean, so a large mean costs nothing, and a constant channel gives bias bit for bit.
//
// Where float cannot hold what is between (x - mean or a term of dx overflows, or scale leaves the range of normal
// floats) a channel is wide: the vector pass copies it, exactly, and it is then computed in double where it lies.

// ---- tensornorm/detail/elementwise.hpp
// The one element pass of the library: out = f(inputs at the element, its channel's coefficients). Normalising and the
// input's gradient are two choices of f. Coefficients are folded a channel beforehand; nothing here divides.
//
// An operation F offers
//   F::coefficients                        how many numbers a channel has
//   f(offset, coefficients, extent)        the results at the elements from `offset` on, with -, * and fma alone:
//                                          a packet; in rows, for Two, a pair, of pairs of coefficients; in runs, for
//                                          TwoMixed, a pair, of the same coefficients in all lanes
//   f.prefetch(offset)                     asks for the inputs at an element that may lie outside the tensor

// ---- tensornorm/detail/loops.hpp
// Loops over contiguous lanes. The remainder that does not fill a packet is handled here and nowhere else: a kernel is
// a lambda that takes a position and an extent (Whole, Part or Two) and passes the extent on to load and store.

// ---- tensornorm/detail/packet_pair.hpp
// Two packets at once, for memory that is stored faster so: stored_in_pairs of packet.hpp says which.

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

// ---- tensornorm/detail/movement.hpp
// How an element pass moves memory: through the caches or past them, and what it asks for ahead. It follows from the
// walk and from what was read before.

namespace tensornorm { inline namespace v0 { namespace detail {

/// What an element pass is told of it.
struct Movement {
  bool streamed = false;       // results go past the caches
  bool last_to_first = false;  // runs, not rows, are walked back, so that what was read last comes first
  bool may_repeat = false;     // some results may be computed twice: out is none of the inputs, and is not streamed
  Index next = 0;              // distance in elements to what is read next: prefetched. 0: nothing
  Index next_out = 0;          // the same of what is written
};

// Measured on 32x64x56x56 in all layouts. Twice as far is as fast, half as far takes a twentieth longer.
inline constexpr Index prefetch_bytes = 8 * 1024;  // ahead of an element pass that reads what no other has
inline constexpr Index prefetch_rows = 4;          // the same where a block is a column of the rows; not measured

// `after_reduction`: the element pass follows one that read the block, and is followed by one that reads the neighbour.

/// How far ahead an element pass that reads `inputs` tensors asks for them, in elements. 0: not at all.
///
///   rows, in several blocks                               some rows further down the column
///   in cache                                              nothing
///   nothing summed before, or rows                        a few KB further on
///   summed before, and two blocks fit in L2               the same place in the next block
///   summed before, and they do not                        nothing
inline Index next_input(const Plan& plan, Index inputs, bool after_reduction) {
  if (plan.rows && plan.blocks > 1) return prefetch_rows * plan.shape.channels * plan.shape.inner;
  if (!plan.beyond_cache) return 0;
  if (!after_reduction || plan.rows) return prefetch_bytes / plan.value_bytes;  // rows were summed long ago
  const Index block = plan.block_channels * plan.shape.per_channel() * plan.value_bytes * inputs;
  const bool two_in_cache = block <= l2_bytes;  // this one and the next one, in L2
  return two_in_cache ? plan.block_channels * plan.shape.inner : 0;
}

/// The same for its output: a row further, where a block is written in short pieces far apart within the last cache. No
/// prefetcher of the hardware foresees the next one.
inline Index next_output(const Plan& plan, bool after_reduction) {
  if (plan.beyond_cache || plan.bytes() <= 2 * l2_bytes) return 0;
  const bool short_runs = after_reduction && plan.shape.inner * plan.value_bytes <= page_bytes;
  const bool far_apart = plan.rows ? plan.blocks > 1 : short_runs;
  return far_apart ? plan.shape.channels * plan.shape.inner : 0;
}

/// Whether a pass that reads `inputs` tensors writes past the caches what does not fit them: rows and runs whose ends
/// are streamed too, see stream(), or that are long. Of half, eval of (20000, 603) took twice as long past the caches,
/// of 64x1024x13x13 five times.
inline bool streams(const Plan& plan, Index inputs) {
  if (plan.bytes() <= large_l2_bytes / 3) return false;  // three such tensors fit L2, if it is large
  if (!plan.beyond_cache && !leaves_near_caches((inputs + 1) * plan.bytes())) return false;
  const Index piece = (plan.rows ? plan.fold * plan.shape.channels : 1) * plan.shape.inner * plan.value_bytes;
  return piece % Index{streamed_word} == 0 || piece > page_bytes;
}

/// How an element pass moves memory: in the caches, or past them where the tensors are larger. Inlined: of a tensor of
/// a few values, calls and copies here were 2 % of eval's instructions.
[[gnu::always_inline]] inline Movement movement_of(const Plan& plan, Index inputs, bool in_place,
                                                   bool after_reduction) {
  const bool last_to_first = !plan.rows && after_reduction && inputs > 1;  // one input still fits L2, two need not
  const bool streamed = !in_place && streams(plan, inputs);
  const Index next_out = in_place || streamed ? 0 : next_output(plan, after_reduction);
  return {streamed, last_to_first, !in_place && !streamed && !plan.beyond_cache,
          next_input(plan, inputs, after_reduction), last_to_first ? -next_out : next_out};
}

}}}  // namespace tensornorm::v0::detail

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

namespace tensornorm { inline namespace v0 { namespace detail {

/// The numbers that a packet of channels is mapped with:
///   forward   y = (x - mean) * scale + shift
///   backward  dx = dy * scale - (x - mean) * slope - shift
struct ChannelNumbers {
  Packet<double> mean;   // of the batch, or the running mean
  Packet<double> scale;  // weight * invstd
  Packet<double> shift;  // forward: bias; backward: weight * invstd * sum(dy) / n
  Packet<double> slope;  // backward, else 0: weight * invstd^3 * sum(dy * (x - mean)) / (n - correction)
  Packet<double> reach;  // backward, else 0: no |(x - mean) * slope| of the batch is larger

  static ChannelNumbers of_forward(Packet<double> mean, Packet<double> scale, Packet<double> shift) {
    return {mean, scale, shift, Packet<double>::all(0), Packet<double>::all(0)};
  }
};

inline Packet<double> inverse_root(Packet<double> x) { return Packet<double>::all(1) / sqrt(x); }
/// invstd = 1 / sqrt(m2 / freedom + eps): [channels]. invstd may be m2. freedom: n - correction.
[[gnu::flatten]] inline void invert_deviations(const double* m2, Index channels, double freedom, double eps,
                                               double* invstd) {
  auto per_freedom = Packet<double>::all(1 / freedom);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    auto var_plus_eps = fma(load<double>(m2 + c, extent), per_freedom, Packet<double>::all(eps));
    store(invstd + c, inverse_root(var_plus_eps), extent);
  });
}

/// 1 / sqrt(var + eps) of the channels from c on.
template <typename Scalar, typename Extent>
Packet<double> invstd_of(const Scalar* var, double eps, Index c, Extent extent) {
  return inverse_root(load<double>(var + c, extent) + Packet<double>::all(eps));
}

/// mean and invstd from statistics that a layer keeps: [channels] each.
template <typename Scalar>
[[gnu::flatten]] void kept_statistics(const Scalar* running_mean, const Scalar* running_var, Index channels, double eps,
                                      double* mean, double* invstd) {
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    store(mean + c, load<double>(running_mean + c, extent), extent);
    store(invstd + c, invstd_of(running_var, eps, c, extent), extent);
  });
}

/// Numbers from c on; `otherwise` where there are none.
template <typename Scalar, typename Extent>
Packet<double> numbers_or(double otherwise, const Scalar* numbers, Index c, Extent extent) {
  return numbers == nullptr ? Packet<double>::all(otherwise) : load<double>(numbers + c, extent);
}

// The numbers of a tensor's channels from c on, numbers(c, extent), from what a pass is given, [C] each. A weight or
// bias that is null is 1 or 0.

/// Of a training forward.
template <typename Scalar>
struct TrainingNumbers {
  const double* mean;
  const double* invstd;
  const Scalar* weight;
  const Scalar* bias;

  template <typename Extent>
  ChannelNumbers operator()(Index c, Extent extent) const {
    auto scale = numbers_or(1, weight, c, extent) * load<double>(invstd + c, extent);
    return ChannelNumbers::of_forward(load<double>(mean + c, extent), scale, numbers_or(0, bias, c, extent));
  }
};

/// Of a forward or backward in eval mode; mean may be null for a backward.
template <typename Scalar>
struct EvalNumbers {
  const Scalar* mean;
  const Scalar* var;
  double eps;
  const Scalar* weight;
  const Scalar* bias;

  template <typename Extent>
  ChannelNumbers operator()(Index c, Extent extent) const {
    auto scale = numbers_or(1, weight, c, extent) * invstd_of(var, eps, c, extent);
    return ChannelNumbers::of_forward(numbers_or(0, mean, c, extent), scale, numbers_or(0, bias, c, extent));
  }
};

// 1 or 0 a channel:

/// Whether a number keeps its digits as a float: it is 0, or not below the smallest normal one.
inline Packet<double> keeps_digits(Packet<double> number) {
  auto size = abs(number), zero = Packet<double>::all(0), least = Packet<double>::all(0x1p-126);
  return at_most(size, zero) + at_most(least, size);
}

/// Whether numbers stay in range when any float is added to one of them. sizes: their sum, which is tested at once; NaN
/// if one of them is.
inline Packet<double> leave_room(Packet<double> sizes) { return at_most(sizes, Packet<double>::all(0x1.fffffep102)); }
/// What a number, or a sum of sizes, adds to those if it need only be in range itself, as nothing is added to it.
inline Packet<double> range_size(Packet<double> number) { return abs(number) * Packet<double>::all(0x1p-25); }

/// Normalises about a mean that is a number of the layer's type: eval mode.
template <typename T>
struct NormalizeEval {
  using Lane = LaneOf<T>;
  static constexpr int coefficients = 3;
  const T* x;

  template <typename Factors, typename Extent>
  auto operator()(Index offset, const Factors& c, Extent extent) const {
    return fma(load<Lane>(x + offset, extent) - c[0], c[1], c[2]);
  }
  void prefetch(Index offset) const { detail::prefetch(x + offset); }

  static std::array<Packet<double>, 3> coefficients_of(const ChannelNumbers& n) { return {n.mean, n.scale, n.shift}; }
  static std::array<Lane, 3> copying() { return {0, 1, Lane{-0.0}}; }
  static Packet<double> fits(const ChannelNumbers& n) {
    // A large shift would bring no product back into range.
    return leave_room(abs(n.mean) + range_size(n.scale) + abs(n.shift)) * keeps_digits(n.scale);
  }
  static double exact(double copied, Index, const ChannelNumbers& n, Index lane) {
    return std::fma(copied - n.mean[lane], n.scale[lane], n.shift[lane]);
  }
};

/// Normalises about a mean known to twice the lane's precision, hi + lo: training.
template <typename T>
struct NormalizeTraining : NormalizeEval<T> {
  using Lane = LaneOf<T>;
  static constexpr int coefficients = 4;

  template <typename Factors, typename Extent>
  auto operator()(Index offset, const Factors& c, Extent extent) const {
    return fma((load<Lane>(this->x + offset, extent) - c[0]) - c[1], c[2], c[3]);
  }
  static std::array<Packet<double>, 4> coefficients_of(const ChannelNumbers& n) {
    auto hi = rounded<Lane>(n.mean);
    return {hi, n.mean - hi, n.scale, n.shift};
  }
  static std::array<Lane, 4> copying() { return {0, 0, 1, Lane{-0.0}}; }
  static Packet<double> fits(const ChannelNumbers& n) {
    return NormalizeEval<T>::fits(n) * keeps_digits(n.mean - rounded<Lane>(n.mean));
  }
};

}}}  // namespace tensornorm::v0::detail

// ---- tensornorm/detail/sums.hpp
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

// ---- tensornorm/detail/totals.hpp
// Sums of sums: those of tiles (patch.hpp) added up in registers or in memory, and lanes added up into channels.
//
// Doubles have no bits to spare, and in a chain of additions of a few values that come again and again all may round
// the same way. So what is rounded off can be added up too, as Terms::keeps_rest says: sums over thousands of tiles are
// then as good as those of one. Terms::keeps_rest_of_u: not only that of u*v, but that of u as well.

// ---- tensornorm/detail/patch.hpp
// Sums over a patch of memory, rows of lanes, in registers: the inner loops of every reduction. What is summed, u and
// u*v, is the caller's; so is what becomes of the sums of each tile of rows, and what is taken for a row:
//
//   caller            a row is                  rows           lanes                  stride from row to row
//   sum_rows          `fold` outer indices      outer / fold   fold*channels*inner    fold*C*inner
//   sum_short_runs    a run of one channel      outer          inner                  C*inner
//   add_run           a packet of a long run    inner / W      W                      W
//
// A tile is summed packet by packet, each through all rows, or strip by strip: several packets side by side, row after
// row. That is nearly the order of memory, which prefetchers follow, and sums stay in registers: statistics of NHWC
// with 64 channels took a tenth less in cache. Rows of more than narrow_lanes took a seventh longer there.

// ---- tensornorm/detail/ahead.hpp
// What sums ask for before they need it: memory beyond the caches, on the way through a patch of it (patch.hpp). Walks
// by packets call ask(column, r, height, l) at every packet of lanes of every tile of rows, walks by strips
// ask_row(column, r, l, summed, lanes) at every row of a strip of `lanes` lanes from l on: `summed` elements of the
// tile at row r have been summed by then.
//
// `Terms` names the tensors that are read, as in sums.hpp: Terms::inputs of them, of Terms::Value.

namespace tensornorm { inline namespace v0 { namespace detail {

/// Values in a cache line.
template <typename Terms>
inline constexpr Index line_values = Index{cache_line} / Index{sizeof(typename Terms::Value)};

// How far ahead memory is asked for, of each of one or two inputs: of rows in bytes, but a tile at least, and of long
// runs in elements. Measured on AMD's Zen 3 for rows, and for runs of two inputs beside a map: a half and twice as far
// are as fast or up to a tenth slower, but of rows of one input 2 KiB, a third to a half slower.
inline constexpr Index rows_ahead_bytes[] = {0, 16 * 1024, 2 * 1024};
inline constexpr Index run_ahead[] = {0, 4096, 512};

/// In cache: nothing. A type of its own, as unused numbers took a tenth of a small layer's time.
struct NothingAhead {
  template <typename Column>
  void ask(const Column&, Index, Index, Index) const {}
  template <typename Column>
  void ask_row(const Column&, Index, Index, Index, Index) const {}
};

/// In rows that follow each other: what lies `distance` elements further on, in the order of memory. That of the sums
/// is another one where a row is several strips: asked for in theirs, rows of 64 and 128 lanes took a half longer, and
/// by TileAhead a sixth.
struct StripAhead {
  Index distance;

  template <typename Column>
  void ask_row(const Column& column, Index r, Index l, Index summed, Index lanes) const {
    const Index at = column.offset(r) - l + summed + distance;
    for (Index k = 0; k < lanes; k += Column::line) column.terms.prefetch(at + k);
  }
};

/// In a run, whose rows of a packet follow each other, `packets_a_line` in each cache line. Beyond `end` what comes
/// next is `gap` further still.
struct RunAhead {
  Index distance, packets_a_line, end, gap;

  template <typename Column>
  void ask(const Column& column, Index r, Index height, Index) const {
    for (Index row = r; row < r + height; row += packets_a_line) {
      const Index next = column.offset(row) + distance;
      column.terms.prefetch(next < end ? next : next + gap);
    }
  }
};

/// In rows of `lanes` lanes with `gap` elements between them: the tile `distance` further on, in the order of memory.
/// An object serves one tile.
struct TileAhead {
  Index distance, lanes, gap;
  Index asked = 0;        // elements asked for so far, without what lies between rows
  Index row_end = lanes;  // what `asked` is at the end of the present row
  Index skipped = 0;      // elements between the rows so far: a sum, as a multiplication a line took 8 % longer

  /// As many elements have been asked for as are summed by the end of this packet.
  template <typename Column>
  void ask(const Column& column, Index r, Index height, Index l) {
    ask_until((l + width<double>)*height, column, column.offset(r) - l);
  }
  template <typename Column>
  void ask_row(const Column& column, Index r, Index l, Index summed, Index row_lanes) {
    ask_until(summed + row_lanes, column, column.offset(r) - l);
  }

 private:
  template <typename Column>
  void ask_until(Index count, const Column& column, Index tile) {
    for (; asked < count; asked += Column::line) {
      for (; asked >= row_end; row_end += lanes) skipped += gap;
      column.terms.prefetch(tile + distance + asked + skipped);
    }
  }
};

/// Elements ahead in rows `stride` apart: whole tiles.
template <typename Terms>
Index tiles_ahead(Index stride) {
  const Index tile = tile_rows * stride, ahead = rows_ahead_bytes[Terms::inputs] / Index{sizeof(typename Terms::Value)};
  return std::max(tile, round_down(ahead, tile));
}
/// What is asked for in rows of `lanes` lanes, `stride` apart.
template <typename Asking, typename Terms>
Asking ahead_of_rows(Index stride, Index lanes) {
  if constexpr (std::is_same_v<Asking, NothingAhead>) {
    return {};
  } else if constexpr (std::is_same_v<Asking, StripAhead>) {
    return {tiles_ahead<Terms>(stride)};
  } else {
    return {tiles_ahead<Terms>(stride), lanes, stride - lanes};
  }
}

/// What is asked for during row r of a box, the run at `first`. After it comes the channel's next one or, when that was
/// its last, what lies behind its first one: the rest of that, or the next channel.
template <typename Asking, typename Terms>
Asking ahead_of_run(const Shape& shape, const Box& box, Index r, Index first) {
  if constexpr (std::is_same_v<Asking, NothingAhead>) {
    return {};
  } else {
    const Index length = box.inner_end - box.inner_begin, outer = box.outer_begin + r;
    const Index stride = shape.channels * shape.inner;
    const Index gap = outer + 1 < shape.outer ? stride - length : -outer * stride;
    return {std::min(run_ahead[Terms::inputs], length), std::max<Index>(1, line_values<Terms> / width<double>),
            first + length, gap};
  }
}

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 { namespace detail {

/// Sums in lanes: of u, and of u*v.
struct PacketSums {
  Packet<double> u, uv;

  static PacketSums zero() { return {Packet<double>::all(0), Packet<double>::all(0)}; }
  friend PacketSums operator+(const PacketSums& a, const PacketSums& b) { return {a.u + b.u, a.uv + b.uv}; }
};

/// Sums over `rows` rows, from row r on: one chain of additions.
template <typename Term>
PacketSums sum_chain(const Term& term, Index r, Index rows) {
  Packet<double> u = term.u(r), uv = u * term.v(r, u);
  for (Index k = 1; k < rows; ++k) {
    const Packet<double> next = term.u(r + k);
    uv = fma(next, term.v(r + k, next), uv);
    u = u + next;
  }
  return {u, uv};
}

/// Sums over a tile of rows, from row r on: two chains of four. Chains of two or of eight were up to a third slower.
template <typename Term>
PacketSums sum_tile(const Term& term, Index r) {
  static_assert(tile_rows == 8);
  return sum_chain(term, r, 4) + sum_chain(term, r + 4, 4);
}

/// How a patch is walked.
struct ByPackets {};
struct ByStrips {};

/// Packets side by side in a strip: their sums take half of the registers.
inline constexpr Index strip_packets = packet_registers / 4;
inline constexpr Index strip_lanes = strip_packets * width<double>;
/// Rows of a tile in cache, or one strip wide, as rows of 64 lanes are with AVX-512. Not of doubles, which so long
/// chains of additions cost digits.
inline constexpr Index strip_rows = 32;
/// Bytes of a lane, of all inputs, in a tile of several strips beyond the caches: higher ones leave the order of
/// memory. Eight rows of two inputs of float took up to a quarter longer than four, and of double than two.
inline constexpr Index strip_column_bytes = 32;

/// Sums over `rows` rows, from row r on, of neighbouring packets: a chain of additions each, the same for every packet.
template <typename Asking, typename ColumnAt, typename Extent, std::size_t... k>
std::array<PacketSums, sizeof...(k)> sum_strip(Asking& ahead, const ColumnAt& column_at, Index l, Extent extent,
                                               Index r, Index rows, std::index_sequence<k...>) {
  constexpr Index W = width<double>, lanes = Index{sizeof...(k)} * W;
  const auto columns = std::array{column_at(l + Index{k} * W, extent)...};
  ahead.ask_row(columns[0], r, l, l * rows, lanes);
  std::array<PacketSums, sizeof...(k)> sums{sum_chain(columns[k], r, 1)...};
  const auto add = [](PacketSums& sum, const auto& column, Index row) {
    const Packet<double> u = column.u(row);
    sum = {sum.u + u, fma(u, column.v(row, u), sum.uv)};
  };
  for (Index row = r + 1; row < r + rows; ++row) {
    ahead.ask_row(columns[0], r, l, l * rows + (row - r) * lanes, lanes);
    (add(sums[k], columns[k], row), ...);
  }
  return sums;
}

/// Sums over `rows` rows of `lanes` lanes each: add(row, height, lane, sums) for every packet of lanes of every tile of
/// rows, the last of which may be lower. column_at(lane, extent) gives u and v at each row of a lane.
template <typename Asking, typename ColumnAt, typename Add>
void sum_patch(ByStrips, Index rows, Index lanes, const Asking& ahead, const ColumnAt& column_at, const Add& add) {
  constexpr Index W = width<double>;
  using Column = decltype(column_at(Index{0}, Whole{}));
  constexpr bool in_cache = std::is_same_v<Asking, NothingAhead>;
  constexpr bool spare_digits = !std::is_same_v<typename Column::Value, double>;
  constexpr Index row_bytes = Column::inputs * Index{sizeof(typename Column::Value)};
  constexpr Index low = in_cache ? tile_rows : strip_column_bytes / row_bytes;
  const Index tallest = spare_digits && (in_cache || lanes == strip_lanes) ? strip_rows : low;
  for (Index r = 0; r < rows; r += tallest) {
    const Index height = std::min(tallest, rows - r);
    Asking of_tile = ahead;
    const auto strip = [&](Index l, auto extent, auto packets) {
      const auto sums = sum_strip(of_tile, column_at, l, extent, r, height, packets);
      for (std::size_t k = 0; k < packets.size(); ++k) add(r, height, l + static_cast<Index>(k) * W, sums[k]);
    };
    Index l = 0;
    for (; l + strip_lanes <= lanes; l += strip_lanes) strip(l, Whole{}, std::make_index_sequence<strip_packets>{});
    if (l + strip_lanes / 2 <= lanes) {
      strip(l, Whole{}, std::make_index_sequence<strip_packets / 2>{});
      l += strip_lanes / 2;
    }
    for_each_packet<double>(lanes - l, [&](Index k, auto extent) { strip(l + k, extent, std::index_sequence<0>{}); });
  }
}

/// The same, by packets.
template <typename Asking, typename ColumnAt, typename Add>
void sum_patch(ByPackets, Index rows, Index lanes, const Asking& ahead, const ColumnAt& column_at, const Add& add) {
  const auto tile = [&](Index r, Index height, const auto& sums_of) {
    Asking of_tile = ahead;
    for_each_packet<double>(lanes, [&](Index l, auto extent) {
      auto column = column_at(l, extent);
      of_tile.ask(column, r, height, l);
      add(r, height, l, sums_of(column));
    });
  };
  Index r = 0;
  for (; r + tile_rows <= rows; r += tile_rows) {
    tile(r, tile_rows, [r](const auto& column) { return sum_tile(column, r); });
  }
  if (r < rows) {
    tile(r, rows - r, [r, rows](const auto& column) { return sum_chain(column, r, rows - r); });
  }
}

}}}  // namespace tensornorm::v0::detail

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

namespace tensornorm { inline namespace v0 { namespace detail {

/// The factors of db and of sum dy * x: u = dy, v = x.
template <typename T>
struct GradientTerms {
  using Value = T;
  static constexpr int inputs = 2;
  static constexpr bool keeps_rest = std::is_same_v<T, double>, keeps_rest_of_u = keeps_rest;
  const T* x;
  const T* dy;
  void prefetch(Index offset) const {
    detail::prefetch(x + offset);
    detail::prefetch(dy + offset);
  }
  template <typename Extent>
  Packet<double> u(Index offset, Packet<double>, Extent extent) const {
    return load<double>(dy + offset, extent);
  }
  template <typename Extent>
  Packet<double> v(Packet<double>, Index offset, Packet<double>, Extent extent) const {
    return load<double>(x + offset, extent);
  }
};

/// The same about a centre: u = dy, v = x - centre.
template <typename T>
struct CentredGradientTerms : GradientTerms<T> {
  template <typename Extent>
  Packet<double> v(Packet<double>, Index offset, Packet<double> centre, Extent extent) const {
    return load<double>(this->x + offset, extent) - centre;
  }
};

/// Whether sums may be taken about 0: not of doubles, which have no bits to spare.
template <typename T>
inline constexpr bool sums_from_zero = !std::is_same_v<T, double>;

/// 1 for the channels whose sum of dy * (x - mean) may be made from sums about 0, else 0: it is finite, and the mean at
/// most 2^8 deviations from 0, which leaves 21 of the 29 bits that a double has to spare. m2: of n values; of k times
/// as many, for a part of a larger batch, the mean may be sqrt(k) times as far away.
inline Packet<double> near_zero(Packet<double> mean, Packet<double> m2, double n, Packet<double> sum_dy_dev) {
  const auto finite = at_most(abs(sum_dy_dev), Packet<double>::all(std::numeric_limits<double>::max()));
  return at_most(mean * mean * Packet<double>::all(n), Packet<double>::all(0x1p16) * m2) * finite;
}

/// Sums the box again about the means, and takes what could not be made from sums about 0. Rare, as constant channels
/// and large means are; and apart so that box_gradient_sums_from_zero() stays small.
template <typename T>
[[gnu::noinline]] void sum_gradients_again(const Plan& plan, const Box& box, const T* x, const T* dy,
                                           const double* mean, const double* m2, double* sum_dy_dev) {
  const auto n = static_cast<double>(plan.shape.per_channel());
  ChannelSums again;
  sum_box(plan, box, CentredGradientTerms<T>{{x, dy}}, mean, again);
  for (Index c = 0; c < box.channels(); ++c) {
    const auto all = [c](const double* numbers) { return Packet<double>::all(numbers[c]); };
    if (near_zero(all(mean), all(m2), n, all(sum_dy_dev))[0] != 1) sum_dy_dev[c] = again.uv[c];
  }
}

/// Both sums from those about 0. Whether all of them may be made from these.
[[gnu::flatten]] inline bool gradients_about_means(const ChannelSums& about_zero, Index channels, double n,
                                                   const double* mean, const double* m2, double* sum_dy,
                                                   double* sum_dy_dev) {
  auto all = Packet<double>::all(1);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    const auto dy = load<double>(about_zero.u + c, extent), means = load<double>(mean + c, extent);
    const auto dy_dev = fma(Packet<double>::all(-0.0) - means, dy, load<double>(about_zero.uv + c, extent));
    store(sum_dy + c, dy, extent);
    store(sum_dy_dev + c, dy_dev, extent);
    all = all * near_zero(means, load<double>(m2 + c, extent), n, dy_dev);
  });
  return all_of(all);
}

/// Sum of dy and of dy * (x - mean) over the box. mean, sums: double [channels of the box] each. companion: see Alone.
/// O(values).
template <typename T, typename Companion = Alone>
[[gnu::flatten]] void box_gradient_sums(const Plan& plan, const Box& box, const T* x, const T* dy, const double* mean,
                                        double* sum_dy, double* sum_dy_dev, const Companion& companion = {}) {
  ChannelSums sums;
  sum_box(plan, box, CentredGradientTerms<T>{{x, dy}}, mean, sums, companion);
  for_each_packet<double>(box.channels(), [&](Index c, auto extent) {
    store(sum_dy + c, load<double>(sums.u + c, extent), extent);
    store(sum_dy_dev + c, load<double>(sums.uv + c, extent), extent);
  });
}

/// The same from sums about 0, less mean * sum dy, where sums_from_zero: without a subtraction a value a pass in cache
/// takes an eighth less with AVX2. Channels where that would cancel are summed about their mean. m2: double [channels
/// of the box], about the mean, of the tensor's values.
template <typename T, typename Companion = Alone>
[[gnu::flatten]] void box_gradient_sums_from_zero(const Plan& plan, const Box& box, const T* x, const T* dy,
                                                  const double* mean, const double* m2, double* sum_dy,
                                                  double* sum_dy_dev, const Companion& companion = {}) {
  ChannelSums sums;
  sum_box(plan, box, GradientTerms<T>{x, dy}, mean, sums, companion);
  const auto n = static_cast<double>(plan.shape.per_channel());
  if (gradients_about_means(sums, box.channels(), n, mean, m2, sum_dy, sum_dy_dev)) return;
  sum_gradients_again(plan, box, x, dy, mean, m2, sum_dy_dev);
}

/// The reduction of passes.hpp that finds both sums. mean and m2: double [C]; m2 is not looked at but from_zero.
template <typename T, bool from_zero = sums_from_zero<T>>
struct GradientReduction {
  static constexpr int inputs = 2;
  const T* x;
  const T* dy;
  const double* mean;
  const double* m2;
  template <typename Companion = Alone>
  void box(const Plan& plan, const Box& box, double* sum_dy, double* sum_dy_dev,
           const Companion& companion = {}) const {
    const Index c = box.channel_begin;
    if constexpr (from_zero) {
      box_gradient_sums_from_zero(plan, box, x, dy, mean + c, m2 + c, sum_dy, sum_dy_dev, companion);
    } else {
      box_gradient_sums(plan, box, x, dy, mean + c, sum_dy, sum_dy_dev, companion);
    }
  }
  static constexpr bool keeps_rest = GradientTerms<T>::keeps_rest;
  struct Rest {  // what was rounded off
    double dy, dy_dev;
  };
  static void merge(Index, Index, Rest& rest, double& sum_dy, double& sum_dy_dev, double box_sum_dy,
                    double box_sum_dy_dev) {
    if constexpr (keeps_rest) {
      rest.dy += rest_of(sum_dy, box_sum_dy);
      rest.dy_dev += rest_of(sum_dy_dev, box_sum_dy_dev);
    }
    sum_dy += box_sum_dy;
    sum_dy_dev += box_sum_dy_dev;
  }
  static void merge_rest(const Rest& rest, double& sum_dy, double& sum_dy_dev) {
    if (!keeps_rest) return;
    if (std::isfinite(rest.dy)) sum_dy += rest.dy;
    if (std::isfinite(rest.dy_dev)) sum_dy_dev += rest.dy_dev;
  }
  static void complete(const Plan&, const Box&, double*) {}
};

/// The numbers of a training backward, as those of normalize.hpp.
template <typename Scalar>
struct GradientNumbers {
  const double* mean;
  const double* invstd;
  const Scalar* weight;
  const double* sum_dy;
  const double* sum_dy_dev;
  double per_value, per_freedom;  // 1 / n and 1 / (n - correction)

  template <typename Extent>
  ChannelNumbers operator()(Index c, Extent extent) const {
    const auto inv = load<double>(invstd + c, extent), scale = numbers_or(1, weight, c, extent) * inv;
    const auto dy = load<double>(sum_dy + c, extent), dy_dev = load<double>(sum_dy_dev + c, extent);
    // Times (x - mean) * invstd / (n - correction), which is at most 1: (x - mean) * slope.
    const auto reach = scale * (dy_dev * inv);
    return {load<double>(mean + c, extent), scale, scale * (dy * Packet<double>::all(per_value)),
            reach * (inv * Packet<double>::all(per_freedom)), abs(reach)};
  }
};

/// gradient += a, and gradient += a * b, rounded once. [count] each.
template <typename Scalar>
[[gnu::flatten]] void add_numbers(const double* a, Index count, Scalar* gradient) {
  for_each_packet<double>(count, [&](Index c, auto extent) {
    store(gradient + c, load<double>(gradient + c, extent) + load<double>(a + c, extent), extent);
  });
}
template <typename Scalar>
[[gnu::flatten]] void add_products(const double* a, const double* b, Index count, Scalar* gradient) {
  for_each_packet<double>(count, [&](Index c, auto extent) {
    const auto sum = fma(load<double>(a + c, extent), load<double>(b + c, extent), load<double>(gradient + c, extent));
    store(gradient + c, sum, extent);
  });
}

/// The gradient of a training forward.
template <typename T>
struct GradientTraining {
  using Lane = LaneOf<T>;
  static constexpr int coefficients = 4;
  const T* x;
  const T* dy;

  template <typename Factors, typename Extent>
  auto operator()(Index offset, const Factors& c, Extent extent) const {
    return fma(load<Lane>(dy + offset, extent), c[1], fma(load<Lane>(x + offset, extent) - c[0], c[2], c[3]));
  }
  void prefetch(Index offset) const {
    detail::prefetch(x + offset);
    detail::prefetch(dy + offset);
  }

  static std::array<Packet<double>, 4> coefficients_of(const ChannelNumbers& n) {
    const auto hi = rounded<Lane>(n.mean);
    return {hi, n.scale, Packet<double>::all(-0.0) - n.slope, (n.mean - hi) * n.slope - n.shift};
  }
  static std::array<Lane, 4> copying() { return {0, 1, 0, Lane{-0.0}}; }
  static Packet<double> fits(const ChannelNumbers& n) {
    // A large number subtracted would bring no product back into range.
    return leave_room(abs(n.mean) + range_size(abs(n.scale) + abs(n.slope)) + abs(n.shift) + n.reach) *
           keeps_digits(n.scale) * keeps_digits(n.slope) * keeps_digits(n.shift);
  }
  double exact(double copied, Index offset, const ChannelNumbers& n, Index lane) const {
    const double deviation = number_at(x + offset) - n.mean[lane];
    return std::fma(copied, n.scale[lane], -std::fma(deviation, n.slope[lane], n.shift[lane]));
  }
};

/// The gradient of an eval forward.
template <typename T>
struct GradientEval {
  using Lane = LaneOf<T>;
  static constexpr int coefficients = 1;
  const T* dy;

  template <typename Factors, typename Extent>
  auto operator()(Index offset, const Factors& c, Extent extent) const {
    return load<Lane>(dy + offset, extent) * c[0];
  }
  void prefetch(Index offset) const { detail::prefetch(dy + offset); }

  static std::array<Packet<double>, 1> coefficients_of(const ChannelNumbers& n) { return {n.scale}; }
  static std::array<Lane, 1> copying() { return {1}; }
  static Packet<double> fits(const ChannelNumbers& n) {
    return leave_room(range_size(n.scale)) * keeps_digits(n.scale);
  }
  static double exact(double copied, Index, const ChannelNumbers& n, Index lane) { return copied * n.scale[lane]; }
};

}}}  // namespace tensornorm::v0::detail

// ---- tensornorm/detail/beside.hpp
// Sums of one block while the block before it is mapped, a few packets of each in turn. Sums keep the processor busy
// and mapping keeps memory busy, so that both together take little longer than a copy.

// ---- tensornorm/detail/block_map.hpp
// An element pass over a block of channels: its numbers folded once for all of the block's boxes, and the channels that
// float lanes cannot compute computed in double.

// ---- tensornorm/detail/companions.hpp
// What maps one block in the company of sums over the block after it: wherever some of that one's elements have been
// summed, as many of this one's are mapped. Sums keep the processor busy and mapping keeps memory busy, so the two
// together take little longer than one of them. Both of these are companions as sums.hpp describes them.

namespace tensornorm { inline namespace v0 { namespace detail {

/// The block that is mapped.
template <typename F, typename T>
struct BlockToMap {
  F f;
  const CoefficientsOf<F, T>& table;  // [K][channels]
  T* out;
  Index distance;  // from its elements to those of the block that is summed
};

/// Goes along with sums over long runs: maps the places `distance` before those that have just been summed. What is
/// streamed starts aligned in each run.
template <typename F, typename T, typename Write>
struct MapAlong : BlockToMap<F, T> {
  static constexpr bool in_any_order = false;

  const MapAlong& begin(const Plan&, const Box&) const { return *this; }
  auto of_channel(Index c) const {
    return [of_run = detail::of_channel(this->table, c), f = this->f, out = this->out, distance = this->distance](
               Index offset, Index count) {
      for_each_packet<LaneOf<T>, stored_in_pairs<T>>(count, [=](Index l, auto extent) {
        const Index at = offset - distance + l;
        Write{}(out + at, f(at, of_run, mixed(extent)), mixed(extent));
      });
    };
  }
  void finish() const {}
};

/// Whether what is streamed is mapped by MapInOrder, rather than by MapAlong where it is long and aligned: with AVX-512
/// training and backward of 32x256x14x14 take 0.8 of the time so, of 32x512x7x7 0.87, and in doubles 0.7 and 0.9; long
/// runs take as long. Of two bytes those take up to 1.07 times as long, and of floats with AVX2 1.2 times (Emerald
/// Rapids).
template <typename T>
inline constexpr bool maps_in_order = width<float> >= 16 && sizeof(T) >= 4;

/// Goes its own way, in the order of memory, and past the caches: the runs of neighbouring channels are joined, as by
/// map_joined_runs(), and may begin and end anywhere. They are at least as long as a packet.
template <typename F, typename T>
struct MapInOrder : BlockToMap<F, T> {
  static constexpr bool in_any_order = true;

  /// Where it is in a box, whose channels' runs are whole unless there is but one channel.
  class Cursor {
   public:
    Cursor(const BlockToMap<F, T>& block, const Plan& plan, const Box& box)
        : block_(block),
          run_(box.inner_end - box.inner_begin),
          row_(box.channels() * run_),
          stride_(plan.shape.channels * plan.shape.inner),
          next_row_(plan.shape.offset(box.outer_begin, box.channel_begin, box.inner_begin) - block.distance),
          end_(next_row_ + (box.outer_end - box.outer_begin - 1) * stride_ + row_) {}

    auto of_channel(Index) {
      return [this](Index, Index count) { advance(count); };
    }
    void finish() {
      while (at_ != end_) advance(W);
    }

   private:
    static constexpr Index W = width<LaneOf<T>>;

    /// Maps `count` elements more, or a few less, as the end of a row counts as a packet: never more than are due.
    void advance(Index count) {
      for (due_ += count; due_ >= W;) {
        if (at_ == row_end_) {
          begin_row();
          continue;
        }
        const Index whole = round_down(std::min(due_, run_end_ - at_), W);
        due_ -= std::max(whole, W);
        if (whole > 0) {
          const auto of_run = of(channel_);
          for (const Index end = at_ + whole; at_ < end; at_ += W) map(of_run, Whole{});
        } else if (at_ + W <= row_end_) {
          map_border();
        } else {
          map(of(channel_), Part{row_end_ - at_});
          at_ = row_end_;
        }
      }
    }
    void begin_row() {
      at_ = next_row_;
      next_row_ += stride_;
      channel_ = 0;
      run_end_ = at_ + run_;
      row_end_ = at_ + row_;
      const Index head = lanes_to_alignment(block_.out + at_);
      if (head == 0) return;
      map(of(channel_), Part{head});
      at_ += head;
      due_ -= head;
    }
    void map_border() {
      map(join_each(of(channel_), run_end_ - at_, of(channel_ + 1)), Whole{});
      ++channel_;
      run_end_ += run_;
      at_ += W;
    }
    template <typename Factors, typename Extent>
    void map(const Factors& factors, Extent extent) const {
      stream(block_.out + at_, block_.f(at_, factors, extent), extent);
    }
    auto of(Index c) const { return detail::of_channel(block_.table, c); }

    const BlockToMap<F, T> block_;
    const Index run_, row_, stride_;  // elements; a row: the runs of one outer index
    Index next_row_, end_;            // offsets
    Index at_ = 0, run_end_ = 0, row_end_ = 0;
    Index channel_ = 0, due_ = 0;
  };
  Cursor begin(const Plan& plan, const Box& box) const { return {*this, plan, box}; }
};

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 { namespace detail {

/// The numbers of a block of channels, folded for an operation F and ready for the element pass. They come from
/// numbers(c, extent), as those of normalize.hpp.
template <typename F, typename Lane, typename Numbers>
class BlockMap {
 public:
  /// Of no block yet.
  BlockMap(const F& f, const Numbers& numbers) : f_(f), numbers_(numbers) {}
  BlockMap(const F& f, const Numbers& numbers, Index first, Index count) : BlockMap(f, numbers) {
    prepare(first, count);
  }

  /// Of `count` channels of the tensor from `first` on.
  [[gnu::flatten]] void prepare(Index first, Index count) {
    first_ = first;
    auto fit = Packet<double>::all(1);
    for_each_packet<double>(count, [&](Index c, auto extent) {
      const ChannelNumbers numbers = numbers_(first + c, extent);
      auto coefficients = F::coefficients_of(numbers);
      for (std::size_t k = 0; k < coefficients.size(); ++k) store(table_.values[k] + c, coefficients[k]);
      if constexpr (std::is_same_v<Lane, float>) fit = fit * F::fits(numbers);
    });
    all_fit_ = all_of(fit);
    if (all_fit_) return;
    for_each_wide_channel(count, [&](Index c, const ChannelNumbers&, Index) {  // which the vector pass is to copy
      const auto copying = F::copying();
      for (std::size_t k = 0; k < copying.size(); ++k) table_.values[k][c] = copying[k];
    });
  }

  template <typename T>
  void operator()(const Plan& plan, const Box& box, T* out, const Movement& movement) const {
    map_box(plan, box, f_, table_, out, movement);
    if (!all_fit_) map_wide_channels(plan, box, out);
  }

  /// Whether every channel can be computed in lanes, as beside() does.
  bool all_fit() const { return all_fit_; }
  /// The same as company for sums over a block `distance` elements further on.
  template <typename Write, typename T>
  auto beside(T* out, Index distance) const {
    using Companion = std::conditional_t<Write::streamed && maps_in_order<T>, MapInOrder<F, T>, MapAlong<F, T, Write>>;
    return Companion{{f_, table_, out, distance}};
  }

 private:
  /// each(c, numbers, lane) for the channels that float lanes cannot compute; theirs is one lane of the numbers. Rare.
  template <typename Each>
  void for_each_wide_channel(Index count, const Each& each) const {
    for_each_packet<double>(count, [&](Index c, auto extent) {
      const ChannelNumbers numbers = numbers_(first_ + c, extent);
      const auto fits = F::fits(numbers);
      for (Index lane = 0; lane < std::min(width<double>, count - c); ++lane) {
        if (fits[lane] != 1) each(c + lane, numbers, lane);
      }
    });
  }
  /// Computes them in double where they lie.
  template <typename T>
  void map_wide_channels(const Plan& plan, const Box& box, T* out) const {
    for_each_wide_channel(box.channels(), [&](Index c, const ChannelNumbers& numbers, Index lane) {
      for (Index o = box.outer_begin; o < box.outer_end; ++o) {
        for (Index i = box.inner_begin; i < box.inner_end; ++i) {
          const Index offset = plan.shape.offset(o, box.channel_begin + c, i);
          const double value = f_.exact(number_at(out + offset), offset, numbers, lane);
          store(out + offset, Packet<LaneOf<T>>::all(static_cast<LaneOf<T>>(value)), Part{1});
        }
      }
    });
  }

  F f_;
  Numbers numbers_;
  Coefficients<Lane, F::coefficients> table_;
  Index first_ = 0;
  bool all_fit_ = true;
};

/// map(start)(box), as map_all() calls it, for an operation f and the numbers of the tensor's channels.
template <typename F, typename T, typename Numbers>
struct Mapping {
  using Map = BlockMap<F, LaneOf<T>, Numbers>;
  const Plan& plan;
  F f;
  T* out;
  Movement movement;
  Numbers numbers;

  auto operator()(const Box& start) const {
    return [this, map = Map(f, numbers, start.channel_begin, start.channels())](const Box& box) {
      map(plan, box, out, movement);
    };
  }
};
template <typename F, typename T, typename Numbers>
Mapping<F, T, Numbers> mapping(const Plan& plan, const F& f, T* out, const Movement& movement, const Numbers& numbers) {
  return {plan, f, out, movement, numbers};
}

}}}  // namespace tensornorm::v0::detail

// ---- tensornorm/detail/passes.hpp
// Passes over a whole tensor, on any number of threads: reduce every channel to two numbers, map every element, or both
// a block at a time, so that a block is mapped while it is still in cache from being reduced.
//
// A reduction R offers
//   R::inputs                  how many tensors it reads; where it is followed by a map
//   R::Rest                    what it keeps of a channel while boxes are merged, besides two numbers; begins as {}
//   r.box(plan, box, a, b)     two numbers a channel of the box
//   r.merge(n_before, n_box, rest, a, b, box_a, box_b)    adds a box's numbers to those of the boxes before it,
//   r.merge_rest(rest, a, b)   and the rest to both, when all boxes are merged
//   r.complete(plan, box, a)   makes of a what the pass is to find, after that
// and a mapping M makes, from the finished numbers of a block of channels, what maps its boxes, as those of
// block_map.hpp.

// ---- tensornorm/detail/parallel.hpp
// Items of work on an Eigen device. A result belongs to its item, never to the thread that made it.

namespace tensornorm { inline namespace v0 { namespace detail {

using Eigen::Index;

/// Items that any number of threads take one by one. The caller takes them too, and waits only for helpers that are in
/// the middle of one: a helper that starts late finds nothing to do. So nothing can deadlock, even when every thread of
/// the pool is itself waiting here.
///
/// Each worker begins with a share of neighbouring items, then takes what is left of the others' shares. The caller's
/// share, and so a lone helper's, is the same from pass to pass: what is still in its core's cache is of use. A pass
/// that walks back walks every share back.
class SharedItems {
 public:
  SharedItems(Index items, Index workers, bool last_to_first = false)
      : items_(items), last_to_first_(last_to_first), next_(static_cast<std::size_t>(workers)) {
    for (Index w = 0; w < workers; ++w) next(w) = begin_of(w);
  }

  /// What one worker takes: next(item) gives it the next item, until there is none.
  class Worker {
   public:
    Worker(SharedItems& shared, Index number) : shared_(shared), number_(number) {}
    bool operator()(Index& item) {
      const Index workers = static_cast<Index>(shared_.next_.size());
      for (; shares_done_ < workers; ++shares_done_) {
        const Index share = (number_ + shares_done_) % workers;
        const Index begin = shared_.begin_of(share), end = shared_.begin_of(share + 1);
        const Index next = shared_.next(share)++;
        if (next >= end) continue;
        item = shared_.last_to_first_ ? begin + end - 1 - next : next;
        return true;
      }
      return false;
    }

   private:
    SharedItems& shared_;
    Index number_, shares_done_ = 0;
  };

  /// work(next) as a helper, if there is anything left to do.
  template <typename Work>
  void help(const Work& work, Index number) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) return;
      ++helpers_;
    }
    work(Worker(*this, number));
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--helpers_ == 0) idle_.notify_all();
  }

  /// Lets no further helper start, and waits for those at work: awake at first, as what is left of an item mostly takes
  /// less time than to fall asleep and be woken.
  void finish() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    constexpr int patience = 1000;  // a fraction of a millisecond
    for (int turn = 0; turn < patience && helpers_ > 0; ++turn) std::this_thread::yield();
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [&] { return helpers_ == 0; });
  }

 private:
  Index begin_of(Index share) const { return items_ * share / static_cast<Index>(next_.size()); }
  std::atomic<Index>& next(Index share) { return next_[static_cast<std::size_t>(share)]; }

  const Index items_;
  const bool last_to_first_;
  std::vector<std::atomic<Index>> next_;  // of each share
  std::mutex mutex_;
  std::condition_variable idle_;
  bool closed_ = false;
  std::atomic<Index> helpers_{0};
};

template <typename Device>
int threads_of(const Device& device) {
  return static_cast<int>(device.numThreads());
}
inline int threads_of(const Eigen::DefaultDevice&) { return 1; }

/// work(next) on each thread of the device that helps, where next(item) gives a thread its next one of `items` items:
/// each item to one thread. work must not throw. Returns when all are done. When memory runs out, or the pool throws,
/// fewer threads help; nothing is thrown. last_to_first: each thread begins with the last of the items that are its own
/// in other passes.
template <typename Device, typename Work>
void share_items(const Device& device, Index items, bool last_to_first, const Work& work) {
  if constexpr (!std::is_same_v<Device, Eigen::DefaultDevice>) {
    const Index helpers = std::min<Index>(threads_of(device), items) - 1;
    if (helpers > 0) {
      std::shared_ptr<SharedItems> shared;
      try {
        shared = std::make_shared<SharedItems>(items, helpers + 1, last_to_first);
        for (Index h = 1; h <= helpers; ++h) {
          device.getPool()->Schedule([shared, &work, h] { shared->help(work, h); });
        }
      } catch (...) {  // of memory that runs out, or of a pool that takes no more: the helpers that came are enough
      }
      if (shared) {
        work(SharedItems::Worker(*shared, 0));
        return shared->finish();
      }
    }
  }
  work([=, done = Index{0}](Index& item) mutable {
    item = last_to_first ? items - 1 - done : done;
    return done++ < items;
  });
}

/// work(0), ..., work(items - 1), each once, in the same way.
template <typename Device, typename Work>
void for_each_item(const Device& device, Index items, const Work& work) {
  share_items(device, items, false, [&](auto next) {
    for (Index item; next(item);) work(item);
  });
}

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 { namespace detail {

inline constexpr Index parallel_bytes = 128 * 1024;  // of x, from where on threads are woken

/// Scratch memory that grows to what the largest pass needed, and is then kept.
using Scratch = std::vector<double>;

template <typename Device>
bool worth_threads(const Device& device, const Plan& plan) {
  return threads_of(device) > 1 && plan.bytes() >= parallel_bytes;
}

/// Doubles of scratch that reduce() wants: [chunks][2][C], or none on one thread.
template <typename Device>
Index scratch_size(const Device& device, const Plan& plan) {
  return worth_threads(device, plan) ? 2 * plan.chunks * plan.shape.channels : 0;
}

/// Merges the numbers of a block's other chunks with those of its first, in a and b: [channels of the block]. They come
/// from numbers_of(chunk, box, merge), which calls merge(box_a, box_b) once.
template <typename R, typename NumbersOf>
[[gnu::noinline]] void merge_chunks(const Plan& plan, Index block, const R& r, double* a, double* b,
                                    const NumbersOf& numbers_of) {
  const Box start = plan.box(block, 0);
  typename R::Rest rest[block_lanes];
  std::fill_n(rest, start.channels(), typename R::Rest{});
  Index before = start.per_channel();
  for (Index chunk = 1; chunk < plan.chunks; ++chunk) {
    const Box box = plan.box(block, chunk);
    numbers_of(chunk, box, [&](const double* box_a, const double* box_b) {
      for (Index c = 0; c < box.channels(); ++c) {
        r.merge(before, box.per_channel(), rest[c], a[c], b[c], box_a[c], box_b[c]);
      }
    });
    before += box.per_channel();
  }
  for (Index c = 0; c < start.channels(); ++c) r.merge_rest(rest[c], a[c], b[c]);
}

/// a and b of one block of channels, chunk after chunk. a, b: double [C].
template <typename R>
void reduce_block(const Plan& plan, Index block, const R& r, double* a, double* b) {
  const Box start = plan.box(block, 0);
  const Index first = start.channel_begin;
  r.box(plan, start, a + first, b + first);
  if (plan.chunks > 1) {
    merge_chunks(plan, block, r, a + first, b + first, [&](Index, const Box& box, const auto& merge) {
      double box_a[block_lanes], box_b[block_lanes];
      r.box(plan, box, box_a, box_b);
      merge(box_a, box_b);
    });
  }
  r.complete(plan, start, a + first);
}

/// a and b of all channels, in the same order as block by block, so with the same bits. O(values).
template <typename Device, typename R>
void reduce(const Device& device, const Plan& plan, const R& r, double* a, double* b, Scratch& scratch) {
  if (!worth_threads(device, plan)) {
    for (Index block = 0; block < plan.blocks; ++block) reduce_block(plan, block, r, a, b);
    return;
  }
  const Index chunks = plan.chunks, channels = plan.shape.channels;
  const auto partial = [&](Index chunk) { return scratch.data() + 2 * chunk * channels; };
  for_each_item(device, plan.blocks * chunks, [&](Index item) {
    const Index chunk = item % chunks;
    const Box box = plan.box(item / chunks, chunk);
    r.box(plan, box, partial(chunk) + box.channel_begin, partial(chunk) + channels + box.channel_begin);
  });
  std::copy_n(partial(0), channels, a);
  std::copy_n(partial(0) + channels, channels, b);
  for (Index block = 0; block < plan.blocks; ++block) {
    const Box start = plan.box(block, 0);
    const Index first = start.channel_begin;
    if (chunks > 1) {
      merge_chunks(plan, block, r, a + first, b + first, [&](Index chunk, const Box&, const auto& merge) {
        merge(partial(chunk) + first, partial(chunk) + channels + first);
      });
    }
    r.complete(plan, start, a + first);
  }
}

/// map(start)(box) for all boxes, `start` being the first of the same block. map(start) must be callable from many
/// threads at once. O(values).
template <typename Device, typename Map>
void map_all(const Device& device, const Plan& plan, bool last_to_first, const Map& map) {
  const Index chunks = plan.chunks, blocks = plan.blocks;
  if (!worth_threads(device, plan)) {
    const auto order = [&](Index k, Index count) { return last_to_first ? count - 1 - k : k; };
    for (Index b = 0; b < blocks; ++b) {
      const auto map_block = map(plan.box(order(b, blocks), 0));
      for (Index k = 0; k < chunks; ++k) map_block(plan.box(order(b, blocks), order(k, chunks)));
    }
    return;
  }
  share_items(device, blocks * chunks, last_to_first, [&](auto next) {
    Index item;
    for (bool more = next(item); more;) {
      const Index block = item / chunks;
      const auto map_block = map(plan.box(block, 0));  // prepares numbers: once for all chunks in a row
      do {
        map_block(plan.box(block, item % chunks));
        more = next(item);
      } while (more && item / chunks == block);
    }
  });
}

/// Whether threads share the chunks of a block, as blocks are too few for all of them.
template <typename Device>
bool shares_chunks(const Device& device, const Plan& plan) {
  return worth_threads(device, plan) && plan.chunks > 1 && plan.blocks < 8 * threads_of(device);
}

/// Whether chunks of a block that has been reduced are mapped from the last one back, as what was read last is still in
/// a cache. A block of rows may be all of two tensors, of which L2 holds little: backward of 32x64x56x56 NHWC took a
/// sixth longer that way.
template <typename R>
bool maps_back(const Plan& plan) {
  return !plan.rows || R::inputs == 1;
}

/// Reduces, then finish(channel_begin, channel_end), then maps: a block at a time where one thread can have a whole
/// block.
template <typename Device, typename R, typename Finish, typename Map>
void reduce_and_map(const Device& device, const Plan& plan, const R& r, double* a, double* b, Scratch& scratch,
                    const Finish& finish, const Map& map) {
  const bool back = maps_back<R>(plan);
  if (shares_chunks(device, plan)) {
    reduce(device, plan, r, a, b, scratch);
    finish(Index{0}, plan.shape.channels);
    return map_all(device, plan, back, map);
  }
  const auto work = [&](Index block) {
    reduce_block(plan, block, r, a, b);
    const Box start = plan.box(block, 0);
    finish(start.channel_begin, start.channel_end);
    const auto map_block = map(start);
    for (Index k = 0; k < plan.chunks; ++k) map_block(plan.box(block, back ? plan.chunks - 1 - k : k));
  };
  if (worth_threads(device, plan)) return for_each_item(device, plan.blocks, work);
  for (Index block = 0; block < plan.blocks; ++block) work(block);
}

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 { namespace detail {

/// A reduction R whose sums take a companion along: r.box(plan, box, a, b, companion).
template <typename R, typename Companion>
struct InCompany {
  const R& r;
  const Companion& companion;

  using Rest = typename R::Rest;
  void box(const Plan& plan, const Box& box, double* a, double* b) const { r.box(plan, box, a, b, companion); }
  void merge(Index before, Index count, Rest& rest, double& a, double& b, double box_a, double box_b) const {
    r.merge(before, count, rest, a, b, box_a, box_b);
  }
  void merge_rest(const Rest& rest, double& a, double& b) const { r.merge_rest(rest, a, b); }
  void complete(const Plan& plan, const Box& box, double* a) const { r.complete(plan, box, a); }
};

/// Whether that takes less time where it can be done. Two blocks of one input fit in L2 together. Of two inputs they do
/// where L2 is large: backward of 0.4 to 6.4 MB takes 0.8 to 0.9 of the time on Intel's Emerald Rapids (2 MiB). Where
/// they do not, it costs less than is gained where memory is slow: on AMD's Zen 3 backward of 32x64x56x56 and
/// 8x64x112x112 took a fifth to a quarter less, 8x64x56x56 a tenth or more, and 1x64x56x56, in cache, an eighth more.
template <typename R>
bool gains_beside(const Plan& plan) {
  return R::inputs == 1 || plan.bytes() > crowded_bytes || has_large_l2();
}

/// Whether blocks can be mapped beside sums of the next: there are several, of long runs, and what is streamed in whole
/// packets starts aligned in each run; or of any runs that are streamed in the order of memory.
template <typename F, typename T, typename Numbers>
bool can_map_beside(const Plan& plan, const Mapping<F, T, Numbers>& map) {
  static_assert(std::uintptr_t{tile_rows * width<double>} * sizeof(T) % bytes_at_once<T> == 0, "tiles keep alignment");
  if (plan.rows || plan.blocks == 1) return false;
  const auto address = reinterpret_cast<std::uintptr_t>(map.out);
  if (maps_in_order<T> && map.movement.streamed) {
    return address % sizeof(T) == 0 && plan.shape.inner >= width<LaneOf<T>>;  // else no packet is ever aligned
  }
  const auto whole = [](Index values) {
    return static_cast<std::uintptr_t>(values) * sizeof(T) % bytes_at_once<T> == 0;
  };
  const bool aligned = address % bytes_at_once<T> == 0 && whole(plan.shape.inner) && whole(plan.chunk_inner);
  return plan.shape.inner >= long_run<T> && (aligned || !map.movement.streamed);
}

/// The block that has been reduced last, and waits to be mapped beside the sums of the next one.
template <typename F, typename T, typename Numbers>
class BlockBehind {
 public:
  explicit BlockBehind(const Mapping<F, T, Numbers>& mapping) : mapping_(mapping), map_(mapping.f, mapping.numbers) {}

  /// Reduces `block` and maps this one beside it, with the same results as one after the other.
  template <typename R>
  void map_beside(Index block, const R& r, double* a, double* b) const {
    const Plan& plan = mapping_.plan;
    const Box box = plan.box(block, 0), behind = plan.box(block_, 0);
    if (!map_.all_fit() || box.channels() != behind.channels()) {
      map_alone();
      return reduce_block(plan, block, r, a, b);
    }
    const Index distance = plan.shape.offset(0, box.channel_begin - behind.channel_begin, 0);
    const auto reduce = [&](auto write) {
      const auto companion = map_.template beside<decltype(write)>(mapping_.out, distance);
      reduce_block(plan, block, InCompany<R, decltype(companion)>{r, companion}, a, b);
    };
    if (mapping_.movement.streamed) {
      reduce(Streamed{});
      fence_streams();
    } else {
      reduce(Cached{});
    }
  }

  /// `block` is the one that waits now. Its numbers are finished.
  void wait(Index block) {
    const Box box = mapping_.plan.box(block, 0);
    block_ = block;
    map_.prepare(box.channel_begin, box.channels());
  }

  void map_alone() const {
    for (Index chunk = 0; chunk < mapping_.plan.chunks; ++chunk) {
      map_(mapping_.plan, mapping_.plan.box(block_, chunk), mapping_.out, mapping_.movement);
    }
  }

 private:
  const Mapping<F, T, Numbers>& mapping_;
  typename Mapping<F, T, Numbers>::Map map_;
  Index block_ = 0;
};

/// As reduce_and_map(), with the same bits, for a reduction that takes company. O(values).
template <typename Device, typename R, typename Finish, typename F, typename T, typename Numbers>
void reduce_and_map_beside(const Device& device, const Plan& plan, const R& r, double* a, double* b, Scratch& scratch,
                           const Finish& finish, const Mapping<F, T, Numbers>& map) {
  if (shares_chunks(device, plan) || !can_map_beside(plan, map) || !gains_beside<R>(plan)) {
    return reduce_and_map(device, plan, r, a, b, scratch, finish, map);
  }
  const auto work = [&](auto next) {
    BlockBehind<F, T, Numbers> behind(map);
    const auto finish_and_wait = [&](Index block) {
      const Box box = plan.box(block, 0);
      finish(box.channel_begin, box.channel_end);
      behind.wait(block);
    };
    Index block;
    if (!next(block)) return;
    reduce_block(plan, block, r, a, b);
    finish_and_wait(block);
    while (next(block)) {
      behind.map_beside(block, r, a, b);
      finish_and_wait(block);
    }
    behind.map_alone();
  };
  if (worth_threads(device, plan)) return share_items(device, plan.blocks, false, work);
  share_items(Eigen::DefaultDevice{}, plan.blocks, false, work);
}

}}}  // namespace tensornorm::v0::detail

// ---- tensornorm/detail/statistics.hpp
// The mean and the sum of squared deviations of every channel, in one pass over memory.
//
// With s = sum(x - p) and q = sum((x - p)^2) over n values and a pivot p, mean = p + s/n and m2 = q - s^2/n. The pivot
// keeps the difference from cancelling. Values of float and less need none, p = 0: a double has bits to spare as long
// as the mean is below a thousand deviations. Doubles have none to spare: they are summed about a pivot near the mean,
// and what is rounded off of tiles' sums is added up as well, as it may be the same for all where values come again.
// Nor may their means be rounded before boxes are merged: until then a mean is kept less a value of its channel.
//
// Where the mean turns out to be too far from the pivot, or squares overflowed, the box is summed once more, about the
// mean just found, and the channels in question take their result from there.

// ---- tensornorm/moments.hpp
// Count, mean and sum of squared deviations: what is known of a set of values, in a form that can be merged.

namespace tensornorm { inline namespace v0 {

/// The moments of `count` values: their mean, and m2 = sum of (x - mean)^2.
///
/// merge() is the pairwise update of Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (The
/// American Statistician 37, 1983): exact in exact arithmetic, and free of cancellation in floating point.
struct Moments {
  double count = 0;  ///< number of values
  double mean = 0;   ///< of the values; 0 where there are none
  double m2 = 0;     ///< sum of (x - mean)^2

  /// m2 / (count - correction), for a count above it: correction 0 is the biased variance, 1 the unbiased one.
  double variance(int correction) const { return m2 / (count - correction); }
};

/// The moments of both sets together. Merging with an empty set changes nothing; a mean that is infinite stays so.
/// O(1).
inline Moments merge(const Moments& a, const Moments& b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  const double count = a.count + b.count;
  const double delta = b.mean - a.mean;
  const double share = b.count / count;
  const bool near = std::abs(delta) <= std::numeric_limits<double>::max();  // else a.mean + delta would be NaN
  const double mean = near ? std::fma(delta, share, a.mean) : std::fma(a.mean, a.count / count, b.mean * share);
  return {count, mean, std::fma(delta * delta, a.count * share, a.m2 + b.m2)};
}

}}  // namespace tensornorm::v0

namespace tensornorm { inline namespace v0 { namespace detail {

inline constexpr Index pivot_samples = 32;  // averaged for a pivot

/// The values themselves: u = v = x.
template <typename T>
struct Values {
  using Value = T;
  static constexpr int inputs = 1;
  static constexpr bool keeps_rest = std::is_same_v<T, double>;
  static constexpr bool keeps_rest_of_u = false;  // that of squares is for variances; means need none
  const T* x;
  void prefetch(Index offset) const { detail::prefetch(x + offset); }
  template <typename Extent>
  Packet<double> u(Index offset, Packet<double>, Extent extent) const {
    return load<double>(x + offset, extent);
  }
  template <typename Extent>
  Packet<double> v(Packet<double> u, Index, Packet<double>, Extent) const {
    return u;
  }
};

/// Squared deviations: u = v = x - pivot.
template <typename T>
struct Deviations : Values<T> {
  template <typename Extent>
  Packet<double> u(Index offset, Packet<double> pivot, Extent extent) const {
    return load<double>(this->x + offset, extent) - pivot;
  }
};

/// Each channel's first value, or 0 if that is not finite: double [channels of the box].
template <typename T>
void first_values(const Plan& plan, const Box& box, const T* x, double* pivot) {
  const T* first = x + plan.shape.offset(box.outer_begin, box.channel_begin, box.inner_begin);
  for (Index c = 0; c < box.channels(); ++c) {
    const double value = number_at(first + c * plan.shape.inner);
    pivot[c] = std::abs(value) <= std::numeric_limits<double>::max() ? value : 0.0;
  }
}

/// A number near each channel's mean, always finite: the average of a few values from all over the box.
///
/// The average is rounded to a multiple of about a sixteenth of those values' spread. Had it more bits than that, x -
/// pivot would be rounded the same way for all x of a binade, and the sum of those errors grow with n instead of
/// averaging out. Values that are all the same have no spread, and are the pivot themselves.
inline void choose_pivots(const Plan& plan, const Box& box, const double* x, double* pivot) {
  const Index channels = box.channels(), rows = box.outer_end - box.outer_begin, run = box.inner_end - box.inner_begin;
  auto sample = [&](Index k) {  // the k-th of the first channel; of fewer values, some more than once
    const Index o = box.outer_begin + rows * k / pivot_samples, i = box.inner_begin + run * k / pivot_samples;
    return x + plan.shape.offset(o, box.channel_begin, i);
  };
  const Index inner = plan.shape.inner;
  double least[block_lanes], most[block_lanes];  // [channels]; pivot is the sum meanwhile
  for (Index c = 0; c < channels; ++c) pivot[c] = least[c] = most[c] = number_at(sample(0) + c * inner);
  for (Index k = 1; k < pivot_samples; ++k) {
    const double* const first = sample(k);
    for (Index c = 0; c < channels; ++c) {
      const double value = number_at(first + c * inner);
      pivot[c] += value;
      least[c] = std::min(least[c], value);
      most[c] = std::max(most[c], value);
    }
  }
  for (Index c = 0; c < channels; ++c) {
    const double mean = pivot[c] / static_cast<double>(pivot_samples), grid = (most[c] - least[c]) * 0x1p48;
    const double rounded = std::copysign((std::abs(mean) + grid) - grid, mean);
    const double chosen = least[c] == most[c] ? least[c] : rounded;
    pivot[c] = std::abs(chosen) <= std::numeric_limits<double>::max() ? chosen : 0.0;
  }
}

/// What is subtracted from the means of a block's boxes until those are merged: for doubles a value of each channel, so
/// that merging rounds no mean at its own size; for others nothing.
template <typename T>
struct Origins {
  Origins(const Plan&, const Box&, const T*) {}
  template <typename Extent>
  static Packet<double> subtract_from(Packet<double> mean, Index, Extent) {
    return mean;
  }
  static double add_to(double mean, Index) { return mean; }
};
template <>
class Origins<double> {
 public:
  /// Not inlined, as g++ 12 would not see that what is read is filled.
  [[gnu::noinline]] Origins(const Plan& plan, const Box& box, const double* x) {
    const Shape& shape = plan.shape;
    for (Index c = 0; c < box.channels(); ++c) {
      const double* first = x + shape.offset(0, box.channel_begin + c, 0);
      const double a = number_at(first), b = number_at(first + shape.offset(shape.outer / 2, 0, shape.inner / 2)),
                   last = number_at(first + shape.offset(shape.outer - 1, 0, shape.inner - 1));
      const double median = std::max(std::min(a, b), std::min(std::max(a, b), last));  // one may lie far out
      values_[c] = std::abs(median) <= std::numeric_limits<double>::max() ? median : 0.0;
    }
  }
  template <typename Extent>
  Packet<double> subtract_from(Packet<double> mean, Index c, Extent extent) const {
    return mean - load<double>(values_ + c, extent);
  }
  double add_to(double mean, Index c) const { return mean + values_[c]; }

 private:
  double values_[block_lanes];  // [channels of the box]
};

/// 1 for the channels whose sums about a pivot are as good as they should be, else 0: in range, and the pivot near the
/// mean.
template <typename T>
Packet<double> trusted(double n, Packet<double> u, Packet<double> m2) {
  constexpr double farthest = std::is_same_v<T, double> ? 0.5 : 0x1p20;  // (mean - pivot)^2, in variances
  constexpr double most = std::numeric_limits<double>::max();
  // An m2 below 0 is below any square.
  return at_most(u * u, Packet<double>::all(farthest * n) * m2) * at_most(m2, Packet<double>::all(most));
}

/// Mean and m2 about a pivot, from the sums about it. Whether all of these can be trusted.
template <typename T>
[[gnu::flatten]] bool moments_from_sums(const ChannelSums& sums, Index channels, double n, const double* pivot,
                                        const Origins<T>& origins, double* mean, double* m2) {
  const auto minus_per_value = Packet<double>::all(-1 / n);
  auto all = Packet<double>::all(1);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    const auto u = load<double>(sums.u + c, extent), minus_shift = u * minus_per_value;
    const auto squares = fma(u, minus_shift, load<double>(sums.uv + c, extent));
    store(mean + c, origins.subtract_from(load<double>(pivot + c, extent), c, extent) - minus_shift, extent);
    store(m2 + c, squares, extent);
    all = all * trusted<T>(n, u, squares);
  });
  return all_of(all);
}

/// Sums the box once more, each channel about the mean that was found, and corrects those whose first sums could not be
/// trusted. sums, mean, m2: what was found first. Rare, and apart so that box_moments() stays small.
template <typename T>
[[gnu::noinline]] void sum_again(const Plan& plan, const Box& box, const T* x, const ChannelSums& sums,
                                 const Origins<T>& origins, double* mean, double* m2) {
  const auto n = static_cast<double>(box.per_channel());
  const Index channels = box.channels();
  ChannelSums again = {};  // these two as g++ 12 cannot see that they are filled
  alignas(cache_line) double pivot[block_lanes] = {};
  double mean_again[block_lanes], m2_again[block_lanes];
  first_values(plan, box, x, pivot);  // where no mean was found
  for (Index c = 0; c < channels; ++c) {
    const double found = origins.add_to(mean[c], c);
    // As the layer's type holds it: then it is what a constant channel is full of, and m2 is 0.
    if (std::isfinite(found)) pivot[c] = static_cast<double>(static_cast<LaneOf<T>>(found));
  }
  sum_box(plan, box, Deviations<T>{{x}}, pivot, again);
  moments_from_sums<T>(again, channels, n, pivot, origins, mean_again, m2_again);
  for (Index c = 0; c < channels; ++c) {
    if (trusted<T>(n, Packet<double>::all(sums.u[c]), Packet<double>::all(m2[c]))[0] == 1) continue;
    mean[c] = mean_again[c];
    const bool overflow = std::isinf(again.uv[c]) && std::isfinite(again.u[c]);  // of squares of doubles
    m2[c] = overflow ? again.uv[c] : std::max(m2_again[c], 0.0);                 // NaN stays NaN
  }
}

/// The moments of the box's channels: mean, less its origin, and m2, double [channels of the box] each.
/// One pass over x, O(values), in company; a second where the pivot is found to have been too far away.
template <typename T, typename Companion>
void box_moments(const Plan& plan, const Box& box, const T* x, const Origins<T>& origins, double* mean, double* m2,
                 const Companion& companion) {
  const auto n = static_cast<double>(box.per_channel());
  const Index channels = box.channels();
  alignas(cache_line) double pivot[block_lanes];
  ChannelSums sums;
  if constexpr (std::is_same_v<T, double>) {
    choose_pivots(plan, box, x, pivot);
    sum_box(plan, box, Deviations<T>{{x}}, pivot, sums, companion);
  } else {
    for_each_packet<double>(channels, [&](Index c, auto) { store(pivot + c, Packet<double>::all(0)); });
    sum_box(plan, box, Values<T>{x}, pivot, sums, companion);
  }
  const bool all_trusted = moments_from_sums<T>(sums, channels, n, pivot, origins, mean, m2);
  if (!all_trusted) sum_again(plan, box, x, sums, origins, mean, m2);
}

/// The reduction of passes.hpp that finds mean and m2.
template <typename T>
struct MomentsReduction {
  static constexpr int inputs = 1;
  const T* x;
  template <typename Companion = Alone>
  void box(const Plan& plan, const Box& box, double* mean, double* m2, const Companion& companion = {}) const {
    box_moments(plan, box, x, Origins<T>(plan, box, x), mean, m2, companion);
  }
  static constexpr bool keeps_rest = Values<T>::keeps_rest;
  struct Rest {  // of m2, of which thousands of chunks may add the same
    double m2;
  };
  static void merge(Index before, Index count, Rest& rest, double& mean, double& m2, double box_mean, double box_m2) {
    const Moments all = tensornorm::merge(Moments{static_cast<double>(before), mean, 0},
                                          Moments{static_cast<double>(count), box_mean, box_m2});
    mean = all.mean;
    if constexpr (keeps_rest) rest.m2 += rest_of(m2, all.m2);
    m2 += all.m2;
  }
  static void merge_rest(const Rest& rest, double&, double& m2) {
    if (keeps_rest && std::isfinite(rest.m2)) m2 += rest.m2;
  }
  void complete(const Plan& plan, const Box& box, double* mean) const {
    const Origins<T> origins(plan, box, x);
    for (Index c = 0; c < box.channels(); ++c) mean[c] = origins.add_to(mean[c], c);
  }
};

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 { namespace functional {

using detail::Index;
using detail::Scratch;

/// What the normalised values are multiplied with, and what is added then: [C] each; null: 1 and 0.
template <typename Scalar>
struct Affine {
  const Scalar* weight;  ///< gamma
  const Scalar* bias;    ///< beta
};

/// What a batch tells about its channels, double [C] each.
struct BatchStatistics {
  double* mean;    ///< of the channel's values
  double* m2;      ///< sum of (x - mean)^2
  double* invstd;  ///< 1 / sqrt(m2 / (n - correction) + eps)
};

/// Sums over a channel's values that the gradients are made of, double [C] each.
struct GradientSums {
  double* dy;      ///< sum of dy: the gradient of bias
  double* dy_dev;  ///< sum of dy * (x - mean): times invstd, the gradient of weight
};

/// Doubles of scratch that a pass over x, empty or not, wants on this device; none on one thread. O(1).
template <typename Device, typename T>
Index scratch_doubles(const Device& device, const ChannelView<T>& x) {
  if (x.size() == 0 || detail::threads_of(device) == 1) return 0;
  return detail::scratch_size(device, detail::plan_reduction(x.shape, sizeof(T)));
}

// ----------------------------------------------------------------------------------------------------------- training

/// First half of a training forward: mean and m2 of every channel of x. statistics.invstd is left alone, and may be
/// null.
template <typename Device, typename T>
void batch_moments(const Device& device, const ChannelView<const T>& x, const BatchStatistics& statistics,
                   Scratch& scratch) {
  auto plan = detail::plan_reduction(x.shape, sizeof(T));
  const detail::MomentsReduction<T> reduction{x.data};
  detail::reduce(device, plan, reduction, statistics.mean, statistics.m2, scratch);
}

/// Between the halves: invstd from m2, for channels [begin, end) of n values each, n above correction and eps at least
/// 0. With eps 0 a constant channel's is 0.
inline void batch_invstd(Index begin, Index end, Index n, double eps, int correction,
                         const BatchStatistics& statistics) {
  const auto count = static_cast<double>(n - correction);
  detail::invert_deviations(statistics.m2 + begin, end - begin, count, eps, statistics.invstd + begin);
  if (eps > 0) return;
  for (Index c = begin; c < end; ++c) {  // a constant channel gives bias, as in PyTorch, not NaN
    if (statistics.m2[c] == 0) statistics.invstd[c] = 0;
  }
}

namespace internal {

// `after_reduction` as in movement.hpp: whether a block has just been reduced when it is mapped.

/// (x - mean) * invstd * weight + bias, as a mapping for passes.hpp.
template <typename T, typename Scalar>
auto normalisation(const detail::Plan& plan, const ChannelView<const T>& x, const BatchStatistics& statistics,
                   const Affine<Scalar>& affine, const ChannelView<T>& y, bool after_reduction) {
  const bool in_place = x.data == y.data;
  auto movement = detail::movement_of(plan, 1, in_place, after_reduction);
  const detail::NormalizeTraining<T> f{{x.data}};
  const detail::TrainingNumbers<Scalar> numbers{statistics.mean, statistics.invstd, affine.weight, affine.bias};
  return detail::mapping(plan, f, y.data, movement, numbers);
}

/// The gradient of a training forward, as a mapping for passes.hpp.
template <typename T, typename Scalar>
auto input_gradient(const detail::Plan& plan, const ChannelView<const T>& x, const ChannelView<const T>& dy,
                    const BatchStatistics& statistics, const Affine<Scalar>& affine, Index n, int correction,
                    const GradientSums& sums, const ChannelView<T>& dx, bool after_reduction) {
  const bool in_place = dy.data == dx.data;
  auto movement = detail::movement_of(plan, 2, in_place, after_reduction);
  const detail::GradientTraining<T> f{x.data, dy.data};
  const double per_value = 1 / static_cast<double>(n), per_freedom = 1 / static_cast<double>(n - correction);
  const detail::GradientNumbers<Scalar> numbers{statistics.mean, statistics.invstd, affine.weight, sums.dy,
                                                sums.dy_dev,     per_value,         per_freedom};
  return detail::mapping(plan, f, dx.data, movement, numbers);
}

}  // namespace internal

/// Second half of a training forward: y = (x - mean) * invstd * weight + bias. y may be x.
template <typename Device, typename T, typename Scalar>
void normalize(const Device& device, const ChannelView<const T>& x, const BatchStatistics& statistics,
               const Affine<Scalar>& affine, const ChannelView<T>& y) {
  auto plan = detail::plan_map(x.shape, sizeof(T), x.data == y.data);
  detail::map_all(device, plan, false, internal::normalisation(plan, x, statistics, affine, y, false));
}

/// A training forward: fills the statistics of x, then y. y may be x.
template <typename Device, typename T, typename Scalar>
void training_forward(const Device& device, const ChannelView<const T>& x, const Affine<Scalar>& affine, double eps,
                      int correction, const BatchStatistics& statistics, const ChannelView<T>& y, Scratch& scratch) {
  auto plan = detail::plan_reduction(x.shape, sizeof(T));
  const auto finish = [&](Index begin, Index end) {
    batch_invstd(begin, end, x.shape.per_channel(), eps, correction, statistics);
  };
  if (detail::maps_apart(plan, x.data == y.data)) {
    batch_moments(device, x, statistics, scratch);
    finish(0, x.shape.channels);
    return normalize(device, x, statistics, affine, y);
  }
  const detail::MomentsReduction<T> reduction{x.data};
  detail::reduce_and_map_beside(device, plan, reduction, statistics.mean, statistics.m2, scratch, finish,
                                internal::normalisation(plan, x, statistics, affine, y, true));
}

/// First half of a backward: both sums, about statistics.mean. statistics.m2 is that of x or of a larger batch that x
/// is a part of; it may be null, and then the sums of floats take a quarter longer in cache. invstd is not looked at.
template <typename Device, typename T>
void gradient_sums(const Device& device, const ChannelView<const T>& x, const ChannelView<const T>& dy,
                   const BatchStatistics& statistics, const GradientSums& sums, Scratch& scratch) {
  auto plan = detail::plan_reduction(x.shape, sizeof(T));
  const auto find = [&](const auto& reduction) {
    detail::reduce(device, plan, reduction, sums.dy, sums.dy_dev, scratch);
  };
  if (statistics.m2 == nullptr) {
    find(detail::GradientReduction<T, false>{x.data, dy.data, statistics.mean, nullptr});
  } else {
    find(detail::GradientReduction<T>{x.data, dy.data, statistics.mean, statistics.m2});
  }
}

/// Second half of a training backward: dx from the sums. statistics, of the forward, and sums are those of n values a
/// channel, n above correction, of which x may be a part; statistics.m2 is not looked at. dx may be dy.
template <typename Device, typename T, typename Scalar>
void input_gradient(const Device& device, const ChannelView<const T>& x, const ChannelView<const T>& dy,
                    const BatchStatistics& statistics, const Affine<Scalar>& affine, Index n, int correction,
                    const GradientSums& sums, const ChannelView<T>& dx) {
  auto plan = detail::plan_map(x.shape, sizeof(T), dy.data == dx.data);
  detail::map_all(device, plan, false,
                  internal::input_gradient(plan, x, dy, statistics, affine, n, correction, sums, dx, false));
}

/// A training backward: fills the sums, then dx. statistics: of the forward; m2 may be null, as in gradient_sums(), and
/// then memory of floats is read twice. dx may be dy.
template <typename Device, typename T, typename Scalar>
void training_backward(const Device& device, const ChannelView<const T>& x, const ChannelView<const T>& dy,
                       const BatchStatistics& statistics, const Affine<Scalar>& affine, int correction,
                       const GradientSums& sums, const ChannelView<T>& dx, Scratch& scratch) {
  const Index n = x.shape.per_channel();
  auto plan = detail::plan_reduction(x.shape, sizeof(T));
  const bool m2_is_missing = detail::sums_from_zero<T> && statistics.m2 == nullptr;
  if (m2_is_missing || detail::maps_apart(plan, dy.data == dx.data)) {
    gradient_sums(device, x, dy, statistics, sums, scratch);
    return input_gradient(device, x, dy, statistics, affine, n, correction, sums, dx);
  }
  const detail::GradientReduction<T> reduction{x.data, dy.data, statistics.mean, statistics.m2};
  detail::reduce_and_map_beside(
      device, plan, reduction, sums.dy, sums.dy_dev, scratch, [](Index, Index) {},
      internal::input_gradient(plan, x, dy, statistics, affine, n, correction, sums, dx, true));
}

// --------------------------------------------------------------------------------------------------------------- eval

/// y = (x - mean) / sqrt(var + eps) * weight + bias, with mean and var [C] as the layer keeps them. y may be x.
template <typename Device, typename T, typename Scalar>
void eval_forward(const Device& device, const ChannelView<const T>& x, const Scalar* mean, const Scalar* var,
                  double eps, const Affine<Scalar>& affine, const ChannelView<T>& y) {
  const bool in_place = x.data == y.data;
  auto plan = detail::plan_map(x.shape, sizeof(T), in_place);
  auto movement = detail::movement_of(plan, 1, in_place, false);
  const detail::NormalizeEval<T> f{x.data};
  const detail::EvalNumbers<Scalar> numbers{mean, var, eps, affine.weight, affine.bias};
  detail::map_all(device, plan, false, detail::mapping(plan, f, y.data, movement, numbers));
}

/// Statistics for gradient_sums() of an eval forward, from mean and var [C] as the layer keeps them. statistics.m2 is
/// left alone, and should be null in gradient_sums().
template <typename Scalar>
void running_statistics(Index channels, const Scalar* mean, const Scalar* var, double eps,
                        const BatchStatistics& statistics) {
  detail::kept_statistics(mean, var, channels, eps, statistics.mean, statistics.invstd);
}

/// dx = dy * weight / sqrt(var + eps), with var [C] as the layer keeps it. dx may be dy.
template <typename Device, typename T, typename Scalar>
void eval_input_gradient(const Device& device, const ChannelView<const T>& dy, const Scalar* var, double eps,
                         const Affine<Scalar>& affine, const ChannelView<T>& dx) {
  const bool in_place = dy.data == dx.data;
  auto plan = detail::plan_map(dy.shape, sizeof(T), in_place);
  auto movement = detail::movement_of(plan, 1, in_place, false);
  const detail::GradientEval<T> f{dy.data};
  const detail::EvalNumbers<Scalar> numbers{nullptr, var, eps, affine.weight, nullptr};
  detail::map_all(device, plan, false, detail::mapping(plan, f, dx.data, movement, numbers));
}

}}}  // namespace tensornorm::v0::functional

// ---- tensornorm/running_stats.hpp
// The running statistics: an exponential or a cumulative average of the batches' means and variances.

namespace tensornorm { inline namespace v0 {

/// The weight of the new batch, the `batches`-th since the statistics were reset, counted from 1: the momentum, or
/// without one 1/batches, which makes the statistics the mean over all batches. (torch/nn/modules/batchnorm.py:
/// exponential_average_factor)
inline double average_factor(const std::optional<double>& momentum, std::int64_t batches) {
  return momentum ? *momentum : 1.0 / static_cast<double>(batches);
}

// PyTorch's CPU code computes `momentum * batch + (1 - momentum) * running` with a rounding after every operation; the
// mean wholly in the layer's type, the variance with its first product and the sum in double. After a few batches the
// last digits depend on it, so these round the same way, whether or not a compiler contracts a*b + c to one FMA. They
// compute in double, which a rounding to float after an operation turns into that operation on floats.

namespace detail {

/// What the new batch and the past count for: the factor, and 1 - factor. V: a double, or a packet of them.
template <typename Scalar, typename V>
struct Averaging {
  V batch, past;

  V mean(V running, V mean_of_batch) const {
    return rounded<Scalar>(rounded<Scalar>(batch * rounded<Scalar>(mean_of_batch)) + rounded<Scalar>(past * running));
  }
  V var(V running, V var_of_batch) const {
    return rounded<Scalar>(rounded<double>(batch * rounded<Scalar>(var_of_batch)) + rounded<Scalar>(past * running));
  }
};

template <typename Scalar>
Averaging<Scalar, double> averaging(double factor) {
  const double batch = rounded<Scalar>(factor);
  return {batch, rounded<Scalar>(1 - batch)};
}
template <typename Scalar>
Averaging<Scalar, Packet<double>> packet_averaging(double factor) {
  const auto numbers = averaging<Scalar>(factor);
  return {Packet<double>::all(numbers.batch), Packet<double>::all(numbers.past)};
}

/// The running means of `channels` channels, after a batch with these means. O(channels).
template <typename Scalar>
[[gnu::flatten]] void update_means(Scalar* running, const double* mean, Index channels, double factor) {
  const auto average = packet_averaging<Scalar>(factor);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    const auto updated = average.mean(load<double>(running + c, extent), load<double>(mean + c, extent));
    store(running + c, updated, extent);
  });
}

/// The running variances, after a batch of variances m2 / freedom. O(channels).
template <typename Scalar>
[[gnu::flatten]] void update_vars(Scalar* running, const double* m2, double freedom, Index channels, double factor) {
  const auto average = packet_averaging<Scalar>(factor);
  for_each_packet<double>(channels, [&](Index c, auto extent) {
    const auto variance = load<double>(m2 + c, extent) / Packet<double>::all(freedom);
    store(running + c, average.var(load<double>(running + c, extent), variance), extent);
  });
}

}  // namespace detail

/// (1 - factor) * running + factor * mean, rounded as PyTorch rounds it. Scalar: float or double. O(1).
template <typename Scalar>
Scalar updated_mean(Scalar running, double mean, double factor) {
  return static_cast<Scalar>(detail::averaging<Scalar>(factor).mean(static_cast<double>(running), mean));
}

/// (1 - factor) * running + factor * variance, PyTorch's being the unbiased one. Rounded as PyTorch rounds it. O(1).
template <typename Scalar>
Scalar updated_var(Scalar running, double variance, double factor) {
  return static_cast<Scalar>(detail::averaging<Scalar>(factor).var(static_cast<double>(running), variance));
}

}}  // namespace tensornorm::v0

// ---- tensornorm/detail/layer_checks.hpp
// Every check that a layer makes before it writes anything, and the words it fails with. Where PyTorch has a message
// for the same mistake, ours begins with it.

// ---- tensornorm/options.hpp
// What a batch-norm layer can be asked to do differently, with PyTorch's names and defaults.

namespace tensornorm { inline namespace v0 {

/// The options of a layer: an aggregate, so that C++20 callers can write `{.eps = 1e-3}`.
/// Names, defaults and meaning are torch.nn.BatchNorm2d's; `channel_axis` and the two corrections are additions.
struct BatchNormOptions {
  /// Added to the variance before the square root. At least 0.
  double eps = 1e-5;
  /// Weight of the new batch in the running statistics; nullopt: their cumulative average. Any finite number.
  std::optional<double> momentum = 0.1;
  /// Whether the layer has weight and bias.
  bool affine = true;
  /// Whether the layer keeps running_mean and running_var, and normalises with them in eval mode.
  bool track_running_stats = true;
  /// The axis of the input that counts channels; negative counts from the last axis, -1 is channels-last.
  int channel_axis = 1;
  /// The variance that normalises divides by n - correction. PyTorch, Keras and ONNX: 0.
  int correction = 0;
  /// The variance that enters running_var divides by n - running_correction. PyTorch: 1; Keras and ONNX: 0.
  int running_correction = 1;
};

/// The momentum that means `running = decay * running + (1 - decay) * batch`, the convention of Keras and ONNX.
constexpr double momentum_from_decay(double decay) { return 1.0 - decay; }

}}  // namespace tensornorm::v0

namespace tensornorm { inline namespace v0 { namespace detail {

inline void check_options(Index num_features, const BatchNormOptions& options) {
  if (num_features <= 0) fail_argument("num_features should be at least 1, not ", num_features);
  constexpr Index most = std::numeric_limits<Index>::max() / Index{5 * sizeof(double)};  // a layer's five a channel
  if (num_features > most) fail_argument("num_features should be at most ", most, ", not ", num_features);
  if (!(options.eps >= 0)) fail_argument("eps should be at least 0, not ", options.eps);
  if (options.momentum && !std::isfinite(*options.momentum)) {
    fail_argument("momentum should be finite, or absent for a cumulative average, not ", *options.momentum);
  }
  if (options.correction < 0) fail_argument("correction should be at least 0, not ", options.correction);
  if (options.running_correction < 0) {
    fail_argument("running_correction should be at least 0, not ", options.running_correction);
  }
}

/// Ranks and scalars, at compile time.
template <typename X, int SpatialDims, typename Scalar>
constexpr void check_types() {
  constexpr int rank = EigenTraits<X>::rank;
  static_assert(SpatialDims != 1 || rank == 2 || rank == 3,
                "BatchNorm1d: expected 2D or 3D input, (N, C) or (N, C, L)");
  static_assert(SpatialDims != 2 || rank == 4, "BatchNorm2d: expected 4D input, (N, C, H, W)");
  static_assert(SpatialDims != 3 || rank == 5, "BatchNorm3d: expected 5D input, (N, C, D, H, W)");
  using T = typename EigenTraits<X>::Scalar;
  static_assert(std::is_same_v<T, Scalar> || (std::is_same_v<Scalar, float> && is_half<T>),
                "tensornorm: the input's scalar must be the layer's own, or half or bfloat16 for a float layer");
}

/// Whether two tensors may go together: same scalar, rank and storage order.
template <typename X, typename Y>
constexpr void check_same_kind() {
  using A = EigenTraits<X>;
  using B = EigenTraits<Y>;
  static_assert(std::is_same_v<typename A::Scalar, typename B::Scalar>, "tensornorm: all tensors need the same scalar");
  static_assert(A::rank == B::rank, "tensornorm: all tensors need the same rank");
  static_assert(!A::has_order || !B::has_order || A::row_major == B::row_major,
                "tensornorm: all tensors need the same storage order");
}

/// PyTorch's words for a number of channels that does not fit, and what would.
template <typename T, int Rank>
void check_channels(const Operand<T, Rank>& x, const Shape& shape, Index num_features, int channel_axis,
                    const char* owner) {
  if (shape.channels == num_features) return;
  std::string hint;
  for (int axis = Rank - 1; axis >= 0 && hint.empty(); --axis) {
    if (x.dimensions[static_cast<std::size_t>(axis)] == num_features) {
      hint = text("; did you mean channel_axis = ", axis == Rank - 1 ? -1 : axis, "?");
    }
  }
  fail_argument(owner, " should contain ", shape.channels, " elements not ", num_features, ": x of shape ",
                x.dimensions, " has ", shape.channels, " channels along channel_axis ", channel_axis,
                ", expected num_features = ", num_features, hint);
}

/// A parameter, statistic or gradient, which users can resize: one number a channel, or none.
inline void check_vector(const char* name, Index size, Index num_features) {
  if (size != 0 && size != num_features) fail_argument(name, " should contain ", num_features, " elements not ", size);
}

/// In eval mode a layer has both running statistics, or none.
inline void check_running_stats(Index mean_size, Index var_size) {
  if (mean_size == 0) fail_argument("running_mean must be defined in evaluation mode");
  if (var_size == 0) fail_argument("running_var must be defined in evaluation mode");
}

/// Batch statistics need more values a channel than their variance's divisor takes away, and more than one.
template <std::size_t Rank>
void check_values_per_channel(Index n, int least, const Dimensions<Rank>& dimensions) {
  if (n > least) return;
  fail_argument("Expected more than ", least, least == 1 ? " value" : " values",
                " per channel when training, got input size ", dimensions);
}

/// Bytes in use under a name that users know.
struct Memory {
  const char* name;
  const void* data;
  std::size_t bytes;
};

/// Whether two ranges share any byte.
inline bool overlap(const Memory& a, const Memory& b) {
  const auto from_a = reinterpret_cast<std::uintptr_t>(a.data), from_b = reinterpret_cast<std::uintptr_t>(b.data);
  return a.bytes > 0 && b.bytes > 0 && from_a < from_b + b.bytes && from_b < from_a + a.bytes;
}

/// An output shares no byte with `other`.
inline void check_apart(const Memory& output, const Memory& other) {
  if (overlap(output, other)) {
    fail_argument(output.name, " overlaps ", other.name, ": expected memory of its own");
  }
}

/// An output `y` has the sizes of `x`, or is empty and resizable; its memory is that of `alias` or apart from it.
/// Returns the memory that will be written: if it is still to be found, that of y itself.
template <typename Y, typename T, int Rank>
Memory check_output(const char* name, Y& y, const Operand<T, Rank>& x, const Memory& alias) {
  using Output = std::remove_const_t<Y>;
  static_assert(EigenTraits<Output>::has_memory, "tensornorm: an output must have memory of its own or mapped");
  static_assert(!is_const_data<decltype(y.data())>, "tensornorm: an output must not be const");
  const auto sizes = dimensions_of(y);
  if (sizes != x.dimensions) {
    if (is_resizable(y) && comes_in<Output>(x.dimensions)) return {name, &y, sizeof(y)};
    fail_argument(name, " should have the shape ", x.dimensions, " of the input, not ", sizes);
  }
  if (!is_contiguous(y)) fail_argument(name, " of shape ", sizes, " should be contiguous: it has strides");
  const Memory output{name, y.data(), x.bytes()};
  if (output.bytes == 0) return output;
  if (output.data == nullptr) fail_argument(name, " of shape ", sizes, " has a null pointer for data");
  if (output.data != alias.data && overlap(output, alias)) {
    fail_argument(name, " overlaps part of ", alias.name, ": expected the same memory, or memory of its own");
  }
  return output;
}

/// The layer as PyTorch prints it.
inline std::string layer_text(const char* name, Index num_features, const BatchNormOptions& options) {
  const auto truth = [](bool value) { return value ? "True" : "False"; };
  std::string line =
      text(name, '(', num_features, ", eps=", options.eps,
           ", momentum=", options.momentum ? text(*options.momentum) : "None", ", affine=", truth(options.affine),
           ", track_running_stats=", truth(options.track_running_stats));
  const auto add_unless_usual = [&line](const char* option, int value, int usual) {
    if (value != usual) line += text(", ", option, '=', value);
  };
  const BatchNormOptions usual;
  add_unless_usual("channel_axis", options.channel_axis, usual.channel_axis);
  add_unless_usual("correction", options.correction, usual.correction);
  add_unless_usual("running_correction", options.running_correction, usual.running_correction);
  return line + ')';
}

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 { namespace detail {

/// Parameters, running statistics and gradients: [C] each, or empty. Users hold references to the vectors and may
/// assign or resize them, so that their sizes are checked before every pass.
template <typename Scalar>
struct LayerState {
  using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  Index num_features;
  BatchNormOptions options;
  bool training = true;
  Vector weight, bias;
  Vector weight_grad, bias_grad;
  Vector running_mean, running_var;
  std::int64_t num_batches_tracked = 0;

  LayerState(Index features, const BatchNormOptions& chosen) : num_features(features), options(chosen) {
    check_options(features, chosen);
    if (chosen.affine) weight_grad.setZero(features), bias_grad.setZero(features);
    reset_parameters();
  }

  void reset_running_stats() {
    if (!options.track_running_stats) return;
    give_size(running_mean, running_var);
    running_mean.setZero();
    running_var.setOnes();
    num_batches_tracked = 0;
  }
  void reset_parameters() {
    if (!options.affine) return reset_running_stats();
    if (options.track_running_stats) {
      give_size(running_mean, running_var, weight, bias);
    } else {
      give_size(weight, bias);
    }
    reset_running_stats();
    weight.setOnes();
    bias.setZero();
  }
  /// Gives vectors of another size one of num_features numbers: all of them, or when memory runs out none. (Eigen's own
  /// resize would leave a vector without its memory then.)
  template <typename... Vectors>
  void give_size(Vectors&... vectors) {
    std::array<Vector, sizeof...(vectors)> sized;
    std::size_t k = 0;
    (sized[k++].resize(vectors.size() == num_features ? 0 : num_features), ...);
    k = 0;
    ((sized[k].size() > 0 ? vectors.swap(sized[k]) : void(), ++k), ...);
  }

  /// Whether eval mode normalises with the running statistics; without any, with those of the batch.
  bool has_running_stats() const { return running_mean.size() > 0 || running_var.size() > 0; }

  functional::Affine<Scalar> affine() const {
    return {weight.size() > 0 ? weight.data() : nullptr, bias.size() > 0 ? bias.data() : nullptr};
  }

  /// After a training forward over n values a channel.
  void update_running_stats(const functional::BatchStatistics& batch, Index n) {
    if (!options.track_running_stats) return;
    if (num_batches_tracked < std::numeric_limits<std::int64_t>::max()) ++num_batches_tracked;  // it may be a file's
    const double factor = average_factor(options.momentum, num_batches_tracked);
    const auto freedom = static_cast<double>(n - options.running_correction);
    update_means(running_mean.data(), batch.mean, running_mean.size(), factor);
    update_vars(running_var.data(), batch.m2, freedom, running_var.size(), factor);
  }

  /// After a backward with the invstd of its forward. A gradient is added only for a parameter that is there.
  void add_gradients(const functional::GradientSums& sums, const double* invstd) {
    if (weight.size() > 0) add_products(sums.dy_dev, invstd, weight_grad.size(), weight_grad.data());
    if (bias.size() > 0) add_numbers(sums.dy, bias_grad.size(), bias_grad.data());
  }

  /// x as a view, once it and the vectors are found fit for a pass in the present mode.
  template <typename T, int Rank>
  ChannelView<T> checked_view(const Operand<T, Rank>& x, bool batch_statistics) const {
    const Shape shape = shape_of(x, options.channel_axis, "x");
    const char* owner = running_mean.size() > 0 ? "running_mean" : weight.size() > 0 ? "weight" : "x";
    check_channels(x, shape, num_features, options.channel_axis, owner);
    check_vector("weight", weight.size(), num_features);
    check_vector("bias", bias.size(), num_features);
    check_vector("running_mean", running_mean.size(), num_features);
    check_vector("running_var", running_var.size(), num_features);
    if (!training && has_running_stats()) check_running_stats(running_mean.size(), running_var.size());
    if (shape.size() == 0) return {x.data, shape};
    check_memory(x, "x");
    if (batch_statistics) {
      const bool updates = training && options.track_running_stats && running_var.size() > 0;
      const int least = std::max({1, options.correction, updates ? options.running_correction : 0});
      check_values_per_channel(shape.per_channel(), least, x.dimensions);
    }
    return {x.data, shape};
  }

  template <typename T, int Rank>
  void check_dy(const Operand<T, Rank>& dy, const Operand<T, Rank>& x) const {
    if (dy.dimensions != x.dimensions) {
      fail_argument("dy should have the shape ", x.dimensions, " of x, not ", dy.dimensions);
    }
    check_memory(dy, "dy");
    check_vector("weight_grad", weight_grad.size(), num_features);
    check_vector("bias_grad", bias_grad.size(), num_features);
  }

  /// No output may overlap what the layer owns, or be one of its vectors, which are empty where it has none.
  void check_apart(const Memory& output) const {
    for_each_vector([&output](const char* name, const Vector& v) {
      detail::check_apart(output, {name, v.data(), static_cast<std::size_t>(v.size()) * sizeof(Scalar)});
    });
    if (!overlap(output, {"the layer", this, sizeof(*this)})) return;
    for_each_vector([&output](const char* name, const Vector& v) {
      detail::check_apart(output, {name, &v, sizeof(v)});
    });
  }

  template <typename Visit>
  void for_each_vector(const Visit& visit) const {
    visit("weight", weight);
    visit("bias", bias);
    visit("running_mean", running_mean);
    visit("running_var", running_var);
    visit("weight_grad", weight_grad);
    visit("bias_grad", bias_grad);
  }
};

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 { namespace detail {

/// Names and order of torch.nn.BatchNorm2d's state_dict(). What the layer has not got is left out.
template <typename Scalar>
StateDict saved_state(const LayerState<Scalar>& layer, const std::string& prefix) {
  StateDict saved;
  const auto save = [&](const char* name, const auto& vector) {
    if (vector.size() > 0) saved.insert(prefix + name, Array::from(vector));
  };
  save("weight", layer.weight);
  save("bias", layer.bias);
  save("running_mean", layer.running_mean);
  save("running_var", layer.running_var);
  if (layer.options.track_running_stats) {
    saved.insert(prefix + "num_batches_tracked", Array({}, std::vector<std::int64_t>{layer.num_batches_tracked}));
  }
  return saved;
}

/// Reads a layer's state from a dict entry by entry, and collects what is wrong in PyTorch's words.
template <typename Scalar>
class StateReader {
 public:
  using Vector = typename LayerState<Scalar>::Vector;

  StateReader(const StateDict& from, const std::string& prefix, Index num_features)
      : from_(from), prefix_(prefix), num_features_(num_features) {}

  /// The vector called `name`, if a layer that holds `present` has one and it is there without fault.
  std::optional<Vector> vector(const char* name, const Vector& present) {
    const Array* array = present.size() > 0 ? find(name) : nullptr;
    if (array == nullptr) {
      if (present.size() > 0) missing_ += text(missing_.empty() ? "" : ", ", '"', prefix_, name, '"');
      return std::nullopt;
    }
    if (array->shape() != Array::Shape{num_features_}) {
      fault("size mismatch for ", prefix_, name, ": copying a param with shape ", shape_text(array->shape()),
            " from checkpoint, the shape in current model is [", num_features_, "].");
      return std::nullopt;
    }
    if (array->dtype() == DType::int64 || array->dtype() == DType::int32 || array->dtype() == DType::uint8) {
      fault(prefix_, name, " should hold real numbers, not whole ones.");
      return std::nullopt;
    }
    try {
      return array->template to<Vector>();
    } catch (const std::invalid_argument& error) {
      fault(prefix_, name, ": ", error.what(), '.');
      return std::nullopt;
    }
  }

  /// `found` is what vector(name) has found. Looked at as the dict has it: rounded, a number below 0 may be -0.
  void check_variances(const char* name, const std::optional<Vector>& found) {
    if (!found) return;
    const auto variances = from_.at(prefix_ + name).template to<Eigen::VectorXd>();
    for (Index c = 0; c < variances.size(); ++c) {
      if (variances[c] >= 0) continue;
      fault(prefix_, name, " should be at least 0, not ", variances[c], " in channel ", c, '.');
    }
  }

  /// The number of batches, of shape [] or [1]; `present` where there is none, as in files of PyTorch before 0.4.1.
  std::int64_t counter(const char* name, std::int64_t present) {
    const Array* array = find(name);
    if (array == nullptr) return present;
    if (array->size() != 1 || array->shape().size() > 1) {
      fault("size mismatch for ", prefix_, name, ": copying a param with shape ", shape_text(array->shape()),
            " from checkpoint, the shape in current model is [].");
      return present;
    }
    if (array->dtype() != DType::int64) {
      fault(prefix_, name, " should be a 64-bit whole number.");
      return present;
    }
    const std::int64_t count = array->template values<std::int64_t>()[0];
    if (count < 0) fault(prefix_, name, " should be at least 0, not ", count, '.');
    return count;
  }

  /// Throws std::invalid_argument with all faults, if there are any.
  void finish(const char* layer_name, bool strict) {
    std::string unexpected;
    for (const auto& [name, array] : from_) {
      const bool ours = name.compare(0, prefix_.size(), prefix_) == 0;
      const bool read = std::find(read_.begin(), read_.end(), &array) != read_.end();
      if (ours && !read) unexpected += text(unexpected.empty() ? "" : ", ", '"', name, '"');
    }
    std::string keys;
    if (strict && !missing_.empty()) keys += text("\n\tMissing key(s) in state_dict: ", missing_, '.');
    if (strict && !unexpected.empty()) keys += text("\n\tUnexpected key(s) in state_dict: ", unexpected, '.');
    if (keys.empty() && faults_.empty()) return;
    fail_argument("Error(s) in loading state_dict for ", layer_name, ':', keys, faults_);
  }

 private:
  const Array* find(const char* name) {
    read_.push_back(from_.find(prefix_ + name));
    return read_.back();
  }
  template <typename... Parts>
  void fault(const Parts&... parts) {
    faults_ += text("\n\t", parts...);
  }

  const StateDict& from_;
  const std::string& prefix_;
  const Index num_features_;
  std::vector<const Array*> read_;  // what the layer asked for; null where it is missing
  std::string missing_, faults_;
};

/// torch.nn.Module.load_state_dict for one layer; nothing is applied where anything is wrong.
template <typename Scalar>
void load_state(LayerState<Scalar>& layer, const char* layer_name, const StateDict& from, const std::string& prefix,
                bool strict) {
  StateReader<Scalar> reader(from, prefix, layer.num_features);
  auto weight = reader.vector("weight", layer.weight);
  auto bias = reader.vector("bias", layer.bias);
  auto running_mean = reader.vector("running_mean", layer.running_mean);
  auto running_var = reader.vector("running_var", layer.running_var);
  reader.check_variances("running_var", running_var);
  std::int64_t counter = layer.num_batches_tracked;
  if (layer.options.track_running_stats) counter = reader.counter("num_batches_tracked", counter);
  reader.finish(layer_name, strict);

  // Into its place, as in PyTorch: an optimiser may have mapped it. One of a wrong size is replaced. Neither can throw.
  const auto apply = [](auto& present, auto& loaded) {
    if (!loaded) return;
    if (loaded->size() == present.size()) {
      std::copy_n(loaded->data(), loaded->size(), present.data());
    } else {
      present.swap(*loaded);
    }
  };
  apply(layer.weight, weight);
  apply(layer.bias, bias);
  apply(layer.running_mean, running_mean);
  apply(layer.running_var, running_var);
  layer.num_batches_tracked = counter;
}

}}}  // namespace tensornorm::v0::detail

// ---- tensornorm/detail/operand_passes.hpp
// The passes of a layer on operands, memory with sizes, whatever Eigen types they came from; and what these passes keep
// for one another. In each: check everything, then find all memory, then write.

// ---- tensornorm/layer_passes.hpp
// The passes that a layer runs, as a class, so that a large project can compile them in one place: they are most of
// what a layer costs a compiler.
//
//   extern template struct tensornorm::LayerPasses<float>;   in a header that every file of the project includes
//   template struct tensornorm::LayerPasses<float>;          in one source file
//
// The members stand outside the class because those inside are inline, and are compiled everywhere all the same.

namespace tensornorm { inline namespace v0 {

/// The passes of tensornorm::functional that a layer runs on inputs of type T, float, double, Eigen::half or
/// Eigen::bfloat16, on a device. Programs name it in an explicit instantiation, which serves 1d, 2d and 3d layers, both
/// storage orders, all channel axes and all Eigen types. Without one nothing changes but the time to compile. Errors,
/// cost and threads are those of the functions of the same names.
template <typename T, typename Device = Eigen::DefaultDevice>
struct LayerPasses {
  using Scalar = detail::LaneOf<T>;                ///< of the layer: float or double
  using Input = ChannelView<const T>;              ///< [outer, channels, inner]
  using Output = ChannelView<T>;                   ///< the same, to write
  using Affine = functional::Affine<Scalar>;       ///< weight and bias
  using Statistics = functional::BatchStatistics;  ///< mean, m2 and invstd
  using Sums = functional::GradientSums;           ///< of dy and of dy * (x - mean)
  using Scratch = functional::Scratch;             ///< for partial results

  ///@{
  /// The function of this name in tensornorm::functional.
  static void batch_moments(const Device& device, const Input& x, const Statistics& statistics, Scratch& scratch);
  static void training_forward(const Device& device, const Input& x, const Affine& affine, double eps, int correction,
                               const Statistics& statistics, const Output& y, Scratch& scratch);
  static void eval_forward(const Device& device, const Input& x, const Scalar* mean, const Scalar* var, double eps,
                           const Affine& affine, const Output& y);
  static void gradient_sums(const Device& device, const Input& x, const Input& dy, const Statistics& statistics,
                            const Sums& sums, Scratch& scratch);
  static void training_backward(const Device& device, const Input& x, const Input& dy, const Statistics& statistics,
                                const Affine& affine, int correction, const Sums& sums, const Output& dx,
                                Scratch& scratch);
  static void eval_input_gradient(const Device& device, const Input& dy, const Scalar* var, double eps,
                                  const Affine& affine, const Output& dx);
  ///@}
};

template <typename T, typename Device>
void LayerPasses<T, Device>::batch_moments(const Device& device, const Input& x, const Statistics& statistics,
                                           Scratch& scratch) {
  functional::batch_moments(device, x, statistics, scratch);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::training_forward(const Device& device, const Input& x, const Affine& affine, double eps,
                                              int correction, const Statistics& statistics, const Output& y,
                                              Scratch& scratch) {
  functional::training_forward(device, x, affine, eps, correction, statistics, y, scratch);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::eval_forward(const Device& device, const Input& x, const Scalar* mean, const Scalar* var,
                                          double eps, const Affine& affine, const Output& y) {
  functional::eval_forward(device, x, mean, var, eps, affine, y);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::gradient_sums(const Device& device, const Input& x, const Input& dy,
                                           const Statistics& statistics, const Sums& sums, Scratch& scratch) {
  functional::gradient_sums(device, x, dy, statistics, sums, scratch);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::training_backward(const Device& device, const Input& x, const Input& dy,
                                               const Statistics& statistics, const Affine& affine, int correction,
                                               const Sums& sums, const Output& dx, Scratch& scratch) {
  functional::training_backward(device, x, dy, statistics, affine, correction, sums, dx, scratch);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::eval_input_gradient(const Device& device, const Input& dy, const Scalar* var, double eps,
                                                 const Affine& affine, const Output& dx) {
  functional::eval_input_gradient(device, dy, var, eps, affine, dx);
}

}}  // namespace tensornorm::v0

namespace tensornorm { inline namespace v0 { namespace detail {

/// The passes of a layer with the given state, which belongs to the caller. Outputs (y, dx) are Eigen tensors or
/// matrices, as an empty one is given its size here.
template <typename Scalar>
class OperandPasses {
 public:
  using State = LayerState<Scalar>;

  explicit OperandPasses(Index num_features) : batch_(static_cast<std::size_t>(3 * num_features)) {}

  /// Normalises with the statistics of the batch, and adds them to the running ones.
  template <typename Device, typename T, int Rank, typename Y>
  void training_forward(State& state, const Device& device, const Operand<T, Rank>& x, Y& y) {
    const auto view = state.checked_view(x, true);
    state.check_apart(check_output("y", y, x, {"x", x.data, x.bytes()}));
    grow(partials_, functional::scratch_doubles(device, view));
    give_sizes(y, x.dimensions);
    if (view.size() == 0) return;
    const auto batch = statistics_in(batch_, state);
    PassesOf<T, Device>::training_forward(device, view, state.affine(), state.options.eps, state.options.correction,
                                          batch, like(view, y.data()), partials_);
    remembered_ = view.shape.per_channel();
    state.update_running_stats(batch, remembered_);
  }

  /// Normalises with the running statistics or, where there are none, with those of the batch.
  template <typename Device, typename T, int Rank, typename Y>
  static void eval_forward(const State& state, const Device& device, const Operand<T, Rank>& x, Y& y) {
    const bool running = state.has_running_stats();
    const auto view = state.checked_view(x, !running);
    state.check_apart(check_output("y", y, x, {"x", x.data, x.bytes()}));
    std::vector<double> statistics, partials;  // of the batch, where there are no running statistics
    if (!running && view.size() > 0) {
      grow(statistics, 3 * state.num_features);
      grow(partials, functional::scratch_doubles(device, view));
    }
    give_sizes(y, x.dimensions);
    if (view.size() == 0) return;
    const auto y_view = like(view, y.data());
    if (running) {
      PassesOf<T, Device>::eval_forward(device, view, state.running_mean.data(), state.running_var.data(),
                                        state.options.eps, state.affine(), y_view);
    } else {
      PassesOf<T, Device>::training_forward(device, view, state.affine(), state.options.eps, state.options.correction,
                                            statistics_in(statistics, state), y_view, partials);
    }
  }

  /// The gradient of the present mode's forward; adds those of the parameters to the state's.
  template <typename Device, typename T, int Rank, typename DX>
  void backward(State& state, const Device& device, const Operand<T, Rank>& x, const Operand<T, Rank>& dy, DX& dx) {
    using Passes = PassesOf<T, Device>;
    const Index channels = state.num_features;
    const double eps = state.options.eps;
    const int correction = state.options.correction;
    const bool of_batch = !state.training && !state.has_running_stats();  // eval with statistics, found anew from x
    const auto view = state.checked_view(x, of_batch);
    state.check_dy(dy, x);
    if (state.training && view.size() > 0) check_remembered(view.shape.per_channel());
    const auto output = check_output("dx", dx, x, {"dy", dy.data, dy.bytes()});
    check_apart(output, {"x", x.data, x.bytes()});
    state.check_apart(output);
    if (view.size() > 0) {
      grow(work_, 5 * channels);
      grow(partials_, functional::scratch_doubles(device, view));
    }
    give_sizes(dx, x.dimensions);
    if (view.size() == 0) return;

    const ChannelView<T> dy_view{dy.data, view.shape};
    const auto dx_view = like(view, dx.data());
    const functional::GradientSums sums{work_.data() + 3 * channels, work_.data() + 4 * channels};
    const auto of = statistics_in(state.training ? batch_ : work_, state);
    if (of_batch) {
      Passes::batch_moments(device, view, of, partials_);
      functional::batch_invstd(0, channels, view.shape.per_channel(), eps, correction, of);
    }
    if (state.training || of_batch) {
      Passes::training_backward(device, view, dy_view, of, state.affine(), correction, sums, dx_view, partials_);
    } else {
      const functional::BatchStatistics running{of.mean, nullptr, of.invstd};
      functional::running_statistics(channels, state.running_mean.data(), state.running_var.data(), eps, running);
      const bool parameters = state.weight.size() > 0 || state.bias.size() > 0;
      if (parameters) Passes::gradient_sums(device, view, dy_view, running, sums, partials_);
      Passes::eval_input_gradient(device, dy_view, state.running_var.data(), eps, state.affine(), dx_view);
    }
    state.add_gradients(sums, of.invstd);
  }

 private:
  template <typename T, typename Device>
  using PassesOf = LayerPasses<std::remove_const_t<T>, Device>;

  void check_remembered(Index n) const {
    if (remembered_ == 0) fail_order("backward in training mode needs a training forward before it");
    if (n != remembered_) {
      fail_argument("x should be that of the last training forward, with ", remembered_, " values per channel, not ",
                    n);
    }
  }

  /// Mean, m2 and invstd in a buffer of at least [3, C].
  static functional::BatchStatistics statistics_in(std::vector<double>& buffer, const State& state) {
    return {buffer.data(), buffer.data() + state.num_features, buffer.data() + 2 * state.num_features};
  }
  template <typename T>
  static ChannelView<std::remove_const_t<T>> like(const ChannelView<T>& view, std::remove_const_t<T>* data) {
    return {data, view.shape};
  }
  static void grow(std::vector<double>& buffer, Index size) {
    if (static_cast<Index>(buffer.size()) < size) buffer.resize(static_cast<std::size_t>(size));
  }

  Index remembered_ = 0;       // values a channel of the last training forward; 0: there was none
  std::vector<double> batch_;  // its mean, m2 and invstd, [3, C]
  std::vector<double> work_;   // of a backward: statistics [3, C], then its two sums [2, C]
  Scratch partials_;           // of chunks, when threads share a channel
};

}}}  // namespace tensornorm::v0::detail

namespace tensornorm { inline namespace v0 {

/// Batch normalization of tensors with `SpatialDims` axes beside batch and channels: what BatchNorm1d, 2d and 3d do.
///
/// Scalar: float or double, the type of parameters and statistics. Inputs have the same scalar; a float layer also
/// takes Eigen::half and Eigen::bfloat16, computes in float and rounds the output once. Inputs are Eigen::Tensor,
/// TensorMap, TensorFixedSize, and for rank 2 any dense Eigen matrix or array; RowMajor or ColMajor, without a copy as
/// long as their memory is contiguous. Other expressions are evaluated first.
///
/// - Meaning: torch.nn.BatchNorm2d (https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html).
/// - Errors: std::invalid_argument for wrong values, std::logic_error for a wrong order of calls. After a throw layer
///   and outputs are as they were. A layer that was moved from may only be destroyed or assigned to.
/// - Cost: O(elements) time. Once the layer has run at a size, forward(x, y) and backward(x, dy, dx) allocate
///   nothing on one thread, but for inputs that are expressions or not contiguous, and eval without running statistics.
/// - Threads: the const members, and forward in eval mode, are safe from many threads at once; the others want the
///   layer to themselves.
template <typename Scalar, int SpatialDims>
class BatchNorm {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>,
                "tensornorm: a layer's parameters are float or double");
  static_assert(SpatialDims >= 1 && SpatialDims <= 3, "tensornorm: there are BatchNorm1d, 2d and 3d");

 public:
  /// Eigen::Matrix<Scalar, Eigen::Dynamic, 1>: one number a channel, [C].
  using Vector = typename detail::LayerState<Scalar>::Vector;

  /// A layer in training mode for num_features channels: weight 1, bias 0, running_mean 0, running_var 1.
  /// Throws std::invalid_argument when num_features, eps, momentum or a correction makes no sense.
  explicit BatchNorm(Eigen::Index num_features, BatchNormOptions options = {})
      : state_(num_features, options), passes_(num_features) {}

  /// A copy.
  BatchNorm(const BatchNorm&) = default;
  /// Takes over what the other has.
  BatchNorm(BatchNorm&&) = default;
  /// Takes over what the other has.
  BatchNorm& operator=(BatchNorm&&) = default;
  /// By way of a copy: when memory for that runs out, this layer is as it was.
  BatchNorm& operator=(const BatchNorm& other) { return *this = BatchNorm(other); }

  /// Training mode: batch statistics normalise, and enter the running statistics.
  BatchNorm& train(bool mode = true) {
    state_.training = mode;
    return *this;
  }
  /// Eval mode: the running statistics normalise; where there are none, those of the batch.
  BatchNorm& eval() { return train(false); }
  /// Whether the layer is in training mode, as a new one is.
  bool is_training() const { return state_.training; }

  /// \name Forward
  /// The const ones are for eval mode only: on a layer in training mode they throw std::logic_error.
  ///@{

  /// y = (x - mean) / sqrt(var + eps) * weight + bias, in a new tensor of x's plain type and shape.
  template <typename X>
  auto forward(const X& x) {
    return forward_to_new(*this, x);
  }
  /// The same, in eval mode.
  template <typename X>
  auto forward(const X& x) const {
    return forward_to_new(*this, x);
  }
  /// forward(x).
  template <typename X>
  auto operator()(const X& x) {
    return forward_to_new(*this, x);
  }
  /// forward(x), in eval mode.
  template <typename X>
  auto operator()(const X& x) const {
    return forward_to_new(*this, x);
  }

  /// The same into y, of x's shape, scalar and storage order. y may be x, which a backward after a training forward
  /// would then miss. An empty y that owns its memory is resized.
  template <typename X, typename Y>
  void forward(const X& x, Y&& y) {
    forward(Eigen::DefaultDevice{}, x, y);
  }
  /// The same, in eval mode.
  template <typename X, typename Y>
  void forward(const X& x, Y&& y) const {
    forward(Eigen::DefaultDevice{}, x, y);
  }

  /// The same on a device: Eigen::DefaultDevice or Eigen::ThreadPoolDevice. Every device gives the same bits.
  template <typename Device, typename X, typename Y>
  void forward(const Device& device, const X& x, Y&& y) {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, std::decay_t<Y>>();
    const detail::Input<X> in(x);
    run_forward(device, in.operand(), y);
  }
  /// The same, in eval mode.
  template <typename Device, typename X, typename Y>
  void forward(const Device& device, const X& x, Y&& y) const {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, std::decay_t<Y>>();
    const detail::Input<X> in(x);
    run_forward(device, in.operand(), y);
  }

  ///@}
  /// \name Backward
  ///@{

  /// dx, the gradient of the present mode's forward at x, given that of its output, dy; adds the parameters' gradients
  /// to weight_grad() and bias_grad(). In training mode x must be the x of the last training forward, whose mean and
  /// invstd the layer has kept; std::logic_error when there was none.
  template <typename X, typename DY>
  auto backward(const X& x, const DY& dy) {
    typename detail::EigenTraits<X>::Plain dx;
    backward(Eigen::DefaultDevice{}, x, dy, dx);
    return dx;
  }

  /// The same into dx, of x's shape, scalar and storage order; dx may be dy, but must not share memory with x.
  template <typename X, typename DY, typename DX>
  void backward(const X& x, const DY& dy, DX&& dx) {
    backward(Eigen::DefaultDevice{}, x, dy, dx);
  }
  /// The same on a device, with the same bits on every one.
  template <typename Device, typename X, typename DY, typename DX>
  void backward(const Device& device, const X& x, const DY& dy, DX&& dx) {
    detail::check_types<X, SpatialDims, Scalar>();
    detail::check_same_kind<X, DY>();
    detail::check_same_kind<X, std::decay_t<DX>>();
    const detail::Input<X> in(x);
    const detail::Input<DY> in_dy(dy);
    passes_.backward(state_, device, in.operand(), in_dy.operand(), dx);
  }

  ///@}
  /// \name Parameters, statistics and gradients
  ///@{

  /// Size num_features, or 0 where the layer has none. They may be assigned to; a wrong size throws in the next pass
  /// that uses it.
  Vector& weight() { return state_.weight; }                          ///< gamma, [C] or empty
  Vector& bias() { return state_.bias; }                              ///< beta, [C] or empty
  Vector& running_mean() { return state_.running_mean; }              ///< average of the batches' means, [C] or empty
  Vector& running_var() { return state_.running_var; }                ///< average of their variances, [C] or empty
  Vector& weight_grad() { return state_.weight_grad; }                ///< summed by backward, [C] or empty
  Vector& bias_grad() { return state_.bias_grad; }                    ///< likewise
  const Vector& weight() const { return state_.weight; }              ///< gamma, [C] or empty
  const Vector& bias() const { return state_.bias; }                  ///< beta, [C] or empty
  const Vector& running_mean() const { return state_.running_mean; }  ///< average of the batches' means, [C] or empty
  const Vector& running_var() const { return state_.running_var; }    ///< average of their variances, [C] or empty
  const Vector& weight_grad() const { return state_.weight_grad; }    ///< summed by backward, [C] or empty
  const Vector& bias_grad() const { return state_.bias_grad; }        ///< likewise
  /// weight_grad and bias_grad back to 0. O(C).
  void zero_grad() { state_.weight_grad.setZero(), state_.bias_grad.setZero(); }

  /// Training forwards since the statistics were reset, counted up to 2^63 - 1.
  std::int64_t num_batches_tracked() const { return state_.num_batches_tracked; }
  /// Throws std::invalid_argument when count is below 0.
  void set_num_batches_tracked(std::int64_t count) {
    if (count < 0) detail::fail_argument("num_batches_tracked should be at least 0, not ", count);
    state_.num_batches_tracked = count;
  }

  /// running_mean 0, running_var 1, counter 0; nothing on a layer that does not track.
  void reset_running_stats() { state_.reset_running_stats(); }
  /// The same, and weight 1 and bias 0 on an affine layer.
  void reset_parameters() { state_.reset_parameters(); }

  ///@}
  /// \name State
  ///@{

  /// weight, bias, running_mean, running_var and num_batches_tracked, as far as the layer has them, with the prefix
  /// ("features.1.") before every name.
  StateDict state_dict(const std::string& prefix = "") const { return detail::saved_state(state_, prefix); }

  /// Parameters and statistics from a dict, converted to the layer's scalar: the meaning and words of
  /// torch.nn.Module.load_state_dict. Missing and unexpected names are errors when `strict`, wrong shapes and values
  /// always; num_batches_tracked may be missing. Names without the prefix are no concern of this layer's.
  /// Throws std::invalid_argument with all that is wrong in one message; nothing is changed then.
  void load_state_dict(const StateDict& dict, const std::string& prefix = "", bool strict = true) {
    detail::load_state(state_, name(), dict, prefix, strict);
  }

  ///@}

  /// The number of channels, C, that the layer was made for.
  Eigen::Index num_features() const { return state_.num_features; }
  /// The options that it was made with.
  const BatchNormOptions& options() const { return state_.options; }

  /// As PyTorch prints it, numbers in six digits, with other options where they differ from PyTorch's.
  friend std::ostream& operator<<(std::ostream& out, const BatchNorm& layer) {
    return out << detail::layer_text(name(), layer.num_features(), layer.options());
  }

 private:
  static constexpr const char* name() {
    return SpatialDims == 1 ? "BatchNorm1d" : SpatialDims == 2 ? "BatchNorm2d" : "BatchNorm3d";
  }

  template <typename Layer, typename X>
  static auto forward_to_new(Layer& layer, const X& x) {
    detail::check_types<X, SpatialDims, Scalar>();
    const detail::Input<X> in(x);
    typename detail::EigenTraits<X>::Plain y;  // given its sizes once everything is checked
    layer.run_forward(Eigen::DefaultDevice{}, in.operand(), y);
    return y;
  }

  template <typename Device, typename X, typename Y>
  void run_forward(const Device& device, const X& x, Y& y) {
    if (!state_.training) return std::as_const(*this).run_forward(device, x, y);
    passes_.training_forward(state_, device, x, y);
  }
  template <typename Device, typename X, typename Y>
  void run_forward(const Device& device, const X& x, Y& y) const {
    if (state_.training) {
      detail::fail_order(name(), " is const and in training mode, where forward would change it: call eval() first");
    }
    passes_.eval_forward(state_, device, x, y);
  }

  detail::LayerState<Scalar> state_;
  detail::OperandPasses<Scalar> passes_;
};

/// BatchNorm for (N, C) and (N, C, L).
template <typename Scalar = float>
class BatchNorm1d : public BatchNorm<Scalar, 1> {
 public:
  using BatchNorm<Scalar, 1>::BatchNorm;
  /// BatchNorm::train().
  BatchNorm1d& train(bool mode = true) { return BatchNorm<Scalar, 1>::train(mode), *this; }
  /// BatchNorm::eval().
  BatchNorm1d& eval() { return train(false); }
};
/// Without a scalar a layer is of float: BatchNorm1d bn(64).
explicit BatchNorm1d(Eigen::Index, BatchNormOptions = {})->BatchNorm1d<>;

/// BatchNorm for (N, C, H, W).
template <typename Scalar = float>
class BatchNorm2d : public BatchNorm<Scalar, 2> {
 public:
  using BatchNorm<Scalar, 2>::BatchNorm;
  /// BatchNorm::train().
  BatchNorm2d& train(bool mode = true) { return BatchNorm<Scalar, 2>::train(mode), *this; }
  /// BatchNorm::eval().
  BatchNorm2d& eval() { return train(false); }
};
/// Without a scalar a layer is of float: BatchNorm2d bn(64).
explicit BatchNorm2d(Eigen::Index, BatchNormOptions = {})->BatchNorm2d<>;

/// BatchNorm for (N, C, D, H, W).
template <typename Scalar = float>
class BatchNorm3d : public BatchNorm<Scalar, 3> {
 public:
  using BatchNorm<Scalar, 3>::BatchNorm;
  /// BatchNorm::train().
  BatchNorm3d& train(bool mode = true) { return BatchNorm<Scalar, 3>::train(mode), *this; }
  /// BatchNorm::eval().
  BatchNorm3d& eval() { return train(false); }
};
/// Without a scalar a layer is of float: BatchNorm3d bn(64).
explicit BatchNorm3d(Eigen::Index, BatchNormOptions = {})->BatchNorm3d<>;

}}  // namespace tensornorm::v0

// ---- tensornorm/fold.hpp
// A batch norm in eval mode is y = scale*x + shift a channel: on its own, or folded into the layer before it, so that
// it costs nothing. (torch/nn/utils/fusion.py; Jacob et al., "Quantization and Training of Neural Networks", 2018, 3.2)
//
//   scale = weight / sqrt(running_var + eps)      shift = bias - scale * running_mean

namespace tensornorm { inline namespace v0 {

/// y = scale*x + shift, [C] each.
template <typename Scalar>
struct FoldedAffine {
  ///@{
  /// [C].
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> scale, shift;
  ///@}
};

namespace detail {

/// Scale and shift in double: what is folded is rounded once, at the end.
template <typename Scalar, int SpatialDims>
FoldedAffine<double> folded(const BatchNorm<Scalar, SpatialDims>& bn) {
  if (bn.is_training()) fail_order("Fusion only for eval! Call eval() first");
  const Index C = bn.num_features();
  if (bn.running_mean().size() == 0 && bn.running_var().size() == 0) {
    fail_order("folding needs running statistics, and this layer normalises with those of its batch");
  }
  check_running_stats(bn.running_mean().size(), bn.running_var().size());
  check_vector("running_mean", bn.running_mean().size(), C);
  check_vector("running_var", bn.running_var().size(), C);
  check_vector("weight", bn.weight().size(), C);
  check_vector("bias", bn.bias().size(), C);
  FoldedAffine<double> folded{Eigen::VectorXd(C), Eigen::VectorXd(C)};
  for (Index c = 0; c < C; ++c) {
    double scale = 1 / std::sqrt(static_cast<double>(bn.running_var()[c]) + bn.options().eps);
    if (bn.weight().size() > 0) scale *= static_cast<double>(bn.weight()[c]);
    const double bias = bn.bias().size() > 0 ? static_cast<double>(bn.bias()[c]) : 0;
    folded.scale[c] = scale;
    folded.shift[c] = std::fma(-scale, static_cast<double>(bn.running_mean()[c]), bias);
  }
  return folded;
}

/// Whether a bias is a vector: of Eigen's matrices and arrays, or a tensor of rank 1.
template <typename B>
constexpr bool is_vector() {
  if constexpr (is_dense<B>) {
    return B::IsVectorAtCompileTime;
  } else {
    return EigenTraits<B>::rank == 1;
  }
}

/// Folds bn into a layer whose weight has its outputs along `axis`.
template <typename W, typename B, typename Scalar, int SpatialDims>
void fold_into(W& weight, B& bias, const BatchNorm<Scalar, SpatialDims>& bn, int axis) {
  static_assert(EigenTraits<W>::has_memory && EigenTraits<B>::has_memory,
                "tensornorm: weight and bias are folded in place, and need memory");
  static_assert(!is_const_data<decltype(weight.data())> && !is_const_data<decltype(bias.data())>,
                "tensornorm: weight and bias are folded in place, and must not be const");
  static_assert(is_vector<B>(), "tensornorm: bias must be a vector");
  static_assert(std::is_same_v<typename EigenTraits<W>::Scalar, Scalar> &&
                    std::is_same_v<typename EigenTraits<B>::Scalar, Scalar>,
                "tensornorm: weight and bias need the layer's scalar");
  const FoldedAffine<double> by = folded(bn);
  if (!is_contiguous(weight)) fail_argument("weight should be contiguous: it has strides");
  if (!is_contiguous(bias)) fail_argument("bias should be contiguous: it has strides");
  const auto view = channel_view(weight, axis);
  const Index C = bn.num_features();
  if (view.shape.channels != C) {
    fail_argument("weight of shape ", dimensions_of(weight), " should have ", C, " outputs along axis ", axis);
  }
  auto sizes = dimensions_of(bias);
  for (auto& size : sizes) size = size == 0 ? C : size;
  const bool absent = is_resizable(bias) && comes_in<B>(sizes);
  if (bias.size() != C && !absent) fail_argument("bias should contain ", C, " elements not ", bias.size());
  check_memory(operand_of<Scalar>(weight), "weight");
  check_memory(operand_of<Scalar>(bias), "bias");
  if (absent) {
    resize(bias, sizes);
    std::fill_n(bias.data(), C, Scalar{0});
  }

  for (Index o = 0; o < view.shape.outer; ++o) {
    for (Index c = 0; c < C; ++c) {
      Scalar* const row = view.data + view.shape.offset(o, c, 0);
      for (Index i = 0; i < view.shape.inner; ++i) {
        row[i] = static_cast<Scalar>(static_cast<double>(row[i]) * by.scale[c]);
      }
    }
  }
  for (Index c = 0; c < C; ++c) {
    Scalar& b = bias.data()[c];
    b = static_cast<Scalar>(std::fma(by.scale[c], static_cast<double>(b), by.shift[c]));
  }
}

}  // namespace detail

/// What bn does in eval mode, as scale and shift of its channels. Throws std::logic_error when bn is in training mode
/// or has no running statistics, std::invalid_argument when one of its vectors was resized to anything but C. O(C).
template <typename Scalar, int SpatialDims>
FoldedAffine<Scalar> fold(const BatchNorm<Scalar, SpatialDims>& bn) {
  const FoldedAffine<double> exact = detail::folded(bn);
  return {exact.scale.template cast<Scalar>(), exact.shift.template cast<Scalar>()};
}

/// Makes a linear layer, weight (out, in) and bias (out), do what it and the bn after it did: y = bn(weight * x +
/// bias).
///
/// Both may be matrices, tensors or maps of either storage order, contiguous and of bn's scalar. An empty bias that can
/// be resized stands for none, and becomes one of [out]. Throws std::logic_error as fold() does, std::invalid_argument
/// for sizes that do not fit; nothing has been changed then. O(size of weight). Safe beside other readers of bn.
template <typename W, typename B, typename Scalar, int SpatialDims>
void fold_into_linear(W& weight, B& bias, const BatchNorm<Scalar, SpatialDims>& bn) {
  static_assert(detail::EigenTraits<W>::rank == 2, "tensornorm: expected a linear layer's weight, (out, in)");
  detail::fold_into(weight, bias, bn, 0);
}

/// fold_into_linear() for a convolution, grouped or not: weight (out, in, kH, kW), or with one or three axes of the
/// kernel.
template <typename W, typename B, typename Scalar, int SpatialDims>
void fold_into_convolution(W& weight, B& bias, const BatchNorm<Scalar, SpatialDims>& bn) {
  static_assert(detail::EigenTraits<W>::rank >= 3, "tensornorm: expected a convolution's weight, (out, in, kH, kW)");
  detail::fold_into(weight, bias, bn, 0);
}

/// fold_into_linear() for a transposed convolution of one group: weight (in, out, kH, kW).
template <typename W, typename B, typename Scalar, int SpatialDims>
void fold_into_transposed_convolution(W& weight, B& bias, const BatchNorm<Scalar, SpatialDims>& bn) {
  static_assert(detail::EigenTraits<W>::rank >= 3,
                "tensornorm: expected a transposed convolution's weight, (in, out, kH, kW)");
  detail::fold_into(weight, bias, bn, 1);
}

}}  // namespace tensornorm::v0

// ---- tensornorm/print.hpp
// A layer's parameters and statistics as a table, to look at while debugging.

namespace tensornorm { inline namespace v0 {

/// Prints the layer, its mode and counter, and a row a channel: what it has of weight, bias, running_mean and
/// running_var, in six digits. Of more than `most` channels, the first and the last are shown. O(channels shown).
template <typename Scalar, int SpatialDims>
std::ostream& print_state(std::ostream& out, const BatchNorm<Scalar, SpatialDims>& bn, Eigen::Index most = 16) {
  std::string table = detail::text(bn, bn.is_training() ? ", training" : ", eval");
  if (bn.options().track_running_stats) table += detail::text(", ", bn.num_batches_tracked(), " batches tracked");
  table += '\n';
  const auto cell = [&table](std::size_t width, const std::string& entry) {
    table.append(width - std::min(width, entry.size()), ' ');
    table += entry;
  };

  using Vector = typename BatchNorm<Scalar, SpatialDims>::Vector;
  const std::pair<const char*, const Vector*> columns[] = {{"weight", &bn.weight()},
                                                           {"bias", &bn.bias()},
                                                           {"running_mean", &bn.running_mean()},
                                                           {"running_var", &bn.running_var()}};
  constexpr std::size_t channel_width = 9, width = 14;
  cell(channel_width, "channel");
  for (const auto& [name, values] : columns) {
    if (values->size() > 0) cell(width, name);
  }
  table += '\n';

  const auto row = [&](Eigen::Index c) {
    cell(channel_width, detail::text(c));
    for (const auto& [name, values] : columns) {
      if (values->size() == 0) continue;
      const bool has = c < values->size();  // not when a user gave it another size
      cell(width, has ? detail::text((*values)[c]) : "-");
    }
    table += '\n';
  };
  const Eigen::Index C = bn.num_features(), head = C <= most ? C : most - most / 2, tail = C <= most ? 0 : most / 2;
  for (Eigen::Index c = 0; c < head; ++c) row(c);
  if (head < C) cell(channel_width, "..."), table += '\n';
  for (Eigen::Index c = C - tail; c < C; ++c) row(c);
  return out << table;
}

}}  // namespace tensornorm::v0

// ---- tensornorm/version.hpp
// The library's version, and the oldest Eigen it stands on.
//
// All names live in an inline namespace called after the major version, v0: two programs built against different major
// versions can be linked together, and an error names the version it met.

///@{
/// The version, MAJOR.MINOR.PATCH.
#define TENSORNORM_VERSION_MAJOR 0
#define TENSORNORM_VERSION_MINOR 1
#define TENSORNORM_VERSION_PATCH 0
///@}

static_assert(EIGEN_VERSION_AT_LEAST(3, 4, 0), "tensornorm needs Eigen 3.4.0 or newer");
