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

/// Where a link leads, by way of other links too; any other path as it is. Nothing needs to be there.
inline std::filesystem::path linked_path(const std::filesystem::path& link) {
  std::error_code absent;
  std::filesystem::path path = link;
  for (int steps = 0; std::filesystem::is_symlink(std::filesystem::symlink_status(path, absent)); ++steps) {
    if (steps == 40) fail_file(link.string(), "cannot be written: its links lead nowhere");  // Linux follows as many
    path = path.parent_path() / std::filesystem::read_symlink(path);
  }
  return path;
}

/// write(stream) into a file beside the one at `path`, which it then replaces: a failure leaves what was there before.
/// A link stays a link, also one to nothing yet; a file keeps its permissions; what is no file, a pipe or a device, is
/// written to itself.
template <typename Write>
void write_file(const std::filesystem::path& path, const Write& write) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const fs::file_status before = fs::status(path, failed);
  const bool replaces = !fs::exists(before) || fs::is_regular_file(before);
  const fs::path target = replaces ? linked_path(path) : path;
  const fs::path partial = replaces ? fs::path(target.string() + ".partial") : target;
  const auto remove_partial = [&] {
    if (replaces) fs::remove(partial, failed);
  };
  std::ofstream out(partial, std::ios::binary);
  if (!out) fail_file(path.string(), "cannot be written");
  if (replaces && fs::exists(before)) fs::permissions(partial, before.permissions(), failed);
  try {
    write(out);
    out.close();
    if (!out) fail_file(path.string(), "cannot be written");
  } catch (...) {
    remove_partial();
    throw;
  }
  if (!replaces) return;
  fs::rename(partial, target, failed);
  if (failed) {
    const std::string why = failed.message();
    remove_partial();
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
