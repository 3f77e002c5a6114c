// Which Eigen types there are, and one of them as memory: a pointer and its sizes, whatever type carries them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <ostream>
#include <type_traits>
#include <utility>

#include "check.hpp"
#include "eigen_tensor.hpp"

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
