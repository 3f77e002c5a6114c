// Any floats whatever, against the reference in long double and the promises: the mean and variance of every finite
// batch, constants, values near the ends of the range, NaN and infinity in one channel or in a parameter.
#pragma once

#include <cmath>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "fuzz/promises.hpp"
#include "fuzz/values_inputs.hpp"
#include "support/bits.hpp"

namespace tn_fuzz {

class ValuesRun {
 public:
  explicit ValuesRun(Bytes& bytes) : bytes_(bytes) {}

  void run() {
    const tn_test::Dims dims = batch_dims_from(bytes_);
    tensornorm::BatchNormOptions options;
    options.eps = bytes_.pick({1e-5, 0.0, 1e-3, 1e-30, 1.0});
    options.momentum = 1;  // the running statistics are those of the batch
    Layer bn(dims[1], options);
    set_parameters(bytes_, bn);
    switch (bytes_.below(4)) {
      case 0:
        return check_narrow<Eigen::half>(bn, dims);
      case 1:
        return check_narrow<Eigen::bfloat16>(bn, dims);
      default:
        break;
    }
    const Batch<float> x = batch_from<float>(bytes_, dims), dy = batch_from<float>(bytes_, dims);
    check_training(bn, x, dy);
    check_eval(bn, x, dy);
    check_others_untouched(bn, x, dy);
  }

 private:
  using Layer = tensornorm::BatchNorm1d<>;

  /// A forward and its backward. Returns y.
  static Batch<float> check_passes(Layer& bn, const Promises<Layer>& promises, const Batch<float>& x,
                                   const Batch<float>& dy) {
    const Batch<float> y = bn(x), dx = bn.backward(x, dy);
    promises.demand_output(tn_test::logical(y));
    promises.demand_gradients(tn_test::logical(dy), tn_test::logical(dx));
    return y;
  }

  static void check_training(Layer bn, const Batch<float>& x, const Batch<float>& dy) {
    bn.reset_running_stats();
    const NdArray exact_x = tn_test::logical(x);
    const Promises<Layer> promises(bn, exact_x, Statistics::kBatch);
    const Batch<float> y = check_passes(bn, promises, x, dy);
    const std::vector<Kind> kinds = kinds_of(x);
    for (Index c = 0; c < x.dimension(1); ++c) {
      const float mean = bn.running_mean()(c), var = bn.running_var()(c);
      const Kind& kind = kinds[static_cast<std::size_t>(c)];
      if (!kind.finite) {  // promise 12
        demand(is_poisoned_mean(mean, kind) && std::isnan(var), "NaN or infinity gave mean ", mean, " and variance ",
               var);
        for_each_value(x, c, [&](Index i) { demand(std::isnan(y.data()[i]), "y is not NaN but ", y.data()[i]); });
        continue;
      }
      promises.demand_moments(static_cast<std::size_t>(c), mean, var, 1);
      if (kind.constant) check_constant(bn, x, y, c);
    }
  }

  static bool is_poisoned_mean(float mean, const Kind& kind) {
    if (kind.has_nan || (kind.has_plus && kind.has_minus)) return std::isnan(mean);
    return std::isinf(mean) && (mean > 0) == kind.has_plus;
  }

  /// Promise 4; a bias of -0 may become 0.
  static void check_constant(const Layer& bn, const Batch<float>& x, const Batch<float>& y, Index c) {
    const float mean = bn.running_mean()(c), var = bn.running_var()(c), bias = bn.bias()(c);
    demand(mean == x(0, c, 0) && var == 0, "a constant ", x(0, c, 0), " has mean ", mean, " and variance ", var);
    if (!std::isfinite(bn.weight()(c)) || std::isnan(bias)) return;
    for_each_value(x, c,
                   [&](Index i) { demand(y.data()[i] == bias, "a constant gave ", y.data()[i], ", not bias ", bias); });
  }

  static void check_eval(Layer bn, const Batch<float>& x, const Batch<float>& dy) {
    bn.eval();
    const NdArray exact_x = tn_test::logical(x);
    check_passes(bn, Promises<Layer>(bn, exact_x, Statistics::kRunning), x, dy);
  }

  /// visit(where in memory) for every value of a channel.
  template <typename Visit>
  static void for_each_value(const Batch<float>& x, Index c, Visit visit) {
    const Index rows = x.dimension(0), channels = x.dimension(1), inner = x.dimension(2);
    for (Index n = 0; n < rows; ++n) {
      for (Index i = (n * channels + c) * inner; i < (n * channels + c + 1) * inner; ++i) visit(i);
    }
  }

  // --------------------------------------------------------------------------------------------------- other channels

  /// Promise 12: what stands in the first channel changes no bit of the others.
  static void check_others_untouched(const Layer& prototype, const Batch<float>& x, const Batch<float>& dy) {
    Batch<float> other_x = x, other_dy = dy;
    for_each_value(x, 0, [&](Index i) {
      other_x.data()[i] = static_cast<float>(i % 7);
      other_dy.data()[i] = 1;
    });
    for (const bool training : {true, false}) {
      Layer bn = prototype, other = prototype;
      bn.train(training);
      other.train(training);
      const Batch<float> y = bn(x), other_y = other(other_x);
      const Batch<float> dx = bn.backward(x, dy), other_dx = other.backward(other_x, other_dy);
      using tn_test::bits;
      for (Index c = 1; c < x.dimension(1); ++c) {
        for_each_value(x, c, [&](Index i) {
          demand(bits(y.data()[i]) == bits(other_y.data()[i]), "channel 0 changed y in channel ", c);
          demand(bits(dx.data()[i]) == bits(other_dx.data()[i]), "channel 0 changed dx in channel ", c);
        });
        demand(bits(bn.running_mean()(c)) == bits(other.running_mean()(c)) &&
                   bits(bn.running_var()(c)) == bits(other.running_var()(c)) &&
                   bits(bn.weight_grad()(c)) == bits(other.weight_grad()(c)) &&
                   bits(bn.bias_grad()(c)) == bits(other.bias_grad()(c)),
               "channel 0 changed a statistic or gradient of channel ", c);
      }
    }
  }

  // ------------------------------------------------------------------------------------------------ half and bfloat16

  /// Promise 10: outputs are those for floats, rounded once.
  template <typename T>
  void check_narrow(const Layer& prototype, const tn_test::Dims& dims) {
    const Batch<T> x = batch_from<T>(bytes_, dims), dy = batch_from<T>(bytes_, dims);
    const Batch<float> wide_x = tn_test::convert<Batch<float>>(x), wide_dy = tn_test::convert<Batch<float>>(dy);
    for (const bool training : {true, false}) {
      Layer bn = prototype, wide = prototype;
      bn.train(training);
      wide.train(training);
      demand_rounded<T>(bn(x), wide(wide_x), "y");
      demand_rounded<T>(bn.backward(x, dy), wide.backward(wide_x, wide_dy), "dx");
    }
  }
  template <typename T>
  static void demand_rounded(const Batch<T>& got, const Batch<float>& wide, const char* name) {
    for (Index i = 0; i < got.size(); ++i) {
      const T value = got.data()[i], wanted = static_cast<T>(wide.data()[i]);
      const bool same = std::isnan(wide.data()[i]) ? std::isnan(static_cast<float>(value))
                                                   : tn_test::bits(value) == tn_test::bits(wanted);
      demand(same, name, " is ", static_cast<float>(value), ", that of floats ", wide.data()[i]);
    }
  }

  Bytes& bytes_;
};

/// Training, eval and backward of one batch.
inline void fuzz_values(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  ValuesRun(bytes).run();
}

}  // namespace tn_fuzz
