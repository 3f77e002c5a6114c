// BatchNorm2d: expected 4D input
#include <tensornorm/tensornorm.hpp>

void wrong(const Eigen::MatrixXf& x) { tensornorm::BatchNorm2d<>(3).forward(x); }
