// The networks of Figure 1: hidden layers of sigmoid units, a linear output layer, softmax and cross-entropy.
#pragma once

#include <vector>

#include "figure1/layers.hpp"

namespace figure1 {

struct Architecture {
  Index inputs = 64;
  std::vector<Index> hidden{100, 100, 100};
  Index classes = 10;
  bool batch_norm = false;  // before the sigmoid of every hidden layer
  double weight_sd = 0.1;   // of the first weights
};

template <typename Scalar>
class Network {
 public:
  /// The first weights are the same with and without batch norm.
  Network(const Architecture& architecture, Random& random)
      : hidden_(hidden_layers(architecture, random)),
        output_(hidden_.back().linear.weight.cols(), architecture.classes, true, architecture.weight_sd, random) {}

  /// As in PyTorch: training mode normalises with the batch's statistics, eval mode with the running ones.
  void train(bool mode = true) {
    for (auto& layer : hidden_)
      if (layer.batch_norm) layer.batch_norm->train(mode);
  }

  /// The scores of the classes, [N, classes]: what the softmax is taken of.
  Matrix<Scalar> forward(const Matrix<Scalar>& x) {
    for (std::size_t i = 0; i < hidden_.size(); ++i) hidden_[i].forward(input_of(i, x));
    return output_.forward(hidden_.back().h);
  }

  /// Returns the cross-entropy, its mean over the batch, and sets the gradients of the parameters.
  Scalar forward_backward(const Matrix<Scalar>& x, const Eigen::VectorXi& classes) {
    Matrix<Scalar> scores = forward(x);
    scores.colwise() -= scores.rowwise().maxCoeff().eval();  // so that exp cannot overflow
    Matrix<Scalar> dscores = scores.array().exp();
    const Eigen::Matrix<Scalar, Eigen::Dynamic, 1> sums = dscores.rowwise().sum();
    dscores.array().colwise() /= sums.array();
    Scalar loss = sums.array().log().sum();
    for (Index row = 0; row < x.rows(); ++row) {
      loss -= scores(row, classes(row));
      dscores(row, classes(row)) -= 1;
    }
    const auto n = static_cast<Scalar>(x.rows());
    backward(x, dscores / n);
    return loss / n;
  }

  /// visit(parameter, its gradient)
  template <typename Visit>
  void for_each_parameter(const Visit& visit) {
    for (auto& [linear, batch_norm, z, u, h] : hidden_) {
      visit(linear.weight, linear.weight_grad);
      if (linear.bias.size() > 0) visit(linear.bias, linear.bias_grad);
      if (batch_norm) visit(batch_norm->weight(), batch_norm->weight_grad());
      if (batch_norm) visit(batch_norm->bias(), batch_norm->bias_grad());
    }
    visit(output_.weight, output_.weight_grad);
    visit(output_.bias, output_.bias_grad);
  }

  const std::vector<HiddenLayer<Scalar>>& hidden() const { return hidden_; }

 private:
  static std::vector<HiddenLayer<Scalar>> hidden_layers(const Architecture& architecture, Random& random) {
    std::vector<HiddenLayer<Scalar>> layers;
    Index in = architecture.inputs;
    for (const Index out : architecture.hidden) {
      layers.emplace_back(in, out, architecture.batch_norm, architecture.weight_sd, random);
      in = out;
    }
    return layers;
  }

  const Matrix<Scalar>& input_of(std::size_t i, const Matrix<Scalar>& x) const { return i == 0 ? x : hidden_[i - 1].h; }

  void backward(const Matrix<Scalar>& x, const Matrix<Scalar>& dscores) {
    output_.backward(hidden_.back().h, dscores);
    Matrix<Scalar> dh = output_.input_gradient(dscores);
    for (std::size_t i = hidden_.size(); i-- > 0;) {
      const Matrix<Scalar> dz = hidden_[i].backward(input_of(i, x), dh);
      if (i > 0) dh = hidden_[i].linear.input_gradient(dz);
    }
  }

  std::vector<HiddenLayer<Scalar>> hidden_;
  Linear<Scalar> output_;
};

}  // namespace figure1
