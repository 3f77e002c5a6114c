// an output must not be const
#include <tensornorm/tensornorm.hpp>

void wrong(tensornorm::BatchNorm1d<>& bn, const Eigen::MatrixXf& x, const Eigen::MatrixXf& y) { bn.forward(x, y); }
