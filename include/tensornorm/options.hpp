// What a batch-norm layer can be asked to do differently, with PyTorch's names and defaults.
#pragma once

#include <optional>

namespace tensornorm { inline namespace v0 {

/// The options of a layer: an aggregate, so that C++20 callers can write `{.eps = 1e-3}`.
/// Names, defaults and meaning are torch.nn.BatchNorm2d's; `channel_axis` and the two corrections are additions.
struct BatchNormOptions {
  /// Added to the variance before the square root. At least 0.
  double eps = 1e-5;
  /// Weight of the new batch in the running statistics; nullopt: their cumulative average. Any finite number.
  std::optional<double> momentum = 0.1;
  /// Whether the layer has weight and bias.
  bool affine = true;
  /// Whether the layer keeps running_mean and running_var, and normalises with them in eval mode.
  bool track_running_stats = true;
  /// The axis of the input that counts channels; negative counts from the last axis, -1 is channels-last.
  int channel_axis = 1;
  /// The variance that normalises divides by n - correction. PyTorch, Keras and ONNX: 0.
  int correction = 0;
  /// The variance that enters running_var divides by n - running_correction. PyTorch: 1; Keras and ONNX: 0.
  int running_correction = 1;
};

/// The momentum that means `running = decay * running + (1 - decay) * batch`, the convention of Keras and ONNX.
constexpr double momentum_from_decay(double decay) { return 1.0 - decay; }

}}  // namespace tensornorm::v0
