// an output must not be const
#include <tensornorm/tensornorm.hpp>

void wrong(tensornorm::BatchNorm1d<>& bn, const Eigen::MatrixXf& x, const Eigen::MatrixXf& dy, const float* dx) {
  bn.backward(x, dy, Eigen::Map<const Eigen::MatrixXf>(dx, 2, 3));
}
