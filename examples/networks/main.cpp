// tensornorm_networks [data directory]
// Runs two networks that were trained in PyTorch (train.py) over their test rows, as trained and with their batch norms
// folded, beside PyTorch's logits. Exits 0 only if logits and accuracy are the same.
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "networks/parity.hpp"

namespace {

/// Rows as a program of yours would classify them: load, call, take the largest logit.
void classify_five(const std::filesystem::path& data) {
  const networks::DigitsNetwork network(networks::load_weights(data, "digits"));
  const auto test = networks::digits_test_set(data);
  const networks::Rows logits = network(test.x);  // (N, 10)
  std::cout << "the first five test digits: ";
  for (Eigen::Index row = 0; row < 5; ++row) {
    Eigen::Index digit = 0;
    logits.row(row).maxCoeff(&digit);
    std::cout << digit << " (is " << test.classes(row) << ")" << (row < 4 ? ", " : "\n\n");
  }
}

bool print(const networks::Parity& parity) {
  std::cout << std::left << std::setw(18) << parity.name << std::setw(34) << parity.difference << std::setw(12)
            << parity.accuracy << std::setw(12) << parity.torch_accuracy << (parity.holds() ? "same" : "DIFFERENT")
            << '\n';
  return parity.holds();
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path data = argc > 1 ? argv[1] : TENSORNORM_DEMO_DATA;
  try {
    classify_five(data);
    std::cout << std::left << std::setw(18) << "network" << std::setw(34) << "largest |logit - PyTorch's|"
              << std::setw(12) << "accuracy"
              << "PyTorch's\n";
    bool same = true;
    for (const auto& all : {networks::digits_parity(data), networks::wine_parity(data)})
      for (const networks::Parity& parity : all) same = print(parity) && same;
    return same ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "tensornorm_networks: " << error.what() << '\n';
    return 2;
  }
}
