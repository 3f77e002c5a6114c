#include "demo/report.hpp"

#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

namespace demo {

void Report::heading(const std::string& title) {
  std::cout << '\n' << title << '\n' << std::string(title.size(), '-') << '\n';
}

void Report::line(const std::string& text) { std::cout << (text.empty() ? "" : "  ") << text << '\n'; }

bool Report::check(bool ok, const std::string& text) {
  ++checks_;
  if (!ok) ++failures_;
  std::cout << (ok ? "  PASS  " : "  FAIL  ") << text << '\n';
  return ok;
}

std::string fixed(double value, int decimals, int width) {
  const bool rounds_to_zero = std::abs(value) < 0.5 * std::pow(10.0, -decimals);
  std::ostringstream text;
  text << std::fixed << std::setprecision(decimals) << std::setw(width) << (rounds_to_zero ? 0.0 : value);
  return text.str();
}

std::string scientific(double value, int width) {
  std::ostringstream text;
  text << std::scientific << std::setprecision(1) << std::setw(width) << value;
  return text.str();
}

std::string left(const std::string& text, std::size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

std::string right(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

}  // namespace demo
