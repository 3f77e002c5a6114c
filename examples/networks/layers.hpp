// What the networks need beside batch norm, each as an Eigen expression: convolution, linear and ReLU, forward only.
#pragma once

#include <Eigen/Core>
#include <array>
#include <stdexcept>
#include <tensornorm/tensornorm.hpp>
#include <utility>

namespace networks {

using Images = Eigen::Tensor<float, 4, Eigen::RowMajor>;                             // (N, C, H, W)
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // (N, features)

/// Eigen checks sizes by assert, which a program may be built without; a file's sizes are checked always.
inline void require(bool fits, const char* message) {
  if (!fits) throw std::invalid_argument(message);
}

/// torch.nn.Linear.
struct Linear {
  Rows weight;           // (out, in)
  Eigen::VectorXf bias;  // (out)

  Rows operator()(const Rows& x) const {
    require(x.cols() == weight.cols(), "linear: x and weight should have as many columns");
    require(bias.size() == weight.rows(), "linear: bias should have as many elements as weight has rows");
    return (x * weight.transpose()).rowwise() + bias.transpose();
  }
};

/// torch.nn.Conv2d with the same stride and zero padding along both axes.
struct Convolution {
  Images weight;         // (out, in, kH, kW)
  Eigen::VectorXf bias;  // (out), or empty: none
  Eigen::Index stride = 1, padding = 0;

  Images operator()(const Images& x) const;
};

inline Images Convolution::operator()(const Images& x) const {
  using Sizes = std::array<Eigen::Index, 4>;
  using Pair = std::pair<Eigen::Index, Eigen::Index>;
  const Eigen::Index in = x.dimension(1), kernel_h = weight.dimension(2), kernel_w = weight.dimension(3);
  const Eigen::Index h = x.dimension(2) + 2 * padding - kernel_h + 1, w = x.dimension(3) + 2 * padding - kernel_w + 1;
  require(in == weight.dimension(1), "convolution: x should have as many channels as weight has inputs");
  require(bias.size() == 0 || bias.size() == weight.dimension(0), "convolution: bias should have an element an output");
  require(h > 0 && w > 0, "convolution: the kernel should fit into the padded x");

  // (N, h, w, in, kH, kW): what the kernel sees at each place, of which every stride-th row and column is kept.
  const auto patches = x.pad(std::array<Pair, 4>{Pair{0, 0}, {0, 0}, {padding, padding}, {padding, padding}})
                           .extract_patches(Sizes{1, in, kernel_h, kernel_w})
                           .reshape(std::array<Eigen::Index, 6>{x.dimension(0), h, w, in, kernel_h, kernel_w})
                           .stride(std::array<Eigen::Index, 6>{1, stride, stride, 1, 1, 1});
  const std::array<Pair, 3> sums{Pair{3, 1}, {4, 2}, {5, 3}};  // over in, kH and kW
  Images y = patches.contract(weight, sums).shuffle(Sizes{0, 3, 1, 2});
  if (bias.size() > 0) {
    const Eigen::TensorMap<const Images> per_channel(bias.data(), 1, bias.size(), 1, 1);
    y += per_channel.broadcast(Sizes{y.dimension(0), 1, y.dimension(2), y.dimension(3)});
  }
  return y;
}

inline Images relu(const Images& x) { return x.cwiseMax(0.0f); }
inline Rows relu(const Rows& x) { return x.cwiseMax(0.0f); }

/// (N, C, H, W) as (N, C*H*W).
inline Rows flatten(const Images& x) {
  return Eigen::Map<const Rows>(x.data(), x.dimension(0), x.dimension(1) * x.dimension(2) * x.dimension(3));
}

}  // namespace networks
