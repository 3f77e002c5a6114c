#include <tensornorm/tensornorm.hpp>

int main() {
  tensornorm::BatchNorm1d<> bn(3);
  const Eigen::MatrixXf y = bn(Eigen::MatrixXf::Random(8, 3));
  return y.colwise().mean().norm() < 1e-5f ? 0 : 1;
}
