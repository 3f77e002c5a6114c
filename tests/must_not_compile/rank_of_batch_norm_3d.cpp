// BatchNorm3d: expected 5D input
#include <tensornorm/tensornorm.hpp>

void wrong(const Eigen::Tensor<float, 4>& x) { tensornorm::BatchNorm3d<>(3).forward(x); }
