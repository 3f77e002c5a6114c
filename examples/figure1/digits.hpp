// UCI digits as Figure 1 uses them.
#pragma once

#include <filesystem>

#include "demo/csv.hpp"
#include "figure1/training.hpp"

namespace figure1 {

/// The first 1200 pictures of digits.csv train, the other 597 test. Throws std::runtime_error as read_csv does.
inline Digits load_digits(const std::filesystem::path& data) {
  constexpr Index train = 1200;
  constexpr float white = 16;  // the greatest value of a pixel in the file
  const demo::CsvTable table = demo::read_csv(data / "digits.csv");
  const Index test = table.values.rows() - train, digit = table.column("digit");
  const Matrix<float> x = table.values.leftCols(digit).cast<float>() / white;
  const Eigen::VectorXi digits = table.values.col(digit).cast<int>();
  return {x.topRows(train), x.bottomRows(test), digits.head(train), digits.tail(test)};
}

}  // namespace figure1
