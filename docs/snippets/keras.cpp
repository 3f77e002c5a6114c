// The layer that Keras builds by default, one step of its moving
// statistics, and a weight from a file.
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <tensornorm/npy.hpp>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  tensornorm::BatchNormOptions keras;
  keras.eps = 1e-3;
  keras.momentum = tensornorm::momentum_from_decay(0.99);
  keras.channel_axis = -1;
  keras.running_correction = 0;
  tensornorm::BatchNorm1d<> bn(2, keras);

  Eigen::MatrixXf x{{1, 10}, {3, 30}, {8, 20}};
  std::cout << bn(x) << '\n';
  std::cout << bn.running_mean().transpose() << '\n';  // moving_mean
  std::cout << bn.running_var().transpose() << '\n';   // moving_variance
  //! [code]

  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / "tensornorm_gamma.npy";
  const Eigen::VectorXf gamma{{2, 0.5f}};
  tensornorm::save_npy(file, tensornorm::Array::from(gamma));
  //! [weights]
  bn.weight() = tensornorm::load_npy(file).to<Eigen::VectorXf>();
  //! [weights]
  std::filesystem::remove(file);
  if (bn.weight() != gamma) return 1;
}
