// PyTorch's own batch norm, on the same x and dy. Its C++ functions return new tensors, as its layers do.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <malloc.h>

#include <memory>
#include <tuple>

#include "peers.hpp"

namespace bench { namespace {

/// A layer's input as torch sees it: NCHW, channels-last or (N, C), without a copy.
at::Tensor tensor_over(const Layer& layer, Tensor<float>& memory) {
  const auto shape = layer.shape();
  if (layer.layout == Layout::matrix) return at::from_blob(memory.data(), {layer.n, layer.c});
  if (layer.layout == Layout::col_major) {
    return at::from_blob(memory.data(), {shape.outer, shape.channels, shape.inner, 1});
  }
  if (layer.layout == Layout::nchw) return at::from_blob(memory.data(), {layer.n, layer.c, layer.h, layer.w});
  return at::from_blob(memory.data(), {layer.n, layer.h, layer.w, layer.c}).permute({0, 3, 1, 2});
}

struct TorchLayer {
  static constexpr double eps = 1e-5, momentum = 0.1;

  TorchLayer(const Layer& layer, Buffers<float>& b)
      : x(tensor_over(layer, b.x)),
        dy(tensor_over(layer, b.dy)),
        weight(at::ones({layer.c})),
        bias(at::zeros({layer.c})),
        running_mean(at::zeros({layer.c})),
        running_var(at::ones({layer.c})) {
    std::tie(y, saved_mean, saved_invstd) = forward(true);
  }

  std::tuple<at::Tensor, at::Tensor, at::Tensor> forward(bool training) const {
    const c10::InferenceMode no_gradients;
    return at::native_batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps);
  }
  void backward() const {
    const c10::InferenceMode no_gradients;
    at::native_batch_norm_backward(dy, x, weight, running_mean, running_var, saved_mean, saved_invstd, true, eps,
                                   {true, true, true});
  }

  at::Tensor x, dy, y, weight, bias, running_mean, running_var, saved_mean, saved_invstd;
};

std::vector<Peer> peers_of(const Layer& layer, Buffers<float>& buffers, int threads) {
  // Its results' memory stays with the process, as in one that runs for long: else every other call takes page faults.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 2147483647);
  at::set_num_threads(threads);
  const auto torch = std::make_shared<const TorchLayer>(layer, buffers);
  return {{"libtorch", [torch] { torch->forward(true); }, [torch] { torch->forward(false); },
           [torch] { torch->backward(); }}};
}

[[maybe_unused]] const bool entered = (peer_libraries().push_back(peers_of), true);

}}  // namespace bench
