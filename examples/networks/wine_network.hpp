// The network for UCI Wine, as train.py builds it: batch norm of the measurements; linear, batch norm, ReLU; linear.
#pragma once

#include <tensornorm/fold.hpp>
#include <tensornorm/probe.hpp>
#include <tensornorm/tensornorm.hpp>

#include "networks/layers.hpp"
#include "networks/load.hpp"

namespace networks {

/// Measurements (N, 13) to logits (N, 3), without batch norms: both are folded into fc1.
struct FoldedWineNetwork {
  Linear fc1, fc2;

  Rows operator()(const Rows& x) const { return fc2(relu(fc1(x))); }
};

/// Measurements (N, 13), as they are in the file, to logits (N, 3).
struct WineNetwork {
  tensornorm::BatchNorm1d<float> bn1;
  Linear fc1;  // (N, 16)
  tensornorm::BatchNorm1d<float> bn2;
  Linear fc2;

  /// Throws if a weight is missing or does not fit, or if the logits of the file's probe are not PyTorch's.
  explicit WineNetwork(const StateDict& weights)
      : bn1(load_batch_norm<tensornorm::BatchNorm1d<float>>(weights, "bn1.")),
        fc1(load_linear(weights, "fc1.")),
        bn2(load_batch_norm<tensornorm::BatchNorm1d<float>>(weights, "bn2.")),
        fc2(load_linear(weights, "fc2.")) {
    tensornorm::verify_probe<Rows>(weights, *this, kTolerance);
  }

  Rows operator()(const Rows& x) const { return fc2(relu(bn2(fc1(bn1(x))))); }

  FoldedWineNetwork folded() const {
    FoldedWineNetwork network{fc1, fc2};
    // bn1 comes before fc1: weight*(scale*x + shift) + bias = (weight*scale)*x + (weight*shift + bias).
    const auto affine = tensornorm::fold(bn1);
    network.fc1.bias += network.fc1.weight * affine.shift;
    network.fc1.weight = fc1.weight * affine.scale.asDiagonal();
    tensornorm::fold_into_linear(network.fc1.weight, network.fc1.bias, bn2);
    return network;
  }
};

}  // namespace networks
