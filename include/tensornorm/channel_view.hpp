// Any Eigen tensor or matrix as [outer, channels, inner]: element (o, c, i) at (o * channels + c) * inner + i.
//
// With the channels along axis a, RowMajor storage has outer = product of the sizes before a and inner = product of
// those after it; ColMajor the other way round. NCHW, NHWC, Eigen's ColMajor and (N, C) matrices are all this one
// formula.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>

#include "detail/operand.hpp"
#include "detail/traversal.hpp"

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
