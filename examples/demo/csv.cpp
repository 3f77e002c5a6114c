#include "demo/csv.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace demo {
namespace {

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream text(line);
  for (std::string cell; std::getline(text, cell, ',');) cells.push_back(cell);
  return cells;
}

double number(const std::string& cell, const std::string& where) {
  std::istringstream text(cell);
  double value = 0;
  if (!(text >> value) || !(text >> std::ws).eof()) throw std::runtime_error(where + ": not a number: " + cell);
  return value;
}

}  // namespace

Eigen::Index CsvTable::column(const std::string& name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw std::runtime_error("no column is called " + name);
  return found - names.begin();
}

CsvTable read_csv(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error("cannot read " + path.string());
  CsvTable table{split(line), {}};
  std::vector<double> numbers;  // [rows, columns]
  for (std::size_t line_number = 2; std::getline(file, line); ++line_number) {
    const std::string where = path.string() + ", line " + std::to_string(line_number);
    const auto cells = split(line);
    if (cells.size() != table.names.size()) throw std::runtime_error(where + ": not as many cells as the header");
    for (const auto& cell : cells) numbers.push_back(number(cell, where));
  }
  using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto columns = static_cast<Eigen::Index>(table.names.size());
  table.values =
      Eigen::Map<const RowMajorMatrix>(numbers.data(), static_cast<Eigen::Index>(numbers.size()) / columns, columns);
  return table;
}

void write_csv(const std::filesystem::path& path, const CsvTable& table) {
  std::ofstream file(path);
  for (std::size_t column = 0; column < table.names.size(); ++column)
    file << (column == 0 ? "" : ",") << table.names[column];
  const Eigen::IOFormat commas(Eigen::FullPrecision, Eigen::DontAlignCols, ",", "\n");
  file << '\n' << table.values.format(commas) << '\n';
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace demo
