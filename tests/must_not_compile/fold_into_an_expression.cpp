// weight and bias are folded in place, and need memory
#include <tensornorm/fold.hpp>

void wrong(const Eigen::Tensor<float, 2>& weight, Eigen::VectorXf& bias) {
  auto sum = weight + weight;
  tensornorm::fold_into_linear(sum, bias, tensornorm::BatchNorm1d<>(3));
}
