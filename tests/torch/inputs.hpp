// The inputs of write_fixtures.py, made again: the same bits, which sum_of_bits in the file proves.
#pragma once

#include <cstdint>
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

template <typename X>
std::uint64_t sum_of_bits(const X& x) {
  std::uint64_t sum = 0;
  for (Index i = 0; i < x.size(); ++i) sum += bits(x.data()[i]);
  return sum;
}

}  // namespace tn_test
