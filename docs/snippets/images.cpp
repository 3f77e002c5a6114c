// Channels of pictures, and the variance that normalises them: biased, or
// divided by n - 1.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  using Tensor4 = Eigen::Tensor<float, 4, Eigen::RowMajor>;
  Tensor4 x(1, 3, 4, 4);
  for (int i = 0; i < 48; ++i) x.data()[i] = static_cast<float>(i);

  tensornorm::BatchNorm2d<> norm(3);
  Tensor4 y = norm(x);
  std::cout << y.chip(0, 0).chip(2, 0) << '\n';  // sample 0, channel 2
  std::cout << norm.running_mean().transpose() << '\n';

  tensornorm::BatchNormOptions options;
  options.correction = 1;
  tensornorm::BatchNorm2d<> unbiased(3, options);
  y = unbiased(x);
  std::cout << y.chip(0, 0).chip(2, 0) << '\n';
  //! [code]
}
