// Any bytes as a .npy file: refused with a std::runtime_error, or loaded, and then saved and loaded again to the same.
#pragma once

#include <sstream>
#include <string>
#include <tensornorm/npy.hpp>

#include "fuzz/files.hpp"

namespace tn_fuzz {

inline void fuzz_npy(const std::uint8_t* data, std::size_t size) {
  const FileParts parts(data, size);
  const std::string file = parts.raw ? parts.values
                                     : "\x93NUMPY\x01" + little_endian(0, 1) + little_endian(parts.header.size(), 2) +
                                           parts.header + parts.values;
  const auto load = [](const std::string& bytes) {
    std::istringstream in(bytes);
    return tensornorm::load_npy(in, "a fuzzed file");
  };
  const auto array = load_or_refuse("a fuzzed file", [&] { return load(file); });
  if (!array) return;
  std::ostringstream out;
  tensornorm::save_npy(out, *array);
  demand_same(*array, load(out.str()));
}

}  // namespace tn_fuzz
