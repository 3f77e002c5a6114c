// The gradient of a training forward, and those of weight and bias.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  tensornorm::BatchNorm1d<> bn(3);
  Eigen::MatrixXf x{{1, 4, 2}, {3, 0, 5}, {8, 1, 7}};
  Eigen::MatrixXf dy{{1, 0, 2}, {0, 1, 0}, {0, 2, 1}};

  Eigen::MatrixXf y = bn(x);
  Eigen::MatrixXf dx = bn.backward(x, dy);
  std::cout << dx << '\n';
  std::cout << bn.weight_grad().transpose() << '\n';
  std::cout << bn.bias_grad().transpose() << '\n';
  //! [code]
}
