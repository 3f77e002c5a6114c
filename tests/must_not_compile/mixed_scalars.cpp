// all tensors need the same scalar
#include <tensornorm/tensornorm.hpp>

void wrong(const Eigen::Tensor<Eigen::half, 4>& x, Eigen::Tensor<float, 4>& y) {
  tensornorm::BatchNorm2d<>(3).forward(x, y);
}
