// The page docs/numerics_table.md: torch's errors beside this library's.
#pragma once

#include <Eigen/Core>
#include <cstdio>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "torch/accuracy.hpp"

namespace tn_test {

/// Rounded to so many significant digits, and 1e4 for 1e+04.
inline std::string number_text(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  std::snprintf(text, sizeof text, "%g", std::stod(text));  // 340 for 3.4e+02
  return std::regex_replace(text, std::regex("e\\+?(-?)0?"), "e$1");
}

inline std::string input_text(const AccuracyRow& row) {
  const auto number = [](double value) { return number_text(value, 6); };
  std::string text = row.eval() ? "eval, " : "";
  if (row.source == "constant") {
    text += "constant " + number(row.offset);
  } else if (row.source == "alternating") {
    text += number(row.offset - row.scale) + ", " + number(row.offset + row.scale) + " in turn";
  } else {
    if (row.offset != 0) text += number(row.offset) + " + ";
    if (row.scale != 1) text += number(row.scale) + " ";
    text += "N(0, 1)";
  }
  std::string sizes;
  for (const Index extent : row.dims) sizes += (sizes.empty() ? ", " : "x") + std::to_string(extent);
  return text + sizes;
}

/// A line of the table, cell by cell: input, layout, then torch's error and ours for mean, invstd and y.
inline std::vector<std::string> cells(const AccuracyRow& row, const Errors& ours) {
  std::vector<std::string> line{input_text(row), row.layout == "NC" ? "(N, C)" : row.layout};
  const auto add = [&](double torch, double own, bool has) {
    for (const double error : {torch, own}) line.push_back(has ? number_text(error, 2) : "");
  };
  add(row.torch.mean, ours.mean, !row.eval());
  add(row.torch.invstd, ours.invstd, !row.eval());
  add(row.torch.y, ours.y, true);
  return line;
}

inline std::string table_text(const Accuracy& accuracy) {
  std::ostringstream page;
  page << "# Where digits are lost\n\n"
          "The largest errors of a training forward in float, and of an eval forward: of the mean and of\n"
          "invstd = 1 / sqrt(variance + eps), in ulp of the exact value, rounded to float as torch returns them; of y "
          "as\n"
          "they are (weight 1, bias 0, eps 1e-5). The exact values are computed in `long double`.\n\n"
          "| input | layout | mean, ulp: torch | ours | invstd, ulp: torch | ours | y: torch | ours |\n"
          "|---|---|---|---|---|---|---|---|\n";
  const auto every = [](const AccuracyRow&) { return true; };
  for_each_measured(accuracy.rows, every, [&](std::size_t i, const Measured& measured) {
    for (const std::string& cell : cells(accuracy.rows[i], measured.errors)) page << "| " << cell << ' ';
    page << "|\n";
  });
  page << "\nAn eval forward has the mean 1e6 and the variance 0.01 as running statistics. N(0, 1) stands for the sum "
          "of\n"
          "12 uniform numbers of 32 bits, less 6, from a seeded Mersenne Twister: exact in double, rounded to float "
          "once\n"
          "scaled and shifted, and so the same bits in Python and C++ (a sum over them is compared).\n\n"
          "The ulp of a mean near 0 is far below the rounding of the values it is the mean of. torch sums NCHW in "
          "double\n"
          "and gives such a mean to half an ulp; what is promised here is an error of 0.51 ulp and 1/8 of 2^-24 "
          "standard\n"
          "deviations, which moves y by 2^-27.\n\n"
          "torch: "
       << accuracy.torch << "; measured by `python3 tests/torch/accuracy.py`.\n"
       << "Ours: " << Eigen::SimdInstructionSetsInUse()
       << "; measured, and this page written, by `./run accuracy`. `./run test` measures it again.\n";
  return page.str();
}

}  // namespace tn_test
