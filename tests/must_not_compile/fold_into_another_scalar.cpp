// weight and bias need the layer's scalar
#include <tensornorm/fold.hpp>

void wrong(Eigen::MatrixXd& weight, Eigen::VectorXd& bias) {
  tensornorm::fold_into_linear(weight, bias, tensornorm::BatchNorm1d<float>(3));
}
