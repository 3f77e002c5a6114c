// BatchNorm1d: expected 2D or 3D input
#include <tensornorm/tensornorm.hpp>

void wrong(const Eigen::Tensor<float, 4>& x) { tensornorm::BatchNorm1d<>(3).forward(x); }
