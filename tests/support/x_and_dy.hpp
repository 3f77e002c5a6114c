// x and dy of a backward pass, each against the ends of memory that may be touched.
#pragma once

#include <algorithm>
#include <vector>

#include "fenced.hpp"
#include "walks.hpp"

namespace tn_test {

/// x and dy between fences: 16 offsets, and against the fence. Other offsets for dy.
template <typename T>
struct XAndDy {
  static constexpr Index most = 64000;
  Fenced<T> memory_x{most}, memory_dy{most};
  std::vector<T> x_values, dy_values;
  const T *x = nullptr, *dy = nullptr;

  template <typename Next>
  explicit XAndDy(Next next) {
    for (Index i = 0; i < most; ++i) x_values.push_back(value_of<T>(next())), dy_values.push_back(value_of<T>(next()));
  }
  void place(Index size, Index turn) {
    const Index offset = turn % 17;
    T* const to_x = offset == 16 ? memory_x.place_last(size) : memory_x.place(size, offset);
    T* const to_dy = offset == 16 ? memory_dy.place_last(size) : memory_dy.place(size, (7 * offset + 2) % 16);
    std::copy_n(x_values.begin(), size, to_x);
    std::copy_n(dy_values.begin(), size, to_dy);
    x = to_x, dy = to_dy;
  }
};

}  // namespace tn_test
