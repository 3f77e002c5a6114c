// Batch normalization by hand, as the notebooks write it out: Eigen expressions over a batch of rows, no layer.
#pragma once

#include <numeric>
#include <tensornorm/tensornorm.hpp>

#include "text.hpp"

namespace notebooks {

using Matrix = Eigen::MatrixXf;  // a batch: a row for each sample, a column for each channel
using Row = Eigen::RowVectorXf;  // a value for each channel

/// torch.mean(x, dim=0)
inline Row mean(const Matrix& x) { return x.colwise().mean(); }

/// torch.var(x, dim=0), unbiased with correction 1 and biased with 0.
inline Row var(const Matrix& x, int correction) {
  const auto divisor = static_cast<float>(x.rows() - correction);
  return (x.rowwise() - mean(x)).array().square().colwise().sum() / divisor;
}

/// (x - mean) / torch.sqrt(var + eps)
inline Matrix standardise(const Matrix& x, const Row& mean, const Row& var, float eps) {
  return (x.rowwise() - mean).array().rowwise() / (var.array() + eps).sqrt();
}

/// torch.arange(0, step*rows*columns, step).reshape(rows, columns).float()
inline Matrix arange(Eigen::Index rows, Eigen::Index columns, float step = 1) {
  Table x(rows, columns);
  std::iota(x.data(), x.data() + x.size(), 0.0f);
  return step * x;
}

/// torch.arange(n*c*h*w).reshape(n, c, h, w).float()
inline Tensor4 arange(Eigen::Index n, Eigen::Index c, Eigen::Index h, Eigen::Index w) {
  Tensor4 x(n, c, h, w);
  std::iota(x.data(), x.data() + x.size(), 0.0f);
  return x;
}

}  // namespace notebooks
