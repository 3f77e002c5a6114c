#include <tensornorm/tensornorm.hpp>

Eigen::MatrixXf normalised(const Eigen::MatrixXf& x);

int main() {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(8, 3);
  tensornorm::BatchNorm1d<> bn(3);
  return bn(x) == normalised(x) ? 0 : 1;
}
