// Values as the notebooks print them: torch's rule for tensors, Python's for numbers, without brackets and commas.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <sstream>
#include <string>
#include <tensornorm/tensornorm.hpp>

namespace notebooks {

/// A tensor as it is printed: a line for each run along the last axis.
using Table = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Tensor4 = Eigen::Tensor<float, 4, Eigen::RowMajor>;

inline Table table(const Tensor4& x) {
  const Eigen::Index columns = x.dimension(3);
  return Eigen::Map<const Table>(x.data(), x.size() / columns, columns);
}

/// One number in a printf format that takes a double.
inline std::string number_text(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Every value in the same printf format. A column is printed as a line, as torch does with a vector.
inline std::string table_text(const char* format, const Table& values) {
  std::string text;
  for (Eigen::Index row = 0; row < values.rows(); ++row) {
    if (row > 0) text += values.cols() == 1 ? " " : "\n";
    for (Eigen::Index column = 0; column < values.cols(); ++column) {
      if (column > 0) text += " ";
      text += number_text(format, static_cast<double>(values(row, column)));
    }
  }
  return text;
}

/// As print(tensor) under torch's default options (torch/_tensor_str.py): `3.` if all values are whole numbers,
/// scientific if they span more than three decades or reach below 1e-4, else four decimals. So `25.` is exactly 25,
/// and a `0.0000` that is not exactly zero would have turned the whole tensor scientific.
inline std::string torch_text(const Table& values) {
  double smallest = std::numeric_limits<double>::infinity();
  double largest = 0;
  bool whole = true;
  for (const float value : values.reshaped()) {
    const double magnitude = std::abs(static_cast<double>(value));
    if (magnitude == 0 || !std::isfinite(magnitude)) continue;
    smallest = std::min(smallest, magnitude);
    largest = std::max(largest, magnitude);
    whole = whole && magnitude == std::ceil(magnitude);
  }
  const bool scientific = largest > 1000 * smallest || largest > 1e8 || (!whole && smallest < 1e-4);
  return table_text(scientific ? "%.4e" : whole ? "%.0f." : "%.4f", values);
}

inline std::string torch_text(const Tensor4& values) { return torch_text(table(values)); }

/// With that many decimals, as torch prints with sci_mode=False.
inline std::string fixed_text(const Table& values, int decimals) {
  return table_text(("%." + std::to_string(decimals) + "f").c_str(), values);
}

inline std::string fixed_text(const Tensor4& values, int decimals) { return fixed_text(table(values), decimals); }

/// A Python float or int of a few digits: 0.1, 1e-05, 1.
inline std::string python_text(double value) { return number_text("%g", value); }

inline std::string python_text(bool value) { return value ? "True" : "False"; }

/// The shape of a tensor, as torch.Size prints.
inline std::string size_text(const Tensor4& x) {
  std::string text = "torch.Size([";
  for (std::size_t axis = 0; axis < 4; ++axis) text += (axis > 0 ? ", " : "") + std::to_string(x.dimension(axis));
  return text + "])";
}

/// As repr(layer).
template <typename Layer>
std::string repr_text(const Layer& layer) {
  std::ostringstream stream;
  stream << layer;
  return stream.str();
}

/// As layer.state_dict(), a line for each entry.
template <typename Layer>
std::string state_text(const Layer& layer) {
  return "weight " + torch_text(layer.weight()) + "\nbias " + torch_text(layer.bias()) +  //
         "\nrunning_mean " + torch_text(layer.running_mean()) + "\nrunning_var " + torch_text(layer.running_var()) +
         "\nnum_batches_tracked " + std::to_string(layer.num_batches_tracked());
}

/// The first words of a text: as far as a listing goes that was cut off.
inline std::string first_words(const std::string& text, std::size_t count) {
  std::istringstream stream(text);
  std::string first;
  std::string word;
  for (std::size_t i = 0; i < count && stream >> word; ++i) first += (i > 0 ? " " : "") + word;
  return first;
}

/// The text that many times, a line each.
inline std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text + "\n";
  return all;
}

}  // namespace notebooks
