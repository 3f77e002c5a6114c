// Five notebooks in which people explored PyTorch's batch norm: every value that they printed, beside ours.
#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "demo/sections.hpp"
#include "notebooks/notebooks.hpp"

namespace demo {
namespace {

constexpr std::size_t name_width = 48, value_width = 32, line_width = 100;
constexpr std::size_t most_rows = 2;  // of a cell that are printed; all are compared

/// The rows of a value, one space between words, without empty rows.
std::vector<std::string> rows_of(const std::string& text) {
  std::vector<std::string> rows;
  std::istringstream stream(text);
  for (std::string row; std::getline(stream, row);) {
    std::string joined;
    for (const std::string& word : notebooks::words(row)) joined += (joined.empty() ? "" : " ") + word;
    if (!joined.empty()) rows.push_back(joined);
  }
  return rows;
}

std::size_t widest(const std::vector<std::string>& rows) {
  std::size_t width = 0;
  for (const std::string& row : rows) width = std::max(width, row.size());
  return width;
}

/// All rows as one, cut after as many words as a line holds.
std::string one_line(const std::vector<std::string>& rows) {
  std::string line;
  for (const std::string& row : rows) line += (line.empty() ? "" : " ") + row;
  return line.size() <= line_width ? line : line.substr(0, line.rfind(' ', line_width)) + " ...";
}

/// The cell's name, and what is unusual about the text expected.
std::string title(const notebooks::Cell& cell) {
  std::string title = cell.name;
  if (cell.source == notebooks::Source::torch) title += " [torch 1.13]";
  if (cell.source == notebooks::Source::arithmetic) title += " [formula]";
  if (cell.digits == notebooks::Digits::last_by_1) title += " [last digit within 1]";
  return title;
}

/// Row beside row if they are short, else one below the other; everything if they differ.
void print_cell(Report& report, const notebooks::Cell& cell) {
  const std::vector<std::string> expected = rows_of(cell.printed), ours = rows_of(cell.ours);
  const std::string name = title(cell), indent(6, ' ');
  if (std::max(widest(expected), widest(ours)) > value_width) {
    report.check(cell.pass(), name);
    report.line(indent + left("expected", 12) + one_line(expected));
    report.line(indent + left("ours", 12) + one_line(ours));
  } else {
    const std::size_t rows = std::max(expected.size(), ours.size());
    const auto row = [&](std::size_t i, const std::string& before) {
      return left(before, name_width) + left(i < expected.size() ? expected[i] : "", value_width + 2) +
             (i < ours.size() ? ours[i] : "");
    };
    const bool name_fits = name.size() < name_width;
    report.check(cell.pass(), name_fits ? row(0, name) : name);
    for (std::size_t i = name_fits ? 1 : 0; i < std::min(rows, most_rows); ++i) report.line(indent + row(i, ""));
    if (rows > most_rows) report.line(indent + left("", name_width) + "... " + std::to_string(rows) + " rows in all");
  }
  if (!cell.pass()) std::cout << cell << '\n';
}

}  // namespace

void notebooks_section(Report& report) {
  report.heading("Notebooks: the values that PyTorch printed, and ours");
  report.line(
      "Compared to the last digit printed. Where a notebook printed nothing, or too few digits, the value that");
  report.line(
      "torch 1.13 or the notebook's formula gives, as said in brackets. Long values are cut here, but compared");
  report.line("in full.");
  report.line("");
  report.line(left("", 6) + left("notebook, cell", name_width) + left("expected", value_width + 2) + "ours");
  for (const notebooks::Notebook& notebook : notebooks::all()) {
    const notebooks::Cells cells = notebook.cells();
    const auto passed = std::count_if(cells.begin(), cells.end(), [](const auto& cell) { return cell.pass(); });
    report.line("");
    report.line("Notebook " + notebook.document + ": " + notebook.title + ": " + std::to_string(passed) + " of " +
                std::to_string(cells.size()) + " values pass");
    for (const notebooks::Cell& cell : cells) print_cell(report, cell);
  }
}

}  // namespace demo
