// A cell of a notebook: what it printed, and what tensornorm makes of the same expression.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace notebooks {

/// Where the expected text of a cell comes from.
enum class Source {
  notebook,    // the notebook printed it
  torch,       // the notebook's own code under torch 1.13: the notebook printed nothing, too few digits, or was cut off
  arithmetic,  // the notebook's formula, worked out in double precision
};

/// What two words must have in common.
enum class Digits {
  all,        // every character: digits, and signs of zeros too
  last_by_1,  // the last digit may differ by one: it is finer than float's spacing, and torch's own is not the nearest
};

struct Cell {
  std::string name;        // document, cell and value: "000 In [9]: m(x1)"
  std::string expression;  // what was evaluated: "m(x1)"
  std::string printed;     // the text expected, without brackets, commas and grad_fn; white space does not count
  std::string ours;        // our values in the same format
  Source source = Source::notebook;
  Digits digits = Digits::all;  // never less for what a notebook printed

  /// Whether ours has every word of the printed text, and no other. A printed 0.0000 does not take -0.0000: torch
  /// prints negative zeros as such, and no zero of the notebooks is one. Each is x - mean with x equal to the mean, or
  /// a sum of such, which is +0 in any order of operations; or it is a small number whose sign is known.
  bool pass() const;
};

using Cells = std::vector<Cell>;

/// The words of a text: what is left of it when white space does not count.
inline std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

/// Whether two words agree. For last_by_1 both are numbers with as many decimals.
inline bool agree(std::string printed, std::string ours, Digits digits) {
  if (digits == Digits::all || printed == ours) return printed == ours;
  const std::size_t decimals = printed.size() - printed.find('.');
  if (decimals != ours.size() - ours.find('.')) return false;
  printed.erase(printed.size() - decimals, 1);
  ours.erase(ours.size() - decimals, 1);
  return std::abs(std::stoll(printed) - std::stoll(ours)) <= 1;
}

inline bool Cell::pass() const {
  const std::vector<std::string> expected = words(printed);
  const std::vector<std::string> got = words(ours);
  return !expected.empty() && std::equal(expected.begin(), expected.end(), got.begin(), got.end(),
                                         [this](const auto& a, const auto& b) { return agree(a, b, digits); });
}

/// The cell of that name. Throws std::out_of_range if there is none, or more than one.
inline const Cell& find(const Cells& cells, const std::string& name) {
  const auto named = [&name](const Cell& cell) { return cell.name == name; };
  if (std::count_if(cells.begin(), cells.end(), named) != 1) {
    throw std::out_of_range("expected exactly one cell named \"" + name + "\"");
  }
  return *std::find_if(cells.begin(), cells.end(), named);
}

/// The cell in full, and the first word that differs.
inline std::ostream& operator<<(std::ostream& stream, const Cell& cell) {
  const auto lines = [&stream](const std::string& text) {
    std::istringstream input(text);
    for (std::string line; std::getline(input, line);) {
      const std::size_t begin = line.find_first_not_of(' ');
      if (begin != std::string::npos) stream << "\n  " << line.substr(begin);
    }
  };
  stream << cell.name << "\nexpression:\n  " << cell.expression << "\nprinted:";
  lines(cell.printed);
  stream << "\nours:";
  lines(cell.ours);

  const std::vector<std::string> expected = words(cell.printed);
  const std::vector<std::string> got = words(cell.ours);
  const auto differ = std::mismatch(expected.begin(), expected.end(), got.begin(), got.end(),
                                    [&cell](const auto& a, const auto& b) { return agree(a, b, cell.digits); });
  if (differ.first != expected.end() || differ.second != got.end()) {
    stream << "\nfirst difference:\n  word " << differ.first - expected.begin() + 1 << " of " << expected.size()
           << ", printed " << (differ.first == expected.end() ? "nothing" : *differ.first) << ", ours "
           << (differ.second == got.end() ? "nothing" : *differ.second);
  }
  return stream;
}

}  // namespace notebooks
