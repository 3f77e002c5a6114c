// Layers, tensors and places in memory, chosen by bytes: legal ones and mistakes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "fuzz/bytes.hpp"
#include "support/layouts.hpp"

namespace tn_fuzz {

using tn_test::Dims;

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInf = std::numeric_limits<double>::infinity();

inline tensornorm::BatchNormOptions options_from(Bytes& bytes, int rank) {
  tensornorm::BatchNormOptions options;
  options.eps = bytes.pick({1e-5, 1e-3, 0.0, 1.0, 1e-12, 1e-5, 1e-5, -1e-9, kNaN});
  options.momentum = bytes.pick<std::optional<double>>({0.1, std::nullopt, 0.5, 1.0, 0.0, -1.2, 2.0, 0.1, kNaN, kInf});
  const std::uint8_t flags = bytes.byte();
  options.affine = (flags & 1) == 0;
  options.track_running_stats = (flags & 2) == 0;
  options.channel_axis = static_cast<int>(bytes.below(2 * rank + 4)) - rank - 1;
  options.correction = bytes.pick({0, 0, 0, 0, 1, 2, 5, -1});
  options.running_correction = bytes.pick({1, 1, 1, 0, 0, 2, 5, -1});
  return options;
}

inline bool is_legal(Index num_features, const tensornorm::BatchNormOptions& options) {
  return num_features > 0 && options.eps >= 0 && (!options.momentum || std::isfinite(*options.momentum)) &&
         options.correction >= 0 && options.running_correction >= 0;
}

inline Index features_from(Bytes& bytes) {
  return bytes.pick<Index>({1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 64, 65, 130, 257, 513, 600, 0, -1});
}

/// Sizes along the axes; `channels` along the layer's axis, most of the time. Few elements, mostly.
inline Dims dims_from(Bytes& bytes, int rank, int channel_axis, Index channels) {
  const Index most = bytes.byte() == 255 ? 40000 : 1500;
  Dims dims;
  Index size = 1;
  for (int axis = 0; axis < rank; ++axis) {
    Index extent = bytes.pick<Index>({1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 64, 65, 100, 257, 1025, 2100, 0});
    if (axis == channel_axis || axis == channel_axis + rank) extent = bytes.below(16) == 15 ? channels - 1 : channels;
    if (size * extent > most) extent = 1;
    dims.push_back(extent);
    size *= std::max<Index>(extent, 1);
  }
  return dims;
}

/// Ordinary values: of any mean and deviation that a layer meets, constants, or small whole numbers.
template <typename T>
class Values {
 public:
  explicit Values(Bytes& bytes)
      : kind_(bytes.below(4)),
        mean_(sizeof(T) == 2 ? bytes.pick({0.0, 1.0, -100.0}) : bytes.pick({0.0, 1.0, -100.0, 1e4, 1e6})),
        sd_(bytes.pick({1.0, 0.01, 100.0})),
        state_(1 + bytes.bits<std::uint16_t>()) {
    for (std::int8_t& digit : digits_) digit = bytes.bits<std::int8_t>();
  }
  T operator()() {
    if (kind_ == 0) return static_cast<T>(static_cast<float>(digits_[count_++ % 8]));
    if (kind_ == 1) return static_cast<T>(static_cast<float>(mean_ + sd_));
    double sum = -2;  // of four uniform numbers: near enough to normal
    for (int i = 0; i < 4; ++i) {
      state_ = state_ * 6364136223846793005U + 1442695040888963407U;
      sum += static_cast<double>(state_ >> 40) * 0x1p-24;
    }
    const double value = mean_ + sd_ * 1.7 * sum;
    if constexpr (sizeof(T) == 2) return static_cast<T>(static_cast<float>(value));
    return static_cast<T>(value);
  }

 private:
  Index kind_;
  double mean_, sd_;
  std::uint64_t state_;
  std::int8_t digits_[8];
  std::size_t count_ = 0;
};

template <typename X>
X tensor_from(Bytes& bytes, const Dims& dims) {
  Values<typename X::Scalar> values(bytes);
  X x = tn_test::make<X>(dims);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = values();
  return x;
}

/// Memory for tensors of one size: each by itself, so that a sanitizer sees every access beside it, or all in one block
/// at distances that the bytes choose.
template <typename T, int Count>
class Memory {
 public:
  Memory(Bytes& bytes, Index size) : size_(size), shared_(bytes.byte() % 4 == 3) {
    for (int k = 0; k < Count; ++k) {
      offset_[k] = k == 0 || !shared_ ? 0 : bytes.pick<Index>({0, 1, -1, size - 1, 1 - size, size, -size, size / 2});
      if (!shared_ || k == 0) blocks_.emplace_back(static_cast<std::size_t>(shared_ ? 3 * size + 2 : size), T(7));
      at_[k] = shared_ ? blocks_[0].data() + size + 1 + offset_[k] : blocks_[static_cast<std::size_t>(k)].data();
    }
  }
  T* operator[](int k) const { return at_[k]; }
  bool same(int a, int b) const { return shared_ && offset_[a] == offset_[b]; }
  bool overlap(int a, int b) const { return shared_ && size_ > 0 && std::abs(offset_[a] - offset_[b]) < size_; }

  void remember() { before_ = blocks_; }
  /// Whether all memory is as remembered; tensor `but` aside, unless it is -1.
  bool unchanged(int but) {
    std::vector<std::vector<T>> now = blocks_;
    if (but >= 0 && size_ > 0) {
      const std::size_t block = shared_ ? 0 : static_cast<std::size_t>(but);
      const auto from = static_cast<std::size_t>(at_[but] - blocks_[block].data());
      for (std::size_t i = from; i < from + static_cast<std::size_t>(size_); ++i) now[block][i] = before_[block][i];
    }
    for (std::size_t b = 0; b < now.size(); ++b) {
      if (now[b].size() > 0 && std::memcmp(static_cast<void*>(now[b].data()), static_cast<void*>(before_[b].data()),
                                           now[b].size() * sizeof(T)) != 0) {
        return false;
      }
    }
    return true;
  }

 private:
  Index size_;
  bool shared_;
  Index offset_[Count];
  T* at_[Count];
  std::vector<std::vector<T>> blocks_, before_;
};

}  // namespace tn_fuzz
