// Tensors count in a type of their own, whatever Eigen's matrices count in: all give the same.
#include <cstdint>
#include <numeric>
#include <tensornorm/tensornorm.hpp>

template <typename Index>
bool takes() {
  tensornorm::BatchNorm2d bn(2);
  Eigen::Tensor<float, 4, Eigen::RowMajor, Index> x(2, 2, 1, 2), y, dy(2, 2, 1, 2);
  std::iota(x.data(), x.data() + 8, 1.f);
  dy.setConstant(1);
  bn.forward(x, y);
  const auto dx = bn.backward(x, dy);
  return y.size() == 8 && y(0, 0, 0, 0) == -y(1, 0, 0, 1) && y(0, 0, 0, 0) == y(0, 1, 0, 0) && dx(1, 1, 0, 1) == 0;
}

int main() { return takes<std::int64_t>() && takes<Eigen::Index>() && takes<short>() ? 0 : 1; }
