// A network that was trained in PyTorch: loaded, checked, run, folded.
// Works on the files in examples/data/networks.
#include <iostream>
#include <locale>
#include <sstream>
#include <string>
#include <tensornorm/npy.hpp>
#include <tensornorm/probe.hpp>
#include <tensornorm/safetensors.hpp>
#include <tensornorm/tensornorm.hpp>

int main() {
  //! [load]
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic,
                             Eigen::RowMajor>;
  const auto weights = tensornorm::load_safetensors("wine.safetensors");

  tensornorm::BatchNormOptions options;  // of bn2; bn1 has the defaults
  std::istringstream eps(weights.metadata().at("bn2.eps"));
  eps.imbue(std::locale::classic());
  eps.exceptions(std::ios::failbit);  // where it is no number
  eps >> options.eps;
  tensornorm::BatchNorm1d<> bn1(13);
  tensornorm::BatchNorm1d<> bn2(16, options);
  bn1.eval().load_state_dict(weights, "bn1.");
  bn2.eval().load_state_dict(weights, "bn2.");
  Rows weight1 = weights.at("fc1.weight").to<Rows>(),
       weight2 = weights.at("fc2.weight").to<Rows>();
  Eigen::VectorXf bias1 = weights.at("fc1.bias").to<Eigen::VectorXf>();
  Eigen::VectorXf bias2 = weights.at("fc2.bias").to<Eigen::VectorXf>();
  //! [load]

  //! [check]
  const auto network = [&](const Rows& x) -> Rows {
    const Rows hidden =
        (bn1(x) * weight1.transpose()).rowwise() + bias1.transpose();
    return (bn2(hidden).cwiseMax(0.0f) * weight2.transpose()).rowwise() +
           bias2.transpose();
  };
  const auto difference =
      tensornorm::verify_probe<Rows>(weights, network, 1e-5);
  std::cout << "as PyTorch's, to 1e-5: "
            << (difference ? "yes" : "the file has no probe") << '\n';
  //! [check]

  //! [fold]
  tensornorm::fold_into_linear(weight1, bias1, bn2);
  const auto folded = [&](const Rows& x) -> Rows {
    const Rows hidden =
        (bn1(x) * weight1.transpose()).rowwise() + bias1.transpose();
    return (hidden.cwiseMax(0.0f) * weight2.transpose()).rowwise() +
           bias2.transpose();
  };
  tensornorm::verify_probe<Rows>(weights, folded, 1e-5);
  std::cout << "the same without bn2\n";
  //! [fold]

  //! [npy]
  const tensornorm::Array logits = tensornorm::load_npy("wine_logits.npy");
  const Rows expected = logits.to<Rows>();
  std::cout << expected.rows() << " wines, " << expected.cols()
            << " logits each\n";
  //! [npy]
}
