// The memory that every contender of a measurement works on.
#pragma once

#include <cstdint>
#include <tensornorm/tensornorm.hpp>

#include "shapes.hpp"

namespace bench {

template <typename T>
using Tensor = Eigen::Tensor<T, 3, Eigen::RowMajor>;  // [outer, channels, inner]

/// Fills with values of mean 1/4 and standard deviation about 1.
template <typename T>
void fill(Tensor<T>& tensor, std::uint32_t seed) {
  std::uint32_t state = seed * 2654435761u + 1u;
  for (Index i = 0; i < tensor.size(); ++i) {
    state = state * 1664525u + 1013904223u;
    tensor.data()[i] = static_cast<T>(static_cast<float>(state >> 8) * (3.46f / 16777216.0f) - 1.48f);
  }
}

template <typename T>
struct Buffers {
  explicit Buffers(const Layer& layer) : x(sized(layer)), y(sized(layer)), dy(sized(layer)), dx(sized(layer)) {
    fill(x, 1), fill(y, 2), fill(dy, 3), fill(dx, 4);
  }
  Index bytes() const { return x.size() * Index{sizeof(T)}; }

  Tensor<T> x, y, dy, dx;

 private:
  static Tensor<T> sized(const Layer& layer) {
    const auto shape = layer.shape();
    return Tensor<T>(shape.outer, shape.channels, shape.inner);
  }
};

}  // namespace bench
