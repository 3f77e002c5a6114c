// One batch of pictures in three orders of memory, and how each of them is
// seen.
#include <array>
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

namespace {

template <typename T>
void print(const char* name, const tensornorm::ChannelView<T>& view) {
  std::cout << name << " [" << view.shape.outer << ", "
            << view.shape.channels << ", " << view.shape.inner << "]\n";
}

}  // namespace

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  Eigen::Tensor<float, 4, Eigen::RowMajor> nchw(2, 3, 4, 5);
  for (int i = 0; i < nchw.size(); ++i)
    nchw.data()[i] = static_cast<float>(i * i % 17);

  // The same pixels with the channels last, and in Eigen's default order.
  Eigen::Tensor<float, 4, Eigen::RowMajor> nhwc =
      nchw.shuffle(std::array<int, 4>{0, 2, 3, 1});
  Eigen::Tensor<float, 4> columns =
      nchw.swap_layout().shuffle(std::array<int, 4>{3, 2, 1, 0});

  tensornorm::BatchNormOptions channels_last;
  channels_last.channel_axis = -1;
  tensornorm::BatchNorm2d<> a(3), b(3, channels_last), c(3);
  std::cout << a(nchw)(1, 2, 3, 4) << ' ' << b(nhwc)(1, 3, 4, 2) << ' '
            << c(columns)(1, 2, 3, 4) << '\n';

  print("NCHW, RowMajor", tensornorm::channel_view(nchw));
  print("NHWC, RowMajor", tensornorm::channel_view(nhwc, -1));
  print("NCHW, ColMajor", tensornorm::channel_view(columns));
  //! [code]
}
