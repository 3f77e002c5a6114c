// A batch whose channels hold any bits at all: every NaN, infinities, subnormal and huge numbers, constants.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "fuzz/bytes.hpp"
#include "support/layouts.hpp"

namespace tn_fuzz {

/// (N, C, L) in RowMajor: runs or rows, from a few values a channel to several pieces of a long run.
template <typename T>
using Batch = tn_test::Tensor<T, 3>;

/// Values that a channel takes, each any T, in an order that the bytes choose.
template <typename T>
class Pool {
 public:
  explicit Pool(Bytes& bytes) : values_(static_cast<std::size_t>(bytes.pick({1, 2, 2, 3, 5, 8}))) {
    for (T& value : values_) value = bytes.bits<T>();
    state_ = bytes.byte();
  }
  T next() {
    state_ = state_ * 1103515245U + 12345U;
    return values_[(state_ >> 16) % values_.size()];
  }

 private:
  std::vector<T> values_;
  std::uint32_t state_ = 0;
};

inline tn_test::Dims batch_dims_from(Bytes& bytes) {
  Index rows = bytes.pick<Index>({1, 2, 3, 5, 8, 9, 17, 40, 600, 1200});
  const Index channels = 1 + bytes.below(4);
  Index inner = bytes.pick<Index>({1, 2, 3, 4, 7, 16, 33, 65, 100, 1030, 2000});
  inner = std::max<Index>(1, std::min(inner, 1200 / (rows * channels)));
  if (rows * inner < 2) rows = 2;
  return {rows, channels, inner};
}

template <typename T>
Batch<T> batch_from(Bytes& bytes, const tn_test::Dims& dims) {
  std::vector<Pool<T>> pools;
  for (Index c = 0; c < dims[1]; ++c) pools.emplace_back(bytes);
  Batch<T> x = tn_test::make<Batch<T>>(dims);
  tn_test::for_each_index(dims, [&](const tn_test::Dims& at, std::size_t) {
    tn_test::element(x, at) = pools[static_cast<std::size_t>(at[1])].next();
  });
  return x;
}

/// Parameters and running statistics of any bits; one time in two such as layers have.
inline void set_parameters(Bytes& bytes, tensornorm::BatchNorm1d<>& bn) {
  const bool usual = bytes.flag();
  for (Index c = 0; c < bn.num_features(); ++c) {
    bn.weight()(c) = usual ? static_cast<float>(bytes.below(256) - 128) / 64 : bytes.bits<float>();
    bn.bias()(c) = usual ? static_cast<float>(bytes.below(256) - 128) / 16 : bytes.bits<float>();
    bn.running_mean()(c) = bytes.bits<float>();
    bn.running_var()(c) = usual ? static_cast<float>(1 + bytes.below(256)) / 16 : bytes.bits<float>();
  }
}

/// What is to be known of a channel before any promise about it applies.
struct Kind {
  bool finite = true, constant = true, has_nan = false, has_plus = false, has_minus = false;
};

inline std::vector<Kind> kinds_of(const Batch<float>& x) {
  std::vector<Kind> kinds(static_cast<std::size_t>(x.dimension(1)));
  for (Index n = 0; n < x.dimension(0); ++n) {
    for (Index c = 0; c < x.dimension(1); ++c) {
      for (Index i = 0; i < x.dimension(2); ++i) {
        const float value = x(n, c, i);
        Kind& kind = kinds[static_cast<std::size_t>(c)];
        kind.finite = kind.finite && std::isfinite(value);
        kind.constant = kind.constant && value == x(0, c, 0);
        kind.has_nan = kind.has_nan || std::isnan(value);
        kind.has_plus = kind.has_plus || (std::isinf(value) && value > 0);
        kind.has_minus = kind.has_minus || (std::isinf(value) && value < 0);
      }
    }
  }
  return kinds;
}

}  // namespace tn_fuzz
