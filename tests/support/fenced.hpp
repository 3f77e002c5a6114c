// Memory that shows every access beside it: a page that cannot be read on either side, and sentinels up to there.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

namespace tn_test {

/// What to place: distinct numbers, none 0, that every type holds exactly.
inline float number(Eigen::Index i) { return (i % 2 == 0 ? 1.0f : -1.0f) * static_cast<float>(i + 1); }

/// Room for some values of type T. Whatever is not placed here is filled with ones, which are a NaN in every type of
/// float: a value read from beside shows in the result as one written there shows in the sentinels.
template <typename T>
class Fenced {
 public:
  using Index = Eigen::Index;

  explicit Fenced(Index most) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    bytes_ = (bytes_of(most) + 3 * kMargin + page_ - 1) / page_ * page_;
    void* const all = mmap(nullptr, bytes_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<unsigned char*>(all) + page_;
    if (mprotect(memory_, bytes_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  }
  ~Fenced() { munmap(memory_ - page_, bytes_ + 2 * page_); }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;

  /// `count` values that start `offset` values past an address that suits every packet.
  T* place(Index count, Index offset) { return place_at(memory_ + kMargin + bytes_of(offset), count); }
  /// The same, as near the fence before or behind them as that allows.
  T* place_near_begin(Index count, Index offset) { return place_at(memory_ + bytes_of(offset), count); }
  T* place_near_end(Index count, Index offset) {
    const std::size_t before = bytes_ - bytes_of(count) - bytes_of(offset);
    return place_at(memory_ + before / kPacket * kPacket + bytes_of(offset), count);
  }
  /// `count` values that end where readable memory ends.
  T* place_last(Index count) { return place_at(memory_ + bytes_ - bytes_of(count), count); }
  /// `count` values that begin where readable memory begins.
  T* place_first(Index count) { return place_at(memory_, count); }

  /// Whether what lies before and after the placed values is as it was.
  bool clean() const {
    const auto untouched = [](const unsigned char* from, const unsigned char* to) {
      return std::all_of(from, to, [](unsigned char byte) { return byte == kSentinel; });
    };
    return untouched(margin_begin(), begin_) && untouched(end_, margin_end());
  }

 private:
  static constexpr std::size_t kMargin = 256;
  static constexpr std::size_t kPacket = 64;  // bytes of the widest
  static constexpr unsigned char kSentinel = 0xff;

  static std::size_t bytes_of(Index count) { return static_cast<std::size_t>(count) * sizeof(T); }
  const unsigned char* margin_begin() const {
    return begin_ - std::min(kMargin, static_cast<std::size_t>(begin_ - memory_));
  }
  const unsigned char* margin_end() const {
    return end_ + std::min(kMargin, static_cast<std::size_t>(memory_ + bytes_ - end_));
  }
  T* place_at(unsigned char* at, Index count) {
    begin_ = at;
    end_ = at + bytes_of(count);
    std::memset(memory_ + (margin_begin() - memory_), kSentinel,
                static_cast<std::size_t>(margin_end() - margin_begin()));
    return reinterpret_cast<T*>(at);
  }

  std::size_t page_, bytes_ = 0;
  unsigned char* memory_ = nullptr;
  unsigned char *begin_ = nullptr, *end_ = nullptr;
};

}  // namespace tn_test
