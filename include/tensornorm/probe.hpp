// A golden check: a weights file may carry an input and the output that the network gave when the file was written.
// What was loaded wrongly (a transposed weight, another eps, a forgotten layer) then shows at load, not in production.
#pragma once

#include <cmath>
#include <optional>

#include "state_dict.hpp"

namespace tensornorm { inline namespace v0 {

/// Runs forward on the array prefix + "input", as an X, and compares with prefix + "output" element by element.
/// Returns the largest |difference|; nothing when the dict has no such input. forward returns an Eigen tensor or
/// matrix. Throws std::runtime_error saying by how much and where the outputs differ by more than `tolerance`,
/// std::invalid_argument when the tolerance is negative or NaN, there is no output, or an array does not fit its type.
template <typename X, typename Forward>
std::optional<double> verify_probe(const StateDict& dict, const Forward& forward, double tolerance,
                                   const std::string& prefix = "probe.") {
  if (!(tolerance >= 0)) detail::fail_argument("tolerance should be at least 0, not ", tolerance);
  const Array* input = dict.find(prefix + "input");
  if (input == nullptr) return std::nullopt;
  const Array& expected = dict.at(prefix + "output");
  const Array actual = Array::from(forward(input->template to<X>()));
  if (actual.shape() != expected.shape()) {
    detail::fail_file(prefix + "output", "expected the shape ", detail::shape_text(expected.shape()), ", got ",
                      detail::shape_text(actual.shape()));
  }
  const auto e = expected.as<double>(), a = actual.as<double>();
  double largest = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < e.size(); ++i) {
    const bool same = e[i] == a[i] || (std::isnan(e[i]) && std::isnan(a[i]));
    const double difference = same ? 0 : std::abs(e[i] - a[i]);
    if (difference <= largest) continue;
    largest = difference;
    where = i;
    if (std::isnan(difference)) break;
  }
  if (!(largest <= tolerance)) {
    detail::fail_file(prefix + "output", "differs by ", largest, " from what is expected, by more than ", tolerance,
                      ": element ", where, " is ", a[where], ", not ", e[where]);
  }
  return largest;
}

}}  // namespace tensornorm::v0
