// A tensor whose type and shape are known only at run time, as files hold it: dtype, shape and values in C order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "detail/number_cast.hpp"
#include "detail/operand.hpp"

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
