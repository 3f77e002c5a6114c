// A layer with rules of its own, said with options: unbiased variance,
// decay 0.95, running variance from 0.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  tensornorm::BatchNormOptions options;
  options.eps = 1e-3;
  options.momentum = tensornorm::momentum_from_decay(0.95);
  options.affine = false;
  options.correction = 1;
  options.running_correction = 1;
  tensornorm::BatchNorm1d<> bn(3, options);
  bn.running_var().setZero();

  Eigen::MatrixXf x{{1.1f, 1, 2}, {10, 11, 12}, {21, 22, 23}};
  std::cout << bn(x) << '\n';
  std::cout << bn.running_mean().transpose() << '\n';
  std::cout << bn.running_var().transpose() << '\n';
  std::cout << bn.eval()(x) << '\n';
  //! [code]
}
