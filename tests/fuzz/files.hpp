// What the targets of file formats share: bytes made into a file, and arrays compared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <tensornorm/array.hpp>
#include <type_traits>

#include "fuzz/bytes.hpp"
#include "support/bits.hpp"

namespace tn_fuzz {

/// What an input stands for: after 'R' a file as it is; otherwise a header's text, a zero byte and the values, so that
/// the engine need not keep up with the length that a file gives its header.
struct FileParts {
  bool raw;
  std::string header, values;  // raw: all in values

  FileParts(const std::uint8_t* data, std::size_t size) : raw(size > 0 && data[0] == 'R') {
    const std::string all(data, data + size);
    if (raw) {
      values = all.substr(1);
      return;
    }
    const std::size_t end = std::min(all.find('\0'), all.size());
    header = all.substr(0, end);
    values = all.substr(std::min(end + 1, all.size()));
  }
};

/// A length as files have it, little-endian.
inline std::string little_endian(std::uint64_t number, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i) & 0xff);
  return text;
}

/// load(), or nothing where it throws a std::runtime_error that names the source. Other exceptions pass through.
template <typename Load>
auto load_or_refuse(const std::string& source, Load load) -> std::optional<decltype(load())> {
  try {
    return load();
  } catch (const std::runtime_error& error) {
    demand(std::string(error.what()).find(source) != std::string::npos, "does not name its source: ", error.what());
    return std::nullopt;
  }
}

/// The same type, shape and bits.
inline void demand_same(const tensornorm::Array& a, const tensornorm::Array& b) {
  demand(a.dtype() == b.dtype() && a.shape() == b.shape(), "type or shape changed");
  a.visit([&](const auto& values) {
    using T = typename std::decay_t<decltype(values)>::value_type;
    demand(tn_test::same_bits(values, b.values<T>()), "a value changed");
  });
}

}  // namespace tn_fuzz
