// Options by name, in C++20.
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  //! [code]
  tensornorm::BatchNorm2d<> bn(
      64, {.eps = 1e-3, .momentum = 0.01, .channel_axis = -1});
  std::cout << bn << '\n';
  //! [code]
}
