// The tensors that the tests run over: every storage order, every rank, and shapes that take every way through memory.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "support/nd_array.hpp"

namespace tn_test {

template <typename Scalar, int Rank, int Order = Eigen::RowMajor>
using Tensor = Eigen::Tensor<Scalar, Rank, Order>;

/// The layer for inputs of a rank.
template <typename Scalar, int Rank>
using LayerOf =
    std::conditional_t<Rank <= 3, tensornorm::BatchNorm1d<Scalar>,
                       std::conditional_t<Rank == 4, tensornorm::BatchNorm2d<Scalar>, tensornorm::BatchNorm3d<Scalar>>>;

template <int Value>
using Constant = std::integral_constant<int, Value>;

/// body(Constant<Order>) for both storage orders.
template <typename Body>
void for_each_order(Body body) {
  body(Constant<Eigen::RowMajor>{});
  body(Constant<Eigen::ColMajor>{});
}

/// body(Constant<Rank>) for ranks 2 to 5.
template <typename Body>
void for_each_rank(Body body) {
  body(Constant<2>{});
  body(Constant<3>{});
  body(Constant<4>{});
  body(Constant<5>{});
}

/// Moves the channels from axis 1 of a shape to another axis; the other axes keep their order.
inline Dims with_channels_at(Dims dims, int channel_axis) {
  const std::size_t axis = resolve_axis(channel_axis, dims);
  const Index channels = dims[1];
  dims.erase(dims.begin() + 1);
  dims.insert(dims.begin() + static_cast<Dims::difference_type>(axis), channels);
  return dims;
}

inline tensornorm::BatchNormOptions on_axis(int channel_axis) {
  tensornorm::BatchNormOptions options;
  options.channel_axis = channel_axis;
  return options;
}

inline std::string to_text(const Dims& dims) {
  std::string text;
  for (const Index extent : dims) text += (text.empty() ? "(" : ", ") + std::to_string(extent);
  return text + ")";
}

/// (N, C, H, W) with a remainder on every side, long and short planes, planes of one value, few and many channels,
/// rows that do not fill up the last few read together, and the smallest batch there is.
inline std::vector<Dims> small_shapes() {
  return {{4, 3, 17, 19}, {2, 2, 40, 50}, {3, 33, 3, 3}, {5, 70, 2, 1}, {33, 16, 1, 1}, {41, 11, 1, 1},
          {35, 19, 3, 1}, {500, 3, 1, 1}, {2, 5, 1, 1},  {1, 4, 1, 7},  {1, 1, 1, 2000}};
}

/// What an (N, C, H, W) is called in a failure.
inline std::string to_text(const Dims& dims, int channel_axis, int order, std::uint64_t seed) {
  return to_text(dims) + " channel_axis " + std::to_string(channel_axis) +
         (order == Eigen::RowMajor ? " RowMajor" : " ColMajor") + " seed " + std::to_string(seed);
}

}  // namespace tn_test
