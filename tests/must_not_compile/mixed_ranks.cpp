// all tensors need the same rank
#include <tensornorm/tensornorm.hpp>

void wrong(const Eigen::Tensor<float, 3>& x, Eigen::Tensor<float, 2>& y) { tensornorm::BatchNorm1d<>(3).forward(x, y); }
