// ask for a tensor, matrix or vector that owns its memory
#include <tensornorm/array.hpp>

void wrong(const tensornorm::Array& array) { array.to<Eigen::Map<Eigen::VectorXf>>(); }
