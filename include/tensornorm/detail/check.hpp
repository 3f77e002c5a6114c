// What a user did wrong, said in one place.
#pragma once

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

}}}  // namespace tensornorm::v0::detail
