// Numbers in streams, least significant byte first, on machines of either byte order.
#pragma once

#include <algorithm>
#include <cstring>
#include <istream>
#include <ostream>
#include <string>
#include <vector>

namespace tensornorm { inline namespace v0 { namespace detail {

inline constexpr bool host_is_little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

/// Turns numbers from the host's byte order to little-endian, or back.
template <typename T>
void swap_if_big_endian(T* values, std::size_t count) {
  if constexpr (host_is_little_endian || sizeof(T) == 1) return;
  for (std::size_t i = 0; i < count; ++i) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, static_cast<const void*>(values + i), sizeof(T));
    std::reverse(bytes, bytes + sizeof(T));
    std::memcpy(static_cast<void*>(values + i), bytes, sizeof(T));
  }
}

/// Fills values[0, count) from the stream; false when it ends before.
template <typename T>
bool read_numbers(std::istream& in, T* values, std::size_t count) {
  const auto bytes = static_cast<std::streamsize>(count * sizeof(T));
  in.read(reinterpret_cast<char*>(values), bytes);
  if (in.gcount() != bytes) return false;
  swap_if_big_endian(values, count);
  return true;
}

template <typename T>
void write_numbers(std::ostream& out, const std::vector<T>& values) {
  const auto write = [&out](const std::vector<T>& ordered) {
    out.write(reinterpret_cast<const char*>(ordered.data()), static_cast<std::streamsize>(ordered.size() * sizeof(T)));
  };
  if constexpr (host_is_little_endian || sizeof(T) == 1) return write(values);
  std::vector<T> swapped = values;
  swap_if_big_endian(swapped.data(), swapped.size());
  write(swapped);
}

/// Bytes as they are: << would fill them up to the width that the stream has been given.
inline void write_bytes(std::ostream& out, const std::string& bytes) {
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}}}  // namespace tensornorm::v0::detail
