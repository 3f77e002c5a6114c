// a view needs memory
#include <tensornorm/tensornorm.hpp>

void wrong(Eigen::MatrixXf& x) {
  auto twice = x + x;
  tensornorm::channel_view(twice);
}
