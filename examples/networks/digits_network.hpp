// The network for UCI digits, as train.py builds it: convolution, batch norm, ReLU, twice; then a linear layer.
#pragma once

#include <tensornorm/fold.hpp>
#include <tensornorm/probe.hpp>
#include <tensornorm/tensornorm.hpp>

#include "networks/layers.hpp"
#include "networks/load.hpp"

namespace networks {

/// Pictures (N, 1, 8, 8) to logits (N, 10), without batch norms: they are folded into the convolutions.
struct FoldedDigitsNetwork {
  Convolution conv1, conv2;
  Linear fc;

  Rows operator()(const Images& x) const { return fc(flatten(relu(conv2(relu(conv1(x)))))); }
};

/// Pictures (N, 1, 8, 8), pixels 0..16, to logits (N, 10).
struct DigitsNetwork {
  Convolution conv1;  // (N, 8, 8, 8), no bias
  tensornorm::BatchNorm2d<float> bn1;
  Convolution conv2;  // (N, 16, 4, 4)
  tensornorm::BatchNorm2d<float> bn2;
  Linear fc;

  /// Throws if a weight is missing or does not fit, or if the logits of the file's probe are not PyTorch's.
  explicit DigitsNetwork(const StateDict& weights)
      : conv1(load_convolution(weights, "conv1.", 1, 1)),
        bn1(load_batch_norm<tensornorm::BatchNorm2d<float>>(weights, "bn1.")),
        conv2(load_convolution(weights, "conv2.", 2, 1)),
        bn2(load_batch_norm<tensornorm::BatchNorm2d<float>>(weights, "bn2.")),
        fc(load_linear(weights, "fc.")) {
    tensornorm::verify_probe<Images>(weights, *this, kTolerance);
  }

  Rows operator()(const Images& x) const { return fc(flatten(relu(bn2(conv2(relu(bn1(conv1(x)))))))); }

  FoldedDigitsNetwork folded() const {
    FoldedDigitsNetwork network{conv1, conv2, fc};
    tensornorm::fold_into_convolution(network.conv1.weight, network.conv1.bias, bn1);
    tensornorm::fold_into_convolution(network.conv2.weight, network.conv2.bias, bn2);
    return network;
  }
};

}  // namespace networks
