// An input where PyTorch's floats run out of digits, and this library's do
// not.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  tensornorm::BatchNorm1d<> bn(1);
  Eigen::MatrixXf x(3, 1);
  x << 1000000, 1000000.25f, 1000000.5f;
  std::cout << bn(x).transpose() << '\n';

  bn.running_mean()[0] = 1000000;
  bn.running_var()[0] = 0.01f;
  std::cout << bn.eval()(x).transpose() << '\n';
  //! [code]
}
