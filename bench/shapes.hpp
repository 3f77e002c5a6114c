// Layers of real networks, as the benchmarks run them.
#pragma once

#include <string>
#include <tensornorm/channel_view.hpp>
#include <vector>

namespace bench {

using Eigen::Index;

enum class Layout { nchw, nhwc, col_major, matrix };  // matrix: (N, C), RowMajor

/// A batch-norm layer's input: N samples of C channels of H x W values.
struct Layer {
  const char* network;
  Layout layout;
  Index n, c, h, w;

  /// [outer, channels, inner]: all that the library sees of a layout.
  tensornorm::Shape shape() const {
    switch (layout) {
      case Layout::nchw:
        return {n, c, h * w};
      case Layout::col_major:
        return {h * w, c, n};
      default:
        return {n * h * w, c, 1};
    }
  }
  Index size() const { return n * c * h * w; }
  /// Whether a channel's values lie apart, one a row.
  bool is_rows() const { return layout == Layout::nhwc || layout == Layout::matrix; }
  std::string name() const {
    const auto text = [](Index i) { return std::to_string(i); };
    if (layout == Layout::matrix) return "(" + text(n) + "," + text(c) + ")";
    const std::string sizes = text(n) + "x" + text(c) + "x" + text(h) + "x" + text(w);
    return sizes + (layout == Layout::nhwc ? " NHWC" : layout == Layout::col_major ? " ColMajor" : "");
  }
};

/// Layers on which the goals are stated: larger than the last-level cache, in each level of it, and tiny.
inline std::vector<Layer> goal_layers() {
  return {
      {"ResNet-50 conv2", Layout::nchw, 32, 64, 56, 56},
      {"ResNet-50 conv1", Layout::nchw, 8, 64, 112, 112},
      {"ResNet-50 conv4", Layout::nchw, 32, 256, 14, 14},
      {"ResNet-50 conv5", Layout::nchw, 32, 512, 7, 7},
      {"ResNet-50 conv1", Layout::nchw, 1, 64, 112, 112},
      {"GoogLeNet 3b", Layout::nchw, 4, 32, 28, 28},
      {"ResNet-50 conv2", Layout::nhwc, 32, 64, 56, 56},
      {"ResNet-50 conv5", Layout::nhwc, 32, 512, 7, 7},
      {"MLP", Layout::matrix, 64, 256, 1, 1},
      {"MLP", Layout::matrix, 1024, 1024, 1, 1},
      {"table of 16 columns", Layout::matrix, 262144, 16, 1, 1},
  };
}

/// Inputs of which only the calls themselves cost anything.
inline std::vector<Layer> tiny_layers() {
  return {{"tiny", Layout::matrix, 2, 3, 1, 1}, {"tiny", Layout::nchw, 1, 16, 8, 8}};
}

/// Layers of known networks at batches 1, 8 and 32, in both layouts; then shapes that are hard on a traversal.
inline std::vector<Layer> network_layers() {
  std::vector<Layer> layers;
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    for (const Index n : {Index{1}, Index{8}, Index{32}}) {
      layers.insert(layers.end(), {{"ResNet-50 conv1", layout, n, 64, 112, 112},
                                   {"ResNet-50 conv2", layout, n, 64, 56, 56},
                                   {"ResNet-50 conv2 out", layout, n, 256, 56, 56},
                                   {"ResNet-50 conv3 out", layout, n, 512, 28, 28},
                                   {"ResNet-50 conv4 out", layout, n, 1024, 14, 14},
                                   {"ResNet-50 conv5 out", layout, n, 2048, 7, 7},
                                   {"DenseNet-121 bottleneck1", layout, n, 128, 56, 56},
                                   {"DenseNet-121 transition3", layout, n, 1024, 14, 14},
                                   {"DenseNet-121 norm5", layout, n, 1024, 7, 7},
                                   {"GoogLeNet conv3", layout, n, 192, 56, 56},
                                   {"GoogLeNet 3a branch2", layout, n, 96, 28, 28},
                                   {"GoogLeNet 5b branch1", layout, n, 384, 7, 7},
                                   {"MobileNetV2 stem", layout, n, 32, 112, 112},
                                   {"MobileNetV2 expand4", layout, n, 384, 14, 14},
                                   {"MobileNetV2 head", layout, n, 1280, 7, 7}});
    }
  }
  for (const Index n : {Index{8}, Index{32}, Index{256}}) {
    for (const Index c : {Index{128}, Index{512}, Index{4096}}) layers.push_back({"MLP", Layout::matrix, n, c, 1, 1});
  }
  for (const Index c : {Index{13}, Index{50}, Index{300}}) {
    layers.push_back({"table", Layout::matrix, 5000000 / c, c, 1, 1});
  }
  for (const Index n : {Index{2}, Index{3}, Index{4}, Index{8}}) {
    layers.push_back({"ResNet-50 conv2", Layout::col_major, n, 64, 56, 56});
  }
  layers.push_back({"ResNet-50 conv5", Layout::col_major, 256, 512, 7, 7});
  layers.push_back({"one full-HD picture", Layout::nchw, 1, 3, 1080, 1920});
  layers.push_back({"one full-HD picture", Layout::nhwc, 1, 3, 1080, 1920});
  layers.push_back({"many channels, tiny planes", Layout::nchw, 16, 4096, 2, 2});
  return layers;
}

}  // namespace bench
