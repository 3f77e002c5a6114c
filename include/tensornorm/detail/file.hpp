// Files that are opened or written whole, with the path in every error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "check.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

inline std::ifstream open_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail_file(path.string(), "cannot be opened");
  return in;
}

/// write(stream) into a file beside `path`, which then takes its place: a failure leaves what was there before.
template <typename Write>
void write_file(const std::filesystem::path& path, const Write& write) {
  const std::filesystem::path partial = path.string() + ".partial";
  std::ofstream out(partial, std::ios::binary);
  if (!out) fail_file(path.string(), "cannot be written");
  std::error_code failed;
  try {
    write(out);
    out.close();
    if (!out) fail_file(path.string(), "cannot be written");
  } catch (...) {
    std::filesystem::remove(partial, failed);
    throw;
  }
  std::filesystem::rename(partial, path, failed);
  if (failed) {
    const std::string why = failed.message();
    std::filesystem::remove(partial, failed);
    fail_file(path.string(), "cannot be written: ", why);
  }
}

/// Bytes from where a stream stands to its end.
inline std::uint64_t remaining_bytes(const std::string& source, std::istream& in) {
  const auto here = in.tellg();
  in.seekg(0, std::ios::end);
  const auto end = in.tellg();
  in.seekg(here);
  if (!in || here < 0 || end < here) fail_file(source, "cannot be read");
  return static_cast<std::uint64_t>(end - here);
}

}}}  // namespace tensornorm::v0::detail
