// The library's passes over one layer's buffers.
#pragma once

#include <type_traits>
#include <vector>

#include "buffers.hpp"
#include "threads.hpp"

namespace bench {

/// Scalar T, called as a user calls the layers: forward(device, x, y), backward(device, x, dy, dx).
template <typename T>
class Passes {
 public:
  Passes(const Layer& layer, Buffers<T>& buffers, const Threads& threads)
      : b_(buffers),
        threads_(threads),
        training_(layer.c, options()),
        eval_(layer.c, options()),
        statistics_(3 * static_cast<std::size_t>(layer.c)) {
    training_.forward(b_.x, b_.y);  // what backward remembers
    eval_.eval();
    threads_.run([&](const auto& device) {
      const Index doubles = tensornorm::functional::scratch_doubles(device, tensornorm::channel_view(b_.x));
      scratch_.resize(static_cast<std::size_t>(doubles));
    });
  }

  void statistics() {
    const auto view = tensornorm::channel_view(std::as_const(b_.x));
    double* p = statistics_.data();
    const Index c = view.shape.channels;
    threads_.run([&](const auto& device) {
      tensornorm::functional::batch_moments(device, view, {p, p + c, p + 2 * c}, scratch_);
    });
  }
  void training() {
    threads_.run([&](const auto& device) { training_.forward(device, b_.x, b_.y); });
  }
  void training_in_place() {
    threads_.run([&](const auto& device) { training_.forward(device, b_.y, b_.y); });
  }
  void eval() {
    threads_.run([&](const auto& device) { eval_.forward(device, b_.x, b_.y); });
  }
  void backward() {
    threads_.run([&](const auto& device) { training_.backward(device, b_.x, b_.dy, b_.dx); });
  }

 private:
  using Parameter = std::conditional_t<std::is_same_v<T, double>, double, float>;
  static tensornorm::BatchNormOptions options() { return {}; }

  Buffers<T>& b_;
  const Threads& threads_;
  tensornorm::BatchNorm1d<Parameter> training_, eval_;
  std::vector<double> statistics_;  // mean, m2, invstd: [3, C]
  tensornorm::functional::Scratch scratch_;
};

}  // namespace bench
