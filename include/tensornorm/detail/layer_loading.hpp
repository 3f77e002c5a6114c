// A layer's state as a StateDict, and back. Loading finds every fault before it changes anything.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "../state_dict.hpp"
#include "layer_state.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// Names and order of torch.nn.BatchNorm2d's state_dict(). What the layer has not got is left out.
template <typename Scalar>
StateDict saved_state(const LayerState<Scalar>& layer, const std::string& prefix) {
  StateDict saved;
  const auto save = [&](const char* name, const auto& vector) {
    if (vector.size() > 0) saved.insert(prefix + name, Array::from(vector));
  };
  save("weight", layer.weight);
  save("bias", layer.bias);
  save("running_mean", layer.running_mean);
  save("running_var", layer.running_var);
  if (layer.options.track_running_stats) {
    saved.insert(prefix + "num_batches_tracked", Array({}, std::vector<std::int64_t>{layer.num_batches_tracked}));
  }
  return saved;
}

/// Reads a layer's state from a dict entry by entry, and collects what is wrong in PyTorch's words.
template <typename Scalar>
class StateReader {
 public:
  using Vector = typename LayerState<Scalar>::Vector;

  StateReader(const StateDict& from, const std::string& prefix, Index num_features)
      : from_(from), prefix_(prefix), num_features_(num_features) {}

  /// The vector called `name`, if a layer that holds `present` has one and it is there without fault.
  std::optional<Vector> vector(const char* name, const Vector& present) {
    const Array* array = present.size() > 0 ? find(name) : nullptr;
    if (array == nullptr) {
      if (present.size() > 0) missing_ += text(missing_.empty() ? "" : ", ", '"', prefix_, name, '"');
      return std::nullopt;
    }
    if (array->shape() != Array::Shape{num_features_}) {
      fault("size mismatch for ", prefix_, name, ": copying a param with shape ", shape_text(array->shape()),
            " from checkpoint, the shape in current model is [", num_features_, "].");
      return std::nullopt;
    }
    if (array->dtype() == DType::int64 || array->dtype() == DType::int32 || array->dtype() == DType::uint8) {
      fault(prefix_, name, " should hold real numbers, not whole ones.");
      return std::nullopt;
    }
    try {
      return array->template to<Vector>();
    } catch (const std::invalid_argument& error) {
      fault(prefix_, name, ": ", error.what(), '.');
      return std::nullopt;
    }
  }

  /// `found` is what vector(name) has found. Looked at as the dict has it: rounded, a number below 0 may be -0.
  void check_variances(const char* name, const std::optional<Vector>& found) {
    if (!found) return;
    const auto variances = from_.at(prefix_ + name).template to<Eigen::VectorXd>();
    for (Index c = 0; c < variances.size(); ++c) {
      if (variances[c] >= 0) continue;
      fault(prefix_, name, " should be at least 0, not ", variances[c], " in channel ", c, '.');
    }
  }

  /// The number of batches, of shape [] or [1]; `present` where there is none, as in files of PyTorch before 0.4.1.
  std::int64_t counter(const char* name, std::int64_t present) {
    const Array* array = find(name);
    if (array == nullptr) return present;
    if (array->size() != 1 || array->shape().size() > 1) {
      fault("size mismatch for ", prefix_, name, ": copying a param with shape ", shape_text(array->shape()),
            " from checkpoint, the shape in current model is [].");
      return present;
    }
    if (array->dtype() != DType::int64) {
      fault(prefix_, name, " should be a 64-bit whole number.");
      return present;
    }
    const std::int64_t count = array->template values<std::int64_t>()[0];
    if (count < 0) fault(prefix_, name, " should be at least 0, not ", count, '.');
    return count;
  }

  /// Throws std::invalid_argument with all faults, if there are any.
  void finish(const char* layer_name, bool strict) {
    std::string unexpected;
    for (const auto& [name, array] : from_) {
      const bool ours = name.compare(0, prefix_.size(), prefix_) == 0;
      const bool read = std::find(read_.begin(), read_.end(), &array) != read_.end();
      if (ours && !read) unexpected += text(unexpected.empty() ? "" : ", ", '"', name, '"');
    }
    std::string keys;
    if (strict && !missing_.empty()) keys += text("\n\tMissing key(s) in state_dict: ", missing_, '.');
    if (strict && !unexpected.empty()) keys += text("\n\tUnexpected key(s) in state_dict: ", unexpected, '.');
    if (keys.empty() && faults_.empty()) return;
    fail_argument("Error(s) in loading state_dict for ", layer_name, ':', keys, faults_);
  }

 private:
  const Array* find(const char* name) {
    read_.push_back(from_.find(prefix_ + name));
    return read_.back();
  }
  template <typename... Parts>
  void fault(const Parts&... parts) {
    faults_ += text("\n\t", parts...);
  }

  const StateDict& from_;
  const std::string& prefix_;
  const Index num_features_;
  std::vector<const Array*> read_;  // what the layer asked for; null where it is missing
  std::string missing_, faults_;
};

/// torch.nn.Module.load_state_dict for one layer; nothing is applied where anything is wrong.
template <typename Scalar>
void load_state(LayerState<Scalar>& layer, const char* layer_name, const StateDict& from, const std::string& prefix,
                bool strict) {
  StateReader<Scalar> reader(from, prefix, layer.num_features);
  auto weight = reader.vector("weight", layer.weight);
  auto bias = reader.vector("bias", layer.bias);
  auto running_mean = reader.vector("running_mean", layer.running_mean);
  auto running_var = reader.vector("running_var", layer.running_var);
  reader.check_variances("running_var", running_var);
  std::int64_t counter = layer.num_batches_tracked;
  if (layer.options.track_running_stats) counter = reader.counter("num_batches_tracked", counter);
  reader.finish(layer_name, strict);

  // Into its place, as in PyTorch: an optimiser may have mapped it. One of a wrong size is replaced. Neither can throw.
  const auto apply = [](auto& present, auto& loaded) {
    if (!loaded) return;
    if (loaded->size() == present.size()) {
      std::copy_n(loaded->data(), loaded->size(), present.data());
    } else {
      present.swap(*loaded);
    }
  };
  apply(layer.weight, weight);
  apply(layer.bias, bias);
  apply(layer.running_mean, running_mean);
  apply(layer.running_var, running_var);
  layer.num_batches_tracked = counter;
}

}}}  // namespace tensornorm::v0::detail
