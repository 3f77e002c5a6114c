// The two networks of examples/networks: PyTorch's logits come out, and files that do not fit are refused.
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "networks/parity.hpp"

namespace {

using networks::StateDict;
using tensornorm::Array;

const std::filesystem::path kData = TENSORNORM_DEMO_DATA;

void check_parity(const networks::Parity& parity) {
  CAPTURE(parity.name);
  CHECK(parity.difference <= 1e-5);  // the logits are below 6 in absolute value
  CHECK(parity.accuracy == parity.torch_accuracy);
}

/// A copy of the weights without `name`.
StateDict without(const StateDict& weights, const std::string& name) {
  StateDict rest;
  rest.metadata() = weights.metadata();
  for (const auto& [key, array] : weights)
    if (key != name) rest.insert(key, array);
  return rest;
}

/// A copy of the weights with another array of that name.
StateDict with(const StateDict& weights, const std::string& name, const Array& array) {
  StateDict changed = without(weights, name);
  changed.insert(name, array);
  return changed;
}

/// What a network's constructor says to weights that it refuses.
template <typename Network>
std::string refusal(const StateDict& weights) {
  try {
    const Network network(weights);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("digits: PyTorch's logits and accuracy, as trained and folded") {
  const auto all = networks::digits_parity(kData);
  REQUIRE(all.size() == 2);
  for (const auto& parity : all) {
    check_parity(parity);
    CHECK(parity.torch_accuracy == "571/597");
  }
}

TEST_CASE("wine: PyTorch's logits and accuracy, as trained and folded") {
  const auto all = networks::wine_parity(kData);
  REQUIRE(all.size() == 2);
  for (const auto& parity : all) {
    check_parity(parity);
    CHECK(parity.torch_accuracy == "88/89");
  }
}

TEST_CASE("a network over no rows: no logits") {
  const networks::DigitsNetwork digits(networks::load_weights(kData, "digits"));
  CHECK(digits(networks::Images(0, 1, 8, 8)).rows() == 0);
  const networks::WineNetwork wine(networks::load_weights(kData, "wine"));
  CHECK(wine(networks::Rows(0, 13)).rows() == 0);
}

TEST_CASE("weights whose probe comes out otherwise are refused, with the difference") {
  const StateDict weights = networks::load_weights(kData, "wine");
  REQUIRE(refusal<networks::WineNetwork>(weights) == "");

  Eigen::VectorXf bias = weights.at("fc2.bias").to<Eigen::VectorXf>();
  bias(1) += 0.75f;  // one class's logits, by as much
  const std::string message = refusal<networks::WineNetwork>(with(weights, "fc2.bias", Array::from(bias)));
  CAPTURE(message);
  CHECK(contains(message, "differs by 0.75 "));
}

TEST_CASE("eps from the metadata counts: with PyTorch's default in its place the probe is refused") {
  StateDict digits = networks::load_weights(kData, "digits"), wine = networks::load_weights(kData, "wine");
  digits.metadata()["bn2.eps"] = "1e-05";
  wine.metadata()["bn2.eps"] = "1e-05";
  CHECK(contains(refusal<networks::DigitsNetwork>(digits), "probe"));
  CHECK(contains(refusal<networks::WineNetwork>(wine), "probe"));
}

TEST_CASE("a missing key is named") {
  const StateDict digits = networks::load_weights(kData, "digits");
  for (const std::string key :
       {"conv1.weight", "bn1.weight", "bn1.running_mean", "bn2.running_var", "fc.bias", "probe.output"}) {
    CAPTURE(key);
    CHECK(contains(refusal<networks::DigitsNetwork>(without(digits, key)), key));
  }
  StateDict wine = networks::load_weights(kData, "wine");
  wine.metadata().erase("bn2.momentum");
  CHECK(contains(refusal<networks::WineNetwork>(wine), "bn2.momentum"));
  wine.metadata()["bn2.momentum"] = "0.1x";
  CHECK(contains(refusal<networks::WineNetwork>(wine), "0.1x"));
}

TEST_CASE("weights that do not fit each other are refused, also where Eigen's asserts are off") {
  const StateDict weights = networks::load_weights(kData, "digits");
  const auto says = [&](const std::string& name, const Array::Shape& shape) {
    return refusal<networks::DigitsNetwork>(with(weights, name, Array::zeros(tensornorm::DType::float32, shape)));
  };
  CHECK(says("fc.weight", {10, 255}) == "linear: x and weight should have as many columns");
  CHECK(says("fc.bias", {9}) == "linear: bias should have as many elements as weight has rows");
  CHECK(says("conv2.bias", {15}) == "convolution: bias should have an element an output");
  CHECK(says("conv2.weight", {16, 7, 3, 3}) == "convolution: x should have as many channels as weight has inputs");
  CHECK(says("conv2.weight", {16, 8, 11, 3}) == "convolution: the kernel should fit into the padded x");
}

TEST_CASE("a convolution's missing bias is none: PyTorch's bias=False") {
  const StateDict digits = networks::load_weights(kData, "digits");
  CHECK(networks::load_convolution(digits, "conv1.", 1, 1).bias.size() == 0);
  CHECK(networks::load_convolution(digits, "conv2.", 2, 1).bias.size() == 16);
}
