// What a user did wrong, said in one place.
#pragma once

#include <Eigen/Core>
#include <array>
#include <sstream>
#include <stdexcept>
#include <string>

namespace tensornorm { inline namespace v0 { namespace detail {

/// The parts written one after the other, whatever the program's locale. Throws when there is no memory for them.
/// (Streams bring std::locale with them; <locale> is its facets, which every program would compile for nothing.)
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.exceptions(std::ios::badbit);
  (out << ... << parts);
  return out.str();
}

/// A wrong value.
template <typename... Parts>
[[noreturn]] void fail_argument(const Parts&... parts) {
  throw std::invalid_argument(text(parts...));
}

/// A wrong order of calls.
template <typename... Parts>
[[noreturn]] void fail_order(const Parts&... parts) {
  throw std::logic_error(text(parts...));
}

/// A file that cannot be read, written or understood.
template <typename... Parts>
[[noreturn]] void fail_file(const std::string& source, const Parts&... parts) {
  throw std::runtime_error(text(source, ": ", parts...));
}

/// The sizes along a tensor's axes; prints as PyTorch prints them: [2, 3, 4].
template <std::size_t Rank>
struct Dimensions : std::array<Eigen::Index, Rank> {
  friend std::ostream& operator<<(std::ostream& out, const Dimensions& dimensions) {
    out << '[';
    for (std::size_t i = 0; i < Rank; ++i) out << (i == 0 ? "" : ", ") << dimensions[i];
    return out << ']';
  }
};

/// Whether two ranges of bytes share any.
inline bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto from_a = reinterpret_cast<std::uintptr_t>(a), from_b = reinterpret_cast<std::uintptr_t>(b);
  return a_bytes > 0 && b_bytes > 0 && from_a < from_b + b_bytes && from_b < from_a + a_bytes;
}

}}}  // namespace tensornorm::v0::detail
