// all tensors need the same storage order
#include <tensornorm/tensornorm.hpp>

void wrong(const Eigen::Tensor<float, 4, Eigen::RowMajor>& x, Eigen::Tensor<float, 4, Eigen::ColMajor>& y) {
  tensornorm::BatchNorm2d<>(3).forward(x, y);
}
