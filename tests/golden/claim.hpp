// Tests claim cells by their names, so that a cell without a test does not go unnoticed.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "notebooks/cell.hpp"

namespace notebooks {

/// The names of all tests that claim a cell.
inline std::vector<std::string>& claims() {
  static std::vector<std::string> names;
  return names;
}

/// The name of the test of a cell.
inline std::string test_name(const Cell& cell) { return "seed " + cell.name; }

/// Written behind the name of a doctest case, TEST_CASE("seed 000 In [9]: m(x1)" * Claim{}): doctest hands every such
/// decorator the test when it registers it, before main. So claims are complete even if only one of the tests runs.
struct Claim {
  template <typename TestCase>
  void fill(const TestCase& test) const {
    claims().emplace_back(test.m_name);
  }
};

/// Compares the cell, of a notebook that has been run, that the running test claims. Throws std::out_of_range if there
/// is no such cell.
inline void check_claimed(const Cells& cells) {
  const std::string test = doctest::getContextOptions()->currentTest->m_name;
  const Cell& cell = find(cells, test.substr(std::string("seed ").size()));
  CHECK_MESSAGE(cell.pass(), cell);
}

/// The names of the cells that no test claims, a line each; empty if each has its test.
inline std::string unclaimed(const Cells& cells) {
  std::string names;
  for (const Cell& cell : cells) {
    const auto& all = claims();
    if (std::find(all.begin(), all.end(), test_name(cell)) == all.end()) names += cell.name + "\n";
  }
  return names;
}

}  // namespace notebooks
