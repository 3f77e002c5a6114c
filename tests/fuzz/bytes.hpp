// What a fuzzing engine feeds in, read as choices and numbers, and what a target says when a promise is broken.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <sstream>
#include <string>
#include <utility>

namespace tn_fuzz {

using Eigen::Index;

/// Bytes read from the front. Zeros follow when they are used up, so that every input means something.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}

  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  std::uint8_t byte() { return at_ == end_ ? std::uint8_t{0} : *at_++; }
  bool flag() { return (byte() & 1) != 0; }
  /// 0 to count - 1; of at most 256.
  Index below(Index count) { return static_cast<Index>(byte()) % count; }
  template <typename T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[below(static_cast<Index>(choices.size()))];
  }
  /// The next bytes as the bits of a T: any T there is.
  template <typename T>
  T bits() {
    unsigned char buffer[sizeof(T)] = {};
    const std::size_t count = std::min(left(), sizeof(T));
    if (count > 0) std::memcpy(buffer, at_, count);
    at_ += count;
    T value;
    std::memcpy(static_cast<void*>(&value), buffer, sizeof(T));
    return value;
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

/// A broken promise. Nothing catches it but the engine, or the test that replays an input.
class Fault : public std::exception {
 public:
  explicit Fault(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

template <typename... Parts>
void demand(bool kept, const Parts&... parts) {
  if (kept) return;
  std::ostringstream out;
  (out << ... << parts);
  throw Fault(out.str());
}

}  // namespace tn_fuzz
