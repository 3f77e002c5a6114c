// Batch norm as a user of Eigen would otherwise write it: tensor expressions, training forward.
#pragma once

#include "buffers.hpp"

namespace bench {

inline void training_in_eigen_expressions(const Tensor<float>& x, Tensor<float>& y) {
  constexpr float eps = 1e-5f;
  const Eigen::array<Index, 2> all_but_channels{0, 2};
  const Eigen::array<Index, 3> a_channel{1, x.dimension(1), 1}, spread{x.dimension(0), 1, x.dimension(2)};
  const Eigen::Tensor<float, 1, Eigen::RowMajor> mean = x.mean(all_but_channels);
  const Tensor<float> centred = x - mean.reshape(a_channel).broadcast(spread);
  const Eigen::Tensor<float, 1, Eigen::RowMajor> invstd = (centred.square().mean(all_but_channels) + eps).rsqrt();
  y = centred * invstd.reshape(a_channel).broadcast(spread);
}

}  // namespace bench
