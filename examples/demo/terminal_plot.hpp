// Curves over a common axis, drawn with characters.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace demo {

struct Curve {
  std::string label;
  char mark;
  std::vector<double> y;  // one value a column of the picture
};

/// The vertical axis starts at 0; every curve has a value for every column.
struct TerminalPlot {
  std::vector<Curve> curves;
  double top = 1;           // the value at the upper end
  int rows = 16;            // of height
  int columns_a_tick = 10;  // between two labels of the horizontal axis
  int tick_step = 1;        // the label's increase from one to the next
  std::string x_label;
  double level = 0;  // a value drawn as a dotted line across
  std::string level_label;
};

/// Curves that meet in a cell take turns, column by column, so that none hides another.
std::ostream& operator<<(std::ostream& out, const TerminalPlot& plot);

}  // namespace demo
