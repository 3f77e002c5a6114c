#include <tensornorm/tensornorm.hpp>

Eigen::MatrixXf normalised(const Eigen::MatrixXf& x) { return tensornorm::BatchNorm1d<>(x.cols())(x); }
