// Eigen's tensors and matrices seen through their logical indices, whatever the storage order, and a plain array of
// long doubles that they can be copied to and from. Nothing here knows where an element lies in memory.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <vector>

namespace tn_test {

using Eigen::Index;
using Dims = std::vector<Index>;

template <typename X>
constexpr bool is_matrix = std::is_base_of_v<Eigen::EigenBase<X>, X>;

template <typename X>
constexpr std::size_t rank_of() {
  if constexpr (is_matrix<X>) {
    return 2;
  } else {
    return static_cast<std::size_t>(X::NumDimensions);
  }
}

template <typename X>
Dims dims_of(const X& x) {
  if constexpr (is_matrix<X>) {
    return {x.rows(), x.cols()};
  } else {
    Dims dims;
    for (std::size_t axis = 0; axis < rank_of<X>(); ++axis) dims.push_back(x.dimension(axis));
    return dims;
  }
}

inline Index size_of(const Dims& dims) {
  Index size = 1;
  for (const Index extent : dims) size *= extent;
  return size;
}

/// The axis that a channel_axis of -rank .. rank-1 means.
inline std::size_t resolve_axis(int channel_axis, const Dims& dims) {
  return static_cast<std::size_t>(channel_axis < 0 ? channel_axis + static_cast<int>(dims.size()) : channel_axis);
}

/// Calls visit(index, step) for every logical index, the last axis fastest.
template <typename Visit>
void for_each_index(const Dims& dims, Visit visit) {
  Dims index(dims.size(), 0);
  const auto size = static_cast<std::size_t>(size_of(dims));
  for (std::size_t step = 0; step < size; ++step) {
    visit(static_cast<const Dims&>(index), step);
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      if (++index[axis] < dims[axis]) break;
      index[axis] = 0;
    }
  }
}

/// The element at a logical index; a reference to it where x can be written.
template <typename X>
decltype(auto) element(X& x, const Dims& index) {
  using Plain = std::remove_const_t<X>;
  if constexpr (is_matrix<Plain>) {
    return x(index[0], index[1]);
  } else {
    using TensorIndex = typename Plain::Index;
    Eigen::array<TensorIndex, rank_of<Plain>()> at;
    for (std::size_t axis = 0; axis < rank_of<Plain>(); ++axis) at[axis] = static_cast<TensorIndex>(index[axis]);
    return x(at);
  }
}

/// An X of these sizes, its values unset.
template <typename X>
X make(const Dims& dims) {
  if (dims.size() != rank_of<X>()) throw std::logic_error("a tensor of another rank was asked for");
  if constexpr (is_matrix<X>) {
    return X(dims[0], dims[1]);
  } else {
    Eigen::array<typename X::Index, rank_of<X>()> sizes;
    for (std::size_t axis = 0; axis < rank_of<X>(); ++axis) sizes[axis] = static_cast<typename X::Index>(dims[axis]);
    return X(sizes);
  }
}

/// Values in the order of for_each_index.
struct NdArray {
  Dims dims;
  std::vector<long double> values;
};

template <typename X>
NdArray logical(const X& x) {
  NdArray array{dims_of(x), {}};
  array.values.resize(static_cast<std::size_t>(size_of(array.dims)));
  for_each_index(array.dims, [&](const Dims& index, std::size_t step) {
    if constexpr (sizeof(typename X::Scalar) == 2) {
      array.values[step] = static_cast<long double>(static_cast<float>(element(x, index)));
    } else {
      array.values[step] = static_cast<long double>(element(x, index));
    }
  });
  return array;
}

/// The same logical tensor as another type: another storage order, another scalar (each value rounded once).
template <typename To, typename From>
To convert(const From& from) {
  using Scalar = typename To::Scalar;
  const Dims dims = dims_of(from);
  To to = make<To>(dims);
  for_each_index(
      dims, [&](const Dims& index, std::size_t) { element(to, index) = static_cast<Scalar>(element(from, index)); });
  return to;
}

}  // namespace tn_test
