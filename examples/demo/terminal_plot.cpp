#include "demo/terminal_plot.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

namespace demo {
namespace {

/// The row of the picture that shows `value`, 0 at the bottom.
int row_of(const TerminalPlot& plot, double value) {
  return static_cast<int>(std::lround(value / plot.top * plot.rows));
}

std::size_t width_of(const TerminalPlot& plot) {
  std::size_t width = 0;
  for (const Curve& curve : plot.curves) width = std::max(width, curve.y.size());
  return width;
}

/// The marks of all curves that pass through the cell, none twice.
std::string marks_at(const TerminalPlot& plot, int row, std::size_t column) {
  std::string marks;
  for (const Curve& curve : plot.curves)
    if (column < curve.y.size() && row_of(plot, curve.y[column]) == row) marks += curve.mark;
  return marks;
}

/// The numbers below the axis, each starting at its tick.
std::string tick_labels(const TerminalPlot& plot, std::size_t width) {
  std::string labels;
  int tick = 0;
  for (std::size_t column = 0; column < width; column += static_cast<std::size_t>(plot.columns_a_tick)) {
    labels.resize(std::max(labels.size(), column), ' ');
    labels += std::to_string(tick);
    tick += plot.tick_step;
  }
  return labels;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const TerminalPlot& plot) {
  const std::size_t width = width_of(plot);
  const int level_row = row_of(plot, plot.level);
  constexpr int rows_a_label = 4;
  std::ostringstream text;
  text << std::fixed << std::setprecision(0);
  for (int row = plot.rows; row >= 0; --row) {
    const bool labelled = row % rows_a_label == 0;
    text << "  " << std::setw(6);
    if (labelled)
      text << plot.top * row / plot.rows << " +";
    else
      text << ' ' << " |";
    std::string cells(width, row == level_row ? '.' : ' ');
    for (std::size_t column = 0; column < width; ++column) {
      const std::string marks = marks_at(plot, row, column);
      if (!marks.empty()) cells[column] = marks[column % marks.size()];
    }
    if (row == level_row) cells += "  " + plot.level_label;
    text << cells.substr(0, cells.find_last_not_of(' ') + 1) << '\n';
  }
  text << std::string(9, ' ');
  for (std::size_t column = 0; column < width; ++column)
    text << (column % static_cast<std::size_t>(plot.columns_a_tick) == 0 ? '+' : '-');
  text << "\n" << std::string(9, ' ') << tick_labels(plot, width) << "  " << plot.x_label << "\n\n";
  text << std::string(9, ' ');
  for (const Curve& curve : plot.curves)
    text << (&curve == &plot.curves.front() ? "" : "   ") << curve.mark << ' ' << curve.label;
  return out << text.str() << '\n';
}

}  // namespace demo
