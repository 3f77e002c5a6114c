// What a batch weighs in the running statistics: momentum, and the
// cumulative average without one.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  Eigen::MatrixXf x{
      {0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11, 12, 13, 14}};

  tensornorm::BatchNormOptions options;
  options.momentum = 0.5;
  tensornorm::BatchNorm1d<> half(5, options);
  half(x);
  half(2 * x);
  std::cout << half.running_mean().transpose() << '\n';
  std::cout << half.running_var().transpose() << '\n';

  options.momentum = std::nullopt;
  tensornorm::BatchNorm1d<> average(5, options);
  average(x);
  average(2 * x);
  std::cout << average << '\n';
  std::cout << average.running_mean().transpose() << '\n';
  //! [code]
}
