// The header of a .npy file: a Python dict of exactly descr, fortran_order and shape. A parser of that, not of Python.
#pragma once

#include <cstring>
#include <set>
#include <string>

#include "../array.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

struct NpyHeader {
  std::string descr;  // "<f4": byte order, kind, bytes
  bool fortran_order = false;
  Array::Shape shape;
};

/// The dtypes that numpy and Array have in common.
struct NpyType {
  const char* descr;
  DType dtype;
};
inline constexpr NpyType npy_types[] = {{"<f4", DType::float32},
                                        {"<f8", DType::float64},
                                        {"<i8", DType::int64},
                                        {"<i4", DType::int32},
                                        {"|u1", DType::uint8}};

/// Reads the dict from left to right; throws std::runtime_error at the first character that has no place there.
class NpyHeaderReader {
 public:
  NpyHeaderReader(const std::string& source, const std::string& header) : source_(source), at_(header.c_str()) {}

  NpyHeader read() {
    expect('{');
    std::set<std::string> seen;
    while (!accept('}')) {
      const std::string key = text_literal();
      if (!seen.insert(key).second) fail("has ", key, " twice");
      expect(':');
      if (key == "descr") {
        if (peek() != '\'' && peek() != '"') fail("is of a structured type: expected plain numbers");
        header_.descr = text_literal();
      } else if (key == "fortran_order") {
        header_.fortran_order = truth();
      } else if (key == "shape") {
        shape();
      } else {
        fail("has \"", key, "\": expected descr, fortran_order and shape");
      }
      if (!accept(',') && peek() != '}') fail_here();
    }
    if (seen.size() != 3) fail("lacks one of descr, fortran_order and shape");
    skip_space();
    if (*at_ != '\0') fail_here();
    return header_;
  }

 private:
  void skip_space() {
    while (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r') ++at_;
  }
  char peek() {
    skip_space();
    return *at_;
  }
  bool accept(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) fail_here();
  }
  std::string text_literal() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail_here();
    const char* const begin = ++at_;
    while (*at_ != quote && *at_ != '\0' && *at_ != '\\') ++at_;
    if (*at_ != quote) fail_here();
    return std::string(begin, at_++);
  }
  bool truth() {
    skip_space();
    for (const bool value : {true, false}) {
      const char* const word = value ? "True" : "False";
      if (std::strncmp(at_, word, std::strlen(word)) == 0) {
        at_ += std::strlen(word);
        return value;
      }
    }
    fail_here();
  }
  void shape() {
    expect('(');
    while (!accept(')')) {
      header_.shape.push_back(whole_number());
      if (!accept(',') && (peek() != ')' || header_.shape.size() == 1)) fail_here();  // (3) is a number, (3,) a shape
    }
  }
  std::int64_t whole_number() {
    if (peek() == '-') fail("has a negative size");
    if (*at_ < '0' || *at_ > '9') fail_here();
    std::int64_t number = 0;
    for (; *at_ >= '0' && *at_ <= '9'; ++at_) {
      if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, *at_ - '0', &number)) {
        fail("has a size of 2^63 or more");
      }
    }
    return number;
  }

  template <typename... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    fail_file(source_, "header ", parts...);
  }
  [[noreturn]] void fail_here() const {
    fail("is not what numpy writes, from here on: \"", std::string(at_).substr(0, 20), '"');
  }

  const std::string& source_;
  const char* at_;  // ends in '\0'
  NpyHeader header_;
};

}}}  // namespace tensornorm::v0::detail
