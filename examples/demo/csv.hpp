// Numbers in a text file: one header line, then rows of numbers between commas.
#pragma once

#include <Eigen/Core>
#include <filesystem>
#include <string>
#include <vector>

namespace demo {

struct CsvTable {
  std::vector<std::string> names;  // the header, one a column
  Eigen::MatrixXd values;          // [rows, columns]

  /// The index of the column called `name`; throws std::runtime_error if there is none.
  Eigen::Index column(const std::string& name) const;
};

/// Throws std::runtime_error, naming the file and the line, if it cannot be read or a row is not `names.size()`
/// numbers.
CsvTable read_csv(const std::filesystem::path& path);
/// Throws std::runtime_error if the file cannot be written.
void write_csv(const std::filesystem::path& path, const CsvTable& table);

}  // namespace demo
