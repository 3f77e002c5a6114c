// expected a convolution's weight
#include <tensornorm/fold.hpp>

void wrong(Eigen::MatrixXf& weight, Eigen::VectorXf& bias) {
  tensornorm::fold_into_convolution(weight, bias, tensornorm::BatchNorm2d<>(3));
}
