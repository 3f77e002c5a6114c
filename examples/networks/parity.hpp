// The networks over their test rows, beside what PyTorch made of the same rows.
#pragma once

#include <Eigen/Core>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <tensornorm/npy.hpp>
#include <tensornorm/safetensors.hpp>
#include <vector>

#include "demo/csv.hpp"
#include "demo/wine.hpp"
#include "networks/digits_network.hpp"
#include "networks/layers.hpp"
#include "networks/load.hpp"
#include "networks/wine_network.hpp"

namespace networks {

/// Rows that training did not see.
template <typename X>
struct TestSet {
  X x;
  Eigen::VectorXi classes;  // (N)
};

/// The digits after the first 1200.
inline TestSet<Images> digits_test_set(const std::filesystem::path& data) {
  const demo::CsvTable table = demo::read_csv(data / "digits.csv");
  const Eigen::Index rows = table.values.rows() - 1200;
  const Rows pixels = table.values.bottomRows(rows).leftCols(64).cast<float>();
  return {Eigen::TensorMap<const Images>(pixels.data(), rows, 1, 8, 8),
          table.values.rightCols(1).bottomRows(rows).cast<int>()};
}

/// Every other wine.
inline TestSet<Rows> wine_test_set(const std::filesystem::path& data) {
  const demo::CsvTable table = demo::read_csv(data / "wine.csv");
  const Eigen::MatrixXd rows = demo::every_nth_row(table.values, 1, 2);
  return {rows.leftCols(13).cast<float>(), rows.rightCols(1).cast<int>()};
}

/// The file of a network's weights.
inline StateDict load_weights(const std::filesystem::path& data, const std::string& name) {
  return tensornorm::load_safetensors(data / "networks" / (name + ".safetensors"));
}

/// How many rows have their largest logit at their class: "571/597".
inline std::string accuracy(const Rows& logits, const Eigen::VectorXi& classes) {
  Eigen::Index hits = 0;
  for (Eigen::Index row = 0; row < logits.rows(); ++row) {
    Eigen::Index best = 0;
    logits.row(row).maxCoeff(&best);
    if (best == classes(row)) ++hits;
  }
  return std::to_string(hits) + "/" + std::to_string(logits.rows());
}

/// What a network's logits have in common with torch's.
struct Parity {
  std::string name;
  double difference;  // the largest |logit - torch's|
  std::string accuracy, torch_accuracy;

  bool holds() const { return difference <= kTolerance && accuracy == torch_accuracy; }
};

inline Parity compare(const std::string& name, const Rows& logits, const Rows& torch_logits,
                      const Eigen::VectorXi& classes, const std::string& torch_accuracy) {
  if (logits.rows() != torch_logits.rows() || logits.cols() != torch_logits.cols())
    throw std::runtime_error(name + ": not as many logits as torch's");
  const float difference = (logits - torch_logits).cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
  return {name, static_cast<double>(difference), accuracy(logits, classes), torch_accuracy};
}

/// A network as trained and folded.
template <typename Network, typename X>
std::vector<Parity> parity(const std::filesystem::path& data, const std::string& name, const TestSet<X>& test) {
  const StateDict weights = load_weights(data, name);
  const Rows torch_logits = tensornorm::load_npy(data / "networks" / (name + "_logits.npy")).to<Rows>();
  const std::string& torch_accuracy = metadata(weights, "test_accuracy");
  const Network network(weights);
  return {compare(name, network(test.x), torch_logits, test.classes, torch_accuracy),
          compare(name + ", folded", network.folded()(test.x), torch_logits, test.classes, torch_accuracy)};
}

inline std::vector<Parity> digits_parity(const std::filesystem::path& data) {
  return parity<DigitsNetwork>(data, "digits", digits_test_set(data));
}
inline std::vector<Parity> wine_parity(const std::filesystem::path& data) {
  return parity<WineNetwork>(data, "wine", wine_test_set(data));
}

}  // namespace networks
