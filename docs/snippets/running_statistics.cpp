// Where the running statistics go when the same batch comes again and
// again, and layers that keep none.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  Eigen::Tensor<float, 4, Eigen::RowMajor> x(2, 2, 2, 2);
  x.chip(0, 0).setConstant(1);             // sample 0: both channels 1
  x.chip(1, 0).chip(0, 0).setConstant(2);  // sample 1: channel 0 is 2,
  x.chip(1, 0).chip(1, 0).setConstant(3);  // channel 1 is 3

  tensornorm::BatchNormOptions options;
  options.affine = false;
  tensornorm::BatchNorm2d<> m(2, options);
  for (int i = 0; i < 100; ++i) m(x);
  std::cout << m.running_mean().transpose() << '\n';
  std::cout << m.running_var().transpose() << '\n';

  auto y = m.eval()(x);
  std::cout << y(0, 0, 0, 0) << ' ' << y(0, 1, 0, 0) << '\n';

  options.track_running_stats = false;
  tensornorm::BatchNorm2d<> own(2, options);
  y = own.eval()(x);
  std::cout << y(0, 0, 0, 0) << ' ' << y(0, 1, 0, 0) << '\n';
  //! [code]
}
