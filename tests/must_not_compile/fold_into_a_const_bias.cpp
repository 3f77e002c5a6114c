// weight and bias are folded in place, and must not be const
#include <tensornorm/fold.hpp>

void wrong(Eigen::MatrixXf& weight, const Eigen::VectorXf& bias) {
  tensornorm::fold_into_linear(weight, bias, tensornorm::BatchNorm1d<float>(3));
}
