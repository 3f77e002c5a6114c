// there are BatchNorm1d, 2d and 3d
#include <tensornorm/tensornorm.hpp>

tensornorm::BatchNorm<float, 4> wrong(3);
