// The first step of RMSprop on weight and bias.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  Eigen::MatrixXf x{
      {0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11, 12, 13, 14}};
  tensornorm::BatchNorm1d<> bn(5);
  Eigen::MatrixXf y = bn(x);
  bn.backward(x, Eigen::MatrixXf::Ones(3, 5));  // of the sum of y
  std::cout << bn.weight_grad().transpose() << '\n';
  std::cout << bn.bias_grad().transpose() << '\n';

  const auto first_rmsprop_step = [](Eigen::VectorXf& parameter,
                                     const Eigen::VectorXf& grad) {
    const Eigen::ArrayXf mean_square = 0.01f * grad.array().square();
    parameter.array() -=
        0.01f * grad.array() / (mean_square.sqrt() + 1e-8f);
  };
  first_rmsprop_step(bn.weight(), bn.weight_grad());
  first_rmsprop_step(bn.bias(), bn.bias_grad());
  bn.zero_grad();
  std::cout << bn.weight().transpose() << '\n';
  std::cout << bn.bias().transpose() << '\n';
  //! [code]
}
