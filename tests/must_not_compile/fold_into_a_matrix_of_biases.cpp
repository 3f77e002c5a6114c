// bias must be a vector
#include <tensornorm/fold.hpp>

void wrong(Eigen::MatrixXf& weight, Eigen::MatrixXf& bias) {
  tensornorm::fold_into_linear(weight, bias, tensornorm::BatchNorm1d<>(3));
}
