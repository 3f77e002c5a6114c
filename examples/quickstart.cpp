#include <iostream>
#include <tensornorm/tensornorm.hpp>
int main() {
  Eigen::Tensor<float, 4, Eigen::RowMajor> x(8, 3, 32, 32);  // (N, C, H, W)
  for (Eigen::Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i % 10);
  tensornorm::BatchNorm2d<> bn(3);
  Eigen::Tensor<float, 4, Eigen::RowMajor> y = bn(x);  // training: the batch's statistics, the running ones updated
  bn.eval().forward(x, y);                             // eval: the running statistics, into a tensor that exists
  std::cout << bn << "\nrunning mean " << bn.running_mean().transpose() << "\ny(0,0,0,0) " << y(0, 0, 0, 0) << '\n';
}
