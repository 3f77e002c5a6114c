// oneDNN 2's batch norm, on the same buffers: in the layout they have, and as if they had been reordered to oneDNN's
// own blocks of channels, which is what its users do and where it is fastest. Blocks of 16 are for AVX-512; with
// AVX2 those of 8 take a fourth to a sixth of their time.
#include <omp.h>

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "peers.hpp"

namespace bench { namespace {

using dnnl::batch_normalization_backward;
using dnnl::batch_normalization_forward;
using dnnl::memory;

using Arguments = std::unordered_map<int, memory>;

/// Both directions of one layer in one memory format.
class DnnlLayer {
 public:
  DnnlLayer(Index channels, Buffers<float>& b, const memory::desc& data) {
    constexpr float eps = 1e-5f;
    using Flags = dnnl::normalization_flags;
    const Flags affine = Flags::use_scale | Flags::use_shift;
    const batch_normalization_forward::primitive_desc training({dnnl::prop_kind::forward_training, data, eps, affine},
                                                               engine_);
    const batch_normalization_forward::primitive_desc eval(
        {dnnl::prop_kind::forward_inference, data, eps, affine | Flags::use_global_stats}, engine_);
    const batch_normalization_backward::primitive_desc backward({dnnl::prop_kind::backward, data, data, eps, affine},
                                                                engine_, training);
    training_ = batch_normalization_forward(training);
    eval_ = batch_normalization_forward(eval);
    backward_ = batch_normalization_backward(backward);

    const auto over = [&](Tensor<float>& tensor) { return memory(data, engine_, tensor.data()); };
    const auto vector = [&](float value) {
      memory m({{channels}, memory::data_type::f32, memory::format_tag::a}, engine_);
      std::fill_n(static_cast<float*>(m.get_data_handle()), channels, value);
      return m;
    };
    const Arguments per_channel{{DNNL_ARG_MEAN, vector(0)},
                                {DNNL_ARG_VARIANCE, vector(1)},
                                {DNNL_ARG_SCALE, vector(1)},
                                {DNNL_ARG_SHIFT, vector(0)}};
    forward_arguments_ = per_channel;
    forward_arguments_.insert({{DNNL_ARG_SRC, over(b.x)}, {DNNL_ARG_DST, over(b.y)}});
    backward_arguments_ = per_channel;
    backward_arguments_.insert({{DNNL_ARG_SRC, over(b.x)},
                                {DNNL_ARG_DIFF_DST, over(b.dy)},
                                {DNNL_ARG_DIFF_SRC, over(b.dx)},
                                {DNNL_ARG_DIFF_SCALE, vector(0)},
                                {DNNL_ARG_DIFF_SHIFT, vector(0)}});
  }

  void training() { execute(training_, forward_arguments_); }
  void eval() { execute(eval_, forward_arguments_); }
  void backward() { execute(backward_, backward_arguments_); }

 private:
  void execute(const dnnl::primitive& primitive, const Arguments& arguments) {
    primitive.execute(stream_, arguments);
    stream_.wait();
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive training_, eval_, backward_;
  Arguments forward_arguments_, backward_arguments_;
};

/// oneDNN fixes its number of threads when a primitive is made and again when it runs.
std::vector<Peer> peers_of(const Layer& layer, Buffers<float>& buffers, int threads) {
  using Tag = memory::format_tag;
  const auto shape = layer.shape();
  std::vector<Peer> peers;
  const auto add = [&](const char* name, const memory::dims& sizes, Tag tag) {
    omp_set_num_threads(threads);
    const auto dnnl = std::make_shared<DnnlLayer>(layer.c, buffers, memory::desc(sizes, memory::data_type::f32, tag));
    peers.push_back({name, [dnnl] { dnnl->training(); }, [dnnl] { dnnl->eval(); }, [dnnl] { dnnl->backward(); }});
  };
  const memory::dims planes{layer.n, layer.c, layer.h, layer.w};
  switch (layer.layout) {
    case Layout::nchw:
      add("oneDNN plain", planes, Tag::nchw);
      if (layer.c % 16 == 0) add("oneDNN blocked", planes, Tag::nChw16c);
      if (layer.c % 8 == 0) add("oneDNN blocked by 8", planes, Tag::nChw8c);
      break;
    case Layout::nhwc:
      add("oneDNN plain", planes, Tag::nhwc);
      break;
    case Layout::matrix:
      add("oneDNN plain", {layer.n, layer.c}, Tag::nc);
      add("oneDNN as NHWC", {layer.n, layer.c, 1, 1}, Tag::nhwc);
      break;
    case Layout::col_major:
      add("oneDNN plain", {shape.outer, shape.channels, shape.inner, 1}, Tag::nchw);
      break;
  }
  return peers;
}

[[maybe_unused]] const bool entered = (peer_libraries().push_back(peers_of), true);

}}  // namespace bench
