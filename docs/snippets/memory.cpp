// Memory that is not Eigen's, normalised where it lies.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>
#include <vector>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  std::vector<float> pixels(2 * 4 * 4 * 3);  // N, H, W, C
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<float>(i % 7);

  tensornorm::BatchNormOptions channels_last;
  channels_last.channel_axis = -1;
  tensornorm::BatchNorm2d<> bn(3, channels_last);

  Eigen::TensorMap<Eigen::Tensor<float, 4, Eigen::RowMajor>> x(
      pixels.data(), 2, 4, 4, 3);
  bn.forward(x, x);
  std::cout << pixels[0] << ' ' << pixels[1] << ' ' << pixels[2] << '\n';
  //! [code]
}
