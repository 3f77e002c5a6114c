// A layer whose state the bytes change, and what is wrong with a call on it, as the documents tell it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "fuzz/layer_inputs.hpp"
#include "fuzz/outcome.hpp"

namespace tn_fuzz {

template <typename Layer>
class Subject {
 public:
  using Vector = typename Layer::Vector;
  using Scalar = typename Vector::Scalar;

  Layer bn;

  explicit Subject(const Layer& layer) : bn(layer) {}

  std::vector<Vector*> vectors() {
    return {&bn.weight(), &bn.bias(), &bn.running_mean(), &bn.running_var(), &bn.weight_grad(), &bn.bias_grad()};
  }

  /// One of the things that a user may do to a layer between passes.
  void change(Bytes& bytes) {
    switch (bytes.below(6)) {
      case 0:
        bn.train(bytes.flag());
        break;
      case 1: {
        const Index size = bytes.pick<Index>({0, bn.num_features(), bn.num_features() + 1, 1});
        vectors()[static_cast<std::size_t>(bytes.below(6))]->setOnes(size);
        break;
      }
      case 2:
        set_values(bytes);
        break;
      case 3: {
        const Layer copy = bn;
        bn = copy;
        break;
      }
      case 4: {
        const auto count = bytes.pick<std::int64_t>({0, 1, 9, 1000, -1});
        const Outcome outcome = attempt([&] { bn.set_num_batches_tracked(count); });
        Mistakes{count < 0, false}.expect(outcome, "set_num_batches_tracked");
        break;
      }
      default: {
        const Index which = bytes.below(3);
        which == 0 ? bn.zero_grad() : which == 1 ? bn.reset_running_stats() : bn.reset_parameters();
      }
    }
  }

  bool has_running_stats() const { return bn.running_mean().size() > 0 || bn.running_var().size() > 0; }
  /// Whether a forward in the present mode normalises with the statistics of its batch.
  bool uses_batch() const { return bn.is_training() || !has_running_stats(); }
  bool gradients_fit() const { return fits(bn.weight_grad()) && fits(bn.bias_grad()); }

  /// Whether an input of these sizes is wrong. `statistics`: whether the pass finds those of the batch.
  bool input_is_wrong(const Dims& dims, bool statistics) const {
    const tensornorm::BatchNormOptions& options = bn.options();
    const auto rank = static_cast<int>(dims.size());
    const int axis = options.channel_axis < 0 ? options.channel_axis + rank : options.channel_axis;
    if (axis < 0 || axis >= rank) return true;
    if (dims[static_cast<std::size_t>(axis)] != bn.num_features()) return true;
    if (!fits(bn.weight()) || !fits(bn.bias())) return true;
    if (!fits(bn.running_mean()) || !fits(bn.running_var())) return true;
    const bool one_only = (bn.running_mean().size() > 0) != (bn.running_var().size() > 0);
    if (!bn.is_training() && one_only) return true;
    const Index size = tn_test::size_of(dims);
    if (size == 0 || !statistics) return false;
    const bool updates = bn.is_training() && options.track_running_stats && bn.running_var().size() > 0;
    const int least = std::max({1, options.correction, updates ? options.running_correction : 0});
    return size / bn.num_features() <= least;
  }

 private:
  bool fits(const Vector& vector) const { return vector.size() == 0 || vector.size() == bn.num_features(); }

  void set_values(Bytes& bytes) {
    Values<Scalar> values(bytes);
    for (Index c = 0; c < bn.weight().size(); ++c) bn.weight()(c) = values() / 64;
    for (Index c = 0; c < bn.bias().size(); ++c) bn.bias()(c) = values() / 64;
    for (Index c = 0; c < bn.running_mean().size(); ++c) bn.running_mean()(c) = values();
    for (Index c = 0; c < bn.running_var().size(); ++c) bn.running_var()(c) = std::abs(values()) + Scalar(0.01);
  }
};

}  // namespace tn_fuzz
