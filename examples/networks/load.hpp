// Layers from a state dict. `prefix` is the layer's name in the PyTorch module and a dot: "conv1.".
#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tensornorm/state_dict.hpp>
#include <tensornorm/tensornorm.hpp>

#include "networks/layers.hpp"

namespace networks {

using tensornorm::StateDict;

/// How far a logit may be from PyTorch's, absolutely. The logits of both networks are below 6 in absolute value, where
/// floats are 4.8e-7 apart.
inline constexpr double kTolerance = 1e-5;

inline Linear load_linear(const StateDict& weights, const std::string& prefix) {
  return {weights.at(prefix + "weight").to<Rows>(), weights.at(prefix + "bias").to<Eigen::VectorXf>()};
}

/// Stride and padding are not in a state dict.
inline Convolution load_convolution(const StateDict& weights, const std::string& prefix, Eigen::Index stride,
                                    Eigen::Index padding) {
  Convolution layer{weights.at(prefix + "weight").to<Images>(), {}, stride, padding};
  if (const auto* bias = weights.find(prefix + "bias")) layer.bias = bias->to<Eigen::VectorXf>();
  return layer;
}

/// The text that the metadata holds for `key`; throws std::runtime_error if there is none.
inline const std::string& metadata(const StateDict& weights, const std::string& key) {
  const auto found = weights.metadata().find(key);
  if (found == weights.metadata().end()) throw std::runtime_error("the weights' metadata have no \"" + key + "\"");
  return found->second;
}

inline double metadata_number(const StateDict& weights, const std::string& key) {
  std::istringstream text(metadata(weights, key));
  text.imbue(std::locale::classic());
  double value = 0;
  if (!(text >> value) || !(text >> std::ws).eof()) throw std::runtime_error("not a number: " + key + " " + text.str());
  return value;
}

/// A BatchNorm1d or BatchNorm2d in eval mode. eps and momentum are not in a state dict but in the metadata.
template <typename BatchNorm>
BatchNorm load_batch_norm(const StateDict& weights, const std::string& prefix) {
  tensornorm::BatchNormOptions options;
  options.eps = metadata_number(weights, prefix + "eps");
  options.momentum = metadata_number(weights, prefix + "momentum");
  BatchNorm layer(weights.at(prefix + "running_mean").size(), options);
  layer.load_state_dict(weights, prefix);
  layer.eval();
  return layer;
}

}  // namespace networks
