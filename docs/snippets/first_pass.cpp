// A training pass, what it leaves in the running statistics, and
// an eval pass that uses them.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  //! [code]
  tensornorm::BatchNorm1d<> m(3);
  Eigen::MatrixXf x1{{0, 3, 0}, {3, 2, 2}};
  Eigen::MatrixXf x2{{1, 3, 3}, {2, 0, 3}};

  std::cout << std::fixed << std::setprecision(4);
  std::cout << m << '\n';
  std::cout << m(x1) << '\n';
  std::cout << m.running_mean().transpose() << '\n';
  std::cout << m.running_var().transpose() << '\n';

  m.eval();
  std::cout << m(x2) << '\n';
  //! [code]
}
