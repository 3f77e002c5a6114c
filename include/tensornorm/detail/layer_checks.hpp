// Every check that a layer makes before it writes anything, and the words it fails with. Where PyTorch has a message
// for the same mistake, ours begins with it.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "../channel_view.hpp"
#include "../options.hpp"
#include "number_cast.hpp"

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
