// a layer's parameters are float or double
#include <tensornorm/tensornorm.hpp>

tensornorm::BatchNorm2d<int> wrong(3);
