// Random numbers that do not depend on the standard library: its engines are fixed by the standard, its distributions
// are not.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace figure1 {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// In [0, 1), a multiple of 2^-53.
  double uniform() { return std::ldexp(static_cast<double>(engine_() >> 11), -53); }

  /// N(0, 1), by Marsaglia's polar method: a uniform point of the unit disc, its radius replaced.
  double normal() {
    for (;;) {
      const double u = 2 * uniform() - 1, v = 2 * uniform() - 1, square = u * u + v * v;
      if (square > 0 && square < 1) return u * std::sqrt(-2 * std::log(square) / square);
    }
  }

  /// Every order equally likely, by Fisher and Yates.
  void shuffle(std::vector<Eigen::Index>& values) {
    for (std::size_t left = values.size(); left > 1; --left) {
      std::swap(values[left - 1], values[static_cast<std::size_t>(uniform() * static_cast<double>(left))]);
    }
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace figure1
