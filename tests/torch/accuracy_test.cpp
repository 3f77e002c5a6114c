// docs/numerics_table.md says what is measured, and what is measured keeps what is promised.
#include "torch/accuracy.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "torch/accuracy_table.hpp"

using namespace tn_test;

namespace {

/// ./run accuracy writes the page with the tests' own flags, for any x86-64.
constexpr bool written_with_these = tensornorm::detail::width<double> == 2;

const std::string kHere = std::string(__FILE__).substr(0, std::string(__FILE__).rfind('/') + 1);

/// The lines of the page's table, as cells, below its head.
std::vector<std::vector<std::string>> page_rows() {
  std::ifstream page(kHere + "../../docs/numerics_table.md");
  REQUIRE(page);
  std::vector<std::vector<std::string>> rows;
  for (std::string text; std::getline(page, text);) {
    if (text.rfind("| ", 0) != 0) continue;
    std::vector<std::string> row;
    std::istringstream line(text.substr(2));
    for (std::string cell; std::getline(line, cell, '|') && line;) {
      const std::size_t end = cell.find_last_not_of(' ');
      const std::size_t begin = cell.find_first_not_of(' ');
      row.push_back(begin == std::string::npos ? "" : cell.substr(begin, end + 1 - begin));
    }
    rows.push_back(row);
  }
  REQUIRE(!rows.empty());
  rows.erase(rows.begin());
  return rows;
}

template <typename Wanted>
void check_rows(Wanted wanted) {
  const Accuracy accuracy = read_accuracy(kHere + "accuracy.txt");
  const std::vector<std::vector<std::string>> page = page_rows();
  REQUIRE(page.size() == accuracy.rows.size());
  int seen = 0;
  for_each_measured(accuracy.rows, wanted, [&](std::size_t i, const Measured& ours) {
    const AccuracyRow& row = accuracy.rows[i];
    const std::vector<std::string> measured = cells(row, ours.errors);
    INFO(input_text(row) << ' ' << row.layout);
    CHECK(ours.of_promise <= 1);
    REQUIRE(page[i].size() == measured.size());
    for (std::size_t k = 0; k < measured.size(); ++k) {
      const bool is_ours = k >= 3 && k % 2 == 1 && !measured[k].empty();
      if (!is_ours) CHECK(page[i][k] == measured[k]);
      // The page gives two digits, and other instructions sum in another order.
      if (is_ours) CHECK(std::stod(measured[k]) <= 1.1 * std::stod(page[i][k]));
      if (is_ours && written_with_these) CHECK(std::stod(page[i][k]) <= 1.1 * std::stod(measured[k]));
    }
    ++seen;
  });
  CHECK(seen > 0);
}

bool is_large(const AccuracyRow& row) { return size_of(row.dims) > 1000000; }

}  // namespace

// Of the large tensors each input takes about a second.
TEST_CASE("the table of accuracy: small tensors") {
  check_rows([](const AccuracyRow& row) { return !is_large(row); });
}
TEST_CASE("the table of accuracy: large tensors about 0") {
  check_rows([](const AccuracyRow& row) { return is_large(row) && row.offset == 0; });
}
TEST_CASE("the table of accuracy: large tensors far from 0") {
  check_rows([](const AccuracyRow& row) { return is_large(row) && row.offset != 0; });
}
