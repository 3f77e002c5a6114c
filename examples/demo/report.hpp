// What the demo prints: headings, and checks that are counted.
#pragma once

#include <cstddef>
#include <string>

namespace demo {

/// Prints the sections' lines and remembers how many checks passed.
class Report {
 public:
  /// A blank line, the title, a rule.
  void heading(const std::string& title);
  /// An indented line of text.
  void line(const std::string& text);
  /// The line with PASS or FAIL before it; returns `ok`.
  bool check(bool ok, const std::string& text);

  std::size_t checks() const { return checks_; }
  std::size_t failures() const { return failures_; }

 private:
  std::size_t checks_ = 0;
  std::size_t failures_ = 0;
};

/// `value` with `decimals` digits after the point, right-aligned in `width` columns; no -0.
std::string fixed(double value, int decimals, int width = 0);
/// `value` like 1.2e-07, right-aligned in `width` columns.
std::string scientific(double value, int width = 0);
/// `text` with spaces after it up to `width` columns.
std::string left(const std::string& text, std::size_t width);
/// `text` with spaces before it up to `width` columns.
std::string right(const std::string& text, std::size_t width);

}  // namespace demo
