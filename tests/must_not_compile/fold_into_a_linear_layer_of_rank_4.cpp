// expected a linear layer's weight
#include <tensornorm/fold.hpp>

void wrong(Eigen::Tensor<float, 4>& weight, Eigen::VectorXf& bias) {
  tensornorm::fold_into_linear(weight, bias, tensornorm::BatchNorm1d<>(3));
}
