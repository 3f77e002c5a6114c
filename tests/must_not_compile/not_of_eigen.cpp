// expected an Eigen tensor, matrix or array, or an expression of them
#include <tensornorm/tensornorm.hpp>

void wrong(const std::vector<float>& x) { tensornorm::BatchNorm1d<>(3).forward(x); }
