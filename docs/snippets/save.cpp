// What was trained in C++, in a file that Python reads.
#include <filesystem>
#include <iostream>
#include <tensornorm/safetensors.hpp>
#include <tensornorm/tensornorm.hpp>

int main() {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() /
      "tensornorm_save.safetensors";
  //! [code]
  tensornorm::BatchNorm1d<> bn1(3), bn2(4);
  tensornorm::StateDict weights = bn1.state_dict("bn1.");
  weights.insert(bn2.state_dict("bn2."));
  weights.insert(
      "fc1.weight",
      tensornorm::Array::from(Eigen::MatrixXf::Identity(4, 3).eval()));
  weights.metadata()["bn1.eps"] = "1e-05";
  tensornorm::save_safetensors(file, weights);

  for (const auto& [name, array] : tensornorm::load_safetensors(file))
    std::cout << name << ' ' << array.size() << '\n';
  //! [code]
  std::filesystem::remove(file);
}
