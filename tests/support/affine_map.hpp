// The operation that tests of maps use, and its numbers: exact in every type for the whole numbers of Integers.
#pragma once

#include <cstdint>
#include <tensornorm/detail/elementwise.hpp>

namespace tn_test {

/// x * c0 + c1.
template <typename T>
struct Affine {
  using Lane = tensornorm::detail::LaneOf<T>;
  static constexpr int coefficients = 2;
  const T* x;

  template <typename Factors, typename Extent>
  auto operator()(Eigen::Index offset, const Factors& c, Extent extent) const {
    return fma(tensornorm::detail::load<Lane>(x + offset, extent), c[0], c[1]);
  }
  /// Of an address that need not be inside x.
  void prefetch(Eigen::Index offset) const {
    tensornorm::detail::prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(x) +
                                                               static_cast<std::uintptr_t>(offset) * sizeof(T)));
  }
};

/// c0 and c1 of every channel of a block.
template <typename T>
auto affine_table() {
  using Lane = tensornorm::detail::LaneOf<T>;
  tensornorm::detail::CoefficientsOf<Affine<T>, T> table;
  for (std::size_t c = 0; c < tensornorm::detail::block_lanes; ++c) {
    table.values[0][c] = static_cast<Lane>(2 + c % 5);
    table.values[1][c] = static_cast<Lane>(static_cast<int>(c % 11) - 5);
  }
  return table;
}

}  // namespace tn_test
