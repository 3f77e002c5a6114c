// What a layer must have computed: its results against the reference in long double, and the state it left behind.
#pragma once

#include <algorithm>
#include <cmath>
#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <vector>

#include "fuzz/promises.hpp"

namespace tn_fuzz {

/// Whether the running statistics can normalise: not after a momentum outside [0, 1] made a variance negative, say.
template <typename Layer>
bool well_posed(const Layer& bn) {
  return ((bn.running_var().array().template cast<double>() + bn.options().eps) > 1e-13).all();
}

/// Everything but the named parts is bit for bit the same in both layers.
enum class May { kNothing, kRunningStats, kGradients };

template <typename Layer>
void demand_state(const Layer& before, const Layer& after, May change) {
  using tn_test::same_bits;
  demand(same_bits(before.weight(), after.weight()) && same_bits(before.bias(), after.bias()), "a parameter changed");
  demand(before.is_training() == after.is_training(), "the mode changed");
  demand(change == May::kRunningStats || (same_bits(before.running_mean(), after.running_mean()) &&
                                          same_bits(before.running_var(), after.running_var()) &&
                                          before.num_batches_tracked() == after.num_batches_tracked()),
         "the running statistics changed");
  demand(change == May::kGradients ||
             (same_bits(before.weight_grad(), after.weight_grad()) && same_bits(before.bias_grad(), after.bias_grad())),
         "a gradient changed");
}

/// The running statistics after one training batch x: torch's recurrence of three roundings.
template <typename Layer>
void demand_running_stats(const Layer& before, const Layer& after, const NdArray& x) {
  using Scalar = tn_test::ScalarOf<Layer>;
  constexpr long double u = tn_test::unit_roundoff<Scalar>;
  constexpr bool floats = std::is_same_v<Scalar, float>;
  const tensornorm::BatchNormOptions& options = before.options();
  if (!options.track_running_stats) return demand_state(before, after, May::kNothing);
  demand(after.num_batches_tracked() == before.num_batches_tracked() + 1, "the counter did not count");
  const double momentum = options.momentum.value_or(1 / static_cast<double>(after.num_batches_tracked()));
  const auto factor = static_cast<long double>(static_cast<Scalar>(momentum));
  const auto check = [&](Scalar was, Scalar is, long double batch, long double slack, const char* name) {
    const long double a = factor * batch, b = (1 - factor) * static_cast<long double>(was);
    const long double bound = 4 * u * (std::abs(a) + std::abs(b)) + std::abs(factor) * slack;
    demand(std::abs(static_cast<long double>(is) - (a + b)) <= bound, name, " went from ", was, " to ", is,
           " by a batch of ", batch, ", bound ", bound);
  };
  const std::vector<tn_test::Moments> exact = tn_test::moments(x, options.channel_axis);
  for (Index c = 0; c < after.num_features(); ++c) {
    const tn_test::Moments& of = exact[static_cast<std::size_t>(c)];
    const long double sd = std::sqrt(of.variance(0));
    if (after.running_mean().size() > 0) {
      const long double slack = floats ? u * sd / 8 : 32 * u * (std::abs(of.mean) + sd);
      check(before.running_mean()(c), after.running_mean()(c), of.mean, slack, "running_mean");
    }
    if (after.running_var().size() > 0) {
      const long double variance = of.variance(options.running_correction);
      const long double slack = floats ? 0 : 8 * u * variance;
      check(before.running_var()(c), after.running_var()(c), variance, slack, "running_var");
    }
  }
}

/// y is what `bn` gives for x; for float and double layers.
template <typename Layer, typename X>
void demand_output(const Layer& bn, const X& x, const X& y, Statistics statistics) {
  const NdArray exact = tn_test::logical(x);
  if constexpr (std::is_same_v<tn_test::ScalarOf<Layer>, float>) {
    Promises<Layer>(bn, exact, statistics).demand_output(tn_test::logical(y));
  } else {
    if (statistics == Statistics::kRunning && !well_posed(bn)) return;
    const double ratio = tn_test::output_error(bn, exact, y, statistics);
    demand(ratio <= 1, "y: error / bound is ", ratio);
  }
}

/// dx and what backward added to the gradients of `bn`, which were zero; for float and double layers.
template <typename Layer, typename X>
void demand_gradients(const Layer& bn, const X& x, const X& dy, const X& dx, Statistics statistics) {
  const NdArray exact = tn_test::logical(x), exact_dy = tn_test::logical(dy);
  if constexpr (std::is_same_v<tn_test::ScalarOf<Layer>, float>) {
    Promises<Layer>(bn, exact, statistics).demand_gradients(exact_dy, tn_test::logical(dx));
  } else {
    const bool has_grads = bn.weight().size() <= bn.weight_grad().size() && bn.bias().size() <= bn.bias_grad().size();
    if (!has_grads || (statistics == Statistics::kRunning && !well_posed(bn))) return;
    const double ratio = tn_test::gradient_error(bn, exact, exact_dy, dx, statistics);
    demand(ratio <= 1, "a gradient: error / bound is ", ratio);
  }
}

/// Gradients added up: each sum is rounded once, and so is what is added.
template <typename Vector>
void demand_accumulated(const Vector& before, const Vector& added, const Vector& after, const char* name) {
  constexpr long double u = tn_test::unit_roundoff<typename Vector::Scalar>;
  for (Index c = 0; c < before.size(); ++c) {
    const auto b = static_cast<long double>(before(c)), a = static_cast<long double>(added(c)),
               sum = static_cast<long double>(after(c));
    const bool right =
        std::isfinite(b + a) ? std::abs(sum - (b + a)) <= 2 * u * (std::abs(a) + std::abs(sum)) : !std::isfinite(sum);
    demand(right, name, ": ", b, " + ", a, " gave ", sum);
  }
}

template <typename Layer>
Statistics statistics_of(const Layer& bn) {
  const bool running = bn.running_mean().size() > 0 && bn.running_var().size() > 0;
  return bn.is_training() || !running ? Statistics::kBatch : Statistics::kRunning;
}

/// Forward has made of `before` what `after` is, and y of x. Wide: a tensor of the layer's own scalar.
template <typename Wide, typename Layer, typename X>
void demand_forward(const Layer& before, const Layer& after, const X& x, const X& y) {
  Layer twin = before;
  const Wide wide = tn_test::convert<Wide>(x), wide_y = twin(wide);
  demand(tn_test::same_bits(tn_test::convert<X>(wide_y), y), "y is not that of the layer's own scalar, rounded");
  demand_state(twin, after, May::kNothing);
  const bool training = before.is_training();
  demand_state(before, after, training ? May::kRunningStats : May::kNothing);
  if (training) demand_running_stats(before, after, tn_test::logical(wide));
  demand_output(before, wide, wide_y, statistics_of(before));
}

/// Backward has made of `before` what `after` is, and dx of x and dy. In training it is only right for the x of the
/// last forward.
template <typename Wide, typename Layer, typename X>
void demand_backward(const Layer& before, const Layer& after, const X& x, const X& dy, const X& dx, bool last_forward) {
  Layer twin = before;
  twin.zero_grad();
  const Wide wide = tn_test::convert<Wide>(x), wide_dy = tn_test::convert<Wide>(dy);
  const Wide wide_dx = twin.backward(wide, wide_dy);
  demand(tn_test::same_bits(tn_test::convert<X>(wide_dx), dx), "dx is not that of the layer's own scalar, rounded");
  demand_state(before, after, May::kGradients);
  demand_accumulated(before.weight_grad(), twin.weight_grad(), after.weight_grad(), "weight_grad");
  demand_accumulated(before.bias_grad(), twin.bias_grad(), after.bias_grad(), "bias_grad");
  if (last_forward || !before.is_training()) demand_gradients(twin, wide, wide_dy, wide_dx, statistics_of(before));
}

}  // namespace tn_fuzz
