// Files as bytes: small ones put together by hand, those beside the tests, and a directory that goes when it is done.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace tn_test {

/// Values as files hold them: the bytes of each, the least significant first.
template <typename T>
std::string raw(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), static_cast<const void*>(values.data()), bytes.size());
  if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(T)) {
      std::reverse(&bytes[at], &bytes[at] + sizeof(T));
    }
  }
  return bytes;
}

/// A safetensors file with this header, right or wrong.
inline std::string safetensors_file(const std::string& header, const std::string& data = "") {
  return raw<std::uint64_t>({header.size()}) + header + data;
}

/// A .npy file with this dict, right or wrong: padded to a multiple of 64 bytes.
inline std::string npy_file(const std::string& dict, const std::string& data = "", int version = 1) {
  const std::size_t before = version == 1 ? 10 : 12;
  std::string header = dict;
  while ((before + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  const auto length = static_cast<std::uint32_t>(header.size());
  return "\x93NUMPY" + std::string{static_cast<char>(version), '\0'} +
         (version == 1 ? raw<std::uint16_t>({static_cast<std::uint16_t>(length)}) : raw<std::uint32_t>({length})) +
         header + data;
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// A file that Python wrote: tests/python/fixtures/name.
inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(__FILE__).parent_path().parent_path() / "python" / "fixtures" / name;
}

/// An empty directory of its own, removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_((std::filesystem::temp_directory_path() / "tensornorm_XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary directory");
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return std::filesystem::path(path_) / name; }

 private:
  std::string path_;
};

}  // namespace tn_test
