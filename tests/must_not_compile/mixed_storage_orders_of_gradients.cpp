// all tensors need the same storage order
#include <tensornorm/tensornorm.hpp>

void wrong(const Eigen::Tensor<float, 4, Eigen::RowMajor>& x, const Eigen::Tensor<float, 4, Eigen::ColMajor>& dy) {
  tensornorm::BatchNorm2d<>(3).backward(x, dy);
}
