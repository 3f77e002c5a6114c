// A layer of every scalar type, compiled as a program is that is to be fast: what an optimiser warns of shows here.
#include <tensornorm/tensornorm.hpp>

template <typename Scalar, typename T>
bool runs() {
  Eigen::Tensor<T, 4, Eigen::RowMajor> x(2, 3, 4, 5), y;
  x.setZero();
  tensornorm::BatchNorm2d<Scalar> bn(3);
  bn.forward(x, y);
  const auto dx = bn.backward(x, y);
  bn.eval();
  return dx.dimensions() == y.dimensions() && bn(x).dimensions() == y.dimensions();
}

int main() {
  const bool all =
      runs<float, float>() && runs<double, double>() && runs<float, Eigen::half>() && runs<float, Eigen::bfloat16>();
  return all ? 0 : 1;
}
