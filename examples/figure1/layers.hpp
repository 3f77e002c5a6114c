// The two kinds of layer of Figure 1's networks, forward and backward. A batch is a matrix [N, features], a row a
// picture.
#pragma once

#include <Eigen/Core>
#include <optional>
#include <tensornorm/tensornorm.hpp>

#include "figure1/random.hpp"

namespace figure1 {

using Eigen::Index;
template <typename Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
template <typename Scalar>
using RowVector = Eigen::Matrix<Scalar, 1, Eigen::Dynamic>;

/// y = x * weight + bias
template <typename Scalar>
struct Linear {
  Matrix<Scalar> weight, weight_grad;  // [in, out]
  RowVector<Scalar> bias, bias_grad;   // [out]; empty when there is no bias

  /// Weights from N(0, weight_sd^2), a bias of 0.
  Linear(Index in, Index out, bool with_bias, double weight_sd, Random& random) : weight(in, out) {
    for (Scalar& value : weight.reshaped()) value = static_cast<Scalar>(weight_sd * random.normal());
    if (with_bias) bias.setZero(out);
  }

  Matrix<Scalar> forward(const Matrix<Scalar>& x) const {
    Matrix<Scalar> y = x * weight;
    if (bias.size() > 0) y.rowwise() += bias;
    return y;
  }

  /// Sets the gradients of the parameters, given that of y.
  void backward(const Matrix<Scalar>& x, const Matrix<Scalar>& dy) {
    weight_grad.noalias() = x.transpose() * dy;
    if (bias.size() > 0) bias_grad = dy.colwise().sum();
  }

  Matrix<Scalar> input_gradient(const Matrix<Scalar>& dy) const { return dy * weight.transpose(); }
};

/// h = sigmoid(u), where u = x * weight + bias, or u = batch_norm(x * weight). Batch norm subtracts whatever bias the
/// linear map would add and brings its own, so there the linear map has none.
template <typename Scalar>
struct HiddenLayer {
  Linear<Scalar> linear;
  std::optional<tensornorm::BatchNorm1d<Scalar>> batch_norm;
  Matrix<Scalar> z, u, h;  // [N, out], of the last forward; z = linear(x)

  HiddenLayer(Index in, Index out, bool with_batch_norm, double weight_sd, Random& random)
      : linear(in, out, !with_batch_norm, weight_sd, random) {
    if (with_batch_norm) batch_norm.emplace(out);
  }

  void forward(const Matrix<Scalar>& x) {
    z = linear.forward(x);
    u = batch_norm ? batch_norm->forward(z) : z;
    h = u.array().logistic();
  }

  /// Sets the gradients of the parameters, given that of h, and returns that of z.
  Matrix<Scalar> backward(const Matrix<Scalar>& x, const Matrix<Scalar>& dh) {
    Matrix<Scalar> gradient = dh.array() * h.array() * (1 - h.array());  // of u
    if (batch_norm) {
      batch_norm->zero_grad();
      batch_norm->backward(z, gradient, gradient);  // now of z
    }
    linear.backward(x, gradient);
    return gradient;
  }
};

}  // namespace figure1
