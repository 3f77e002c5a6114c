#include <tensornorm/tensornorm.hpp>

static_assert(TENSORNORM_VERSION_MAJOR == 0 && TENSORNORM_VERSION_MINOR >= 1 && TENSORNORM_VERSION_PATCH >= 0);

Eigen::MatrixXf normalised(const Eigen::MatrixXf& x);

int main() {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(8, 3);
  tensornorm::BatchNorm1d<> bn(3);
  return bn(x) == normalised(x) ? 0 : 1;
}
