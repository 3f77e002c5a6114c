// The inputs of write_fixtures.py, made again: the same bits, which sum_of_bits in the file proves.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "support/bits.hpp"
#include "support/layouts.hpp"
#include "support/reference.hpp"
#include "support/walks.hpp"

namespace tn_test {

/// A layer's parameters and running statistics, [C], and x and dy, (N, C, ...).
template <typename Scalar, int Rank>
struct TorchInputs {
  using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  TorchInputs(unsigned seed, const Dims& dims)
      : weight(dims[1]), bias(dims[1]), mean(dims[1]), var(dims[1]), x(make<X>(dims)), dy(make<X>(dims)) {
    // A product is rounded before it is added to, as in Python, whatever a compiler would make of a*b + c.
    Uneven normal(seed);
    for (Scalar& value : weight) value = static_cast<Scalar>(1 + rounded(0.3 * normal()));
    for (Scalar& value : bias) value = static_cast<Scalar>(0.2 * normal());
    for (Scalar& value : mean) value = static_cast<Scalar>(0.4 * normal());
    for (Scalar& value : var) value = static_cast<Scalar>(1 + rounded(0.125 * normal()));
    for_each_index(dims, [&](const Dims& index, std::size_t step) {
      const auto c = static_cast<int>(index[1]);
      const double spread = (7 + c % 5) / 10.0;
      x.data()[step] = static_cast<Scalar>((c % 7 - 3) / 2.0 + rounded(spread * normal()));
    });
    for (Index i = 0; i < dy.size(); ++i) dy.data()[i] = static_cast<Scalar>(0.1 * normal());
  }

  using X = Tensor<Scalar, Rank>;
  Vector weight, bias, mean, var;
  X x, dy;
};

/// visit(place, place with the channels at channel_axis, 1 or last) for every element of (N, C, ...).
template <typename Visit>
void for_each_place(const Dims& dims, int channel_axis, Visit visit) {
  const auto channels = static_cast<std::size_t>(dims[1]), rows = static_cast<std::size_t>(dims[0]);
  const std::size_t inner = static_cast<std::size_t>(size_of(dims)) / (rows * channels);
  std::size_t place = 0;
  for (std::size_t n = 0; n < rows; ++n) {
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t i = 0; i < inner; ++i, ++place) {
        visit(place, channel_axis == 1 ? place : (n * inner + i) * channels + c);
      }
    }
  }
}

/// "32,64,56,56"
inline Dims dims_from_text(const std::string& sizes) {
  Dims dims;
  std::istringstream extents(sizes);
  for (std::string extent; std::getline(extents, extent, ',');) dims.push_back(std::stol(extent));
  return dims;
}

/// Modulo 2^64.
template <typename X>
std::uint64_t sum_of_bits(const X& x) {
  std::uint64_t sum = 0;
  for (const auto* at = x.data(); at != x.data() + x.size(); ++at) sum += bits(*at);
  return sum;
}

}  // namespace tn_test
