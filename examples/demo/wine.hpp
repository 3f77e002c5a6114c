// UCI Wine as the demo uses it: even rows to train on, odd rows to test with.
#pragma once

#include <Eigen/Core>
#include <filesystem>
#include <string>
#include <vector>

#include "demo/report.hpp"

namespace demo {

struct Wine {
  std::vector<std::string> features;              // [13]
  Eigen::MatrixXf train, test;                    // [89, 13]
  Eigen::VectorXi train_cultivar, test_cultivar;  // [89]

  Eigen::Index feature(const std::string& name) const;
};

/// Rows first, first + step, first + 2 * step, ...
template <typename Matrix>
Matrix every_nth_row(const Matrix& x, Eigen::Index first, Eigen::Index step) {
  Matrix rows((x.rows() - first + step - 1) / step, x.cols());
  for (Eigen::Index row = 0; row < rows.rows(); ++row) rows.row(row) = x.row(first + row * step);
  return rows;
}

/// The training rows in three batches: batch k is rows k, k + 3, k + 6, ...
inline constexpr Eigen::Index wine_batches = 3;
inline Eigen::MatrixXf wine_batch(const Wine& wine, Eigen::Index k) {
  return every_nth_row(wine.train, k, wine_batches);
}

/// How the running mean of one feature, proline, nears the true mean, for several momenta. Writes `curves`, a CSV file.
void wine_running_mean(Report& report, const Wine& wine, const std::filesystem::path& curves);

}  // namespace demo
