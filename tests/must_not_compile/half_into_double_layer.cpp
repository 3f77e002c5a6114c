// the input's scalar must be the layer's own, or half or bfloat16 for a float layer
#include <tensornorm/tensornorm.hpp>

void wrong(const Eigen::Tensor<Eigen::half, 4>& x) { tensornorm::BatchNorm2d<double>(3).forward(x); }
