// Batch normalization without a layer: passes over memory seen as [outer, channels, inner].
//
// Each pass comes whole (training_forward, training_backward: a block of channels is read from memory once, and is
// still in cache when it is read again) and as the two halves it is made of, for statistics that are merged from
// elsewhere between them. The definitions are those of Ioffe and Szegedy, "Batch Normalization" (2015), with PyTorch's
// conventions (https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html).
//
// Views are [outer, channels, inner], inputs of const values: ChannelView<const float>{pointer, {outer, channels,
// inner}} or channel_view(std::as_const(x)). What is called [C] has one number a channel; a Scalar is double for values
// of double, and else float. Nothing is checked here: views must not be empty, outputs must not partly overlap inputs,
// dx not be x. Nothing throws. On one thread nothing allocates; a pool is handed its work in some memory, without which
// fewer threads help. Passes that merge partial results are given a Scratch of at least scratch_doubles(). Every pass
// takes O(values) time. Calls are safe side by side if their outputs and scratch differ. Results have the same bits on
// every device.
#pragma once

#include "channel_view.hpp"
#include "detail/backward.hpp"
#include "detail/beside.hpp"
#include "detail/statistics.hpp"

namespace tensornorm { inline namespace v0 { namespace functional {

using detail::Index;
using detail::Scratch;

/// What the normalised values are multiplied with, and what is added then: [C] each; null: 1 and 0.
template <typename Scalar>
struct Affine {
  const Scalar* weight;  ///< gamma
  const Scalar* bias;    ///< beta
};

/// What a batch tells about its channels, double [C] each.
struct BatchStatistics {
  double* mean;    ///< of the channel's values
  double* m2;      ///< sum of (x - mean)^2
  double* invstd;  ///< 1 / sqrt(m2 / (n - correction) + eps)
};

/// Sums over a channel's values that the gradients are made of, double [C] each.
struct GradientSums {
  double* dy;      ///< sum of dy: the gradient of bias
  double* dy_dev;  ///< sum of dy * (x - mean): times invstd, the gradient of weight
};

/// Doubles of scratch that a pass over x, empty or not, wants on this device; none on one thread. O(1).
template <typename Device, typename T>
Index scratch_doubles(const Device& device, const ChannelView<T>& x) {
  if (x.size() == 0 || detail::threads_of(device) == 1) return 0;
  return detail::scratch_size(device, detail::plan_reduction(x.shape, sizeof(T)));
}

// ----------------------------------------------------------------------------------------------------------- training

/// First half of a training forward: mean and m2 of every channel of x. statistics.invstd is left alone, and may be
/// null.
template <typename Device, typename T>
void batch_moments(const Device& device, const ChannelView<const T>& x, const BatchStatistics& statistics,
                   Scratch& scratch) {
  auto plan = detail::plan_reduction(x.shape, sizeof(T));
  const detail::MomentsReduction<T> reduction{x.data};
  detail::reduce(device, plan, reduction, statistics.mean, statistics.m2, scratch);
}

/// Between the halves: invstd from m2, for channels [begin, end) of n values each, n above correction and eps at least
/// 0. With eps 0 a constant channel's is 0.
inline void batch_invstd(Index begin, Index end, Index n, double eps, int correction,
                         const BatchStatistics& statistics) {
  const auto count = static_cast<double>(n - correction);
  detail::invert_deviations(statistics.m2 + begin, end - begin, count, eps, statistics.invstd + begin);
  if (eps > 0) return;
  for (Index c = begin; c < end; ++c) {  // a constant channel gives bias, as in PyTorch, not NaN
    if (statistics.m2[c] == 0) statistics.invstd[c] = 0;
  }
}

namespace internal {

// `after_reduction` as in movement.hpp: whether a block has just been reduced when it is mapped.

/// (x - mean) * invstd * weight + bias, as a mapping for passes.hpp.
template <typename T, typename Scalar>
auto normalisation(const detail::Plan& plan, const ChannelView<const T>& x, const BatchStatistics& statistics,
                   const Affine<Scalar>& affine, const ChannelView<T>& y, bool after_reduction) {
  const bool in_place = x.data == y.data;
  auto movement = detail::movement_of(plan, 1, in_place, after_reduction);
  const detail::NormalizeTraining<T> f{{x.data}};
  const detail::TrainingNumbers<Scalar> numbers{statistics.mean, statistics.invstd, affine.weight, affine.bias};
  return detail::mapping(plan, f, y.data, movement, numbers);
}

/// The gradient of a training forward, as a mapping for passes.hpp.
template <typename T, typename Scalar>
auto input_gradient(const detail::Plan& plan, const ChannelView<const T>& x, const ChannelView<const T>& dy,
                    const BatchStatistics& statistics, const Affine<Scalar>& affine, Index n, int correction,
                    const GradientSums& sums, const ChannelView<T>& dx, bool after_reduction) {
  const bool in_place = dy.data == dx.data;
  auto movement = detail::movement_of(plan, 2, in_place, after_reduction);
  const detail::GradientTraining<T> f{x.data, dy.data};
  const double per_value = 1 / static_cast<double>(n), per_freedom = 1 / static_cast<double>(n - correction);
  const detail::GradientNumbers<Scalar> numbers{statistics.mean, statistics.invstd, affine.weight, sums.dy,
                                                sums.dy_dev,     per_value,         per_freedom};
  return detail::mapping(plan, f, dx.data, movement, numbers);
}

}  // namespace internal

/// Second half of a training forward: y = (x - mean) * invstd * weight + bias. y may be x.
template <typename Device, typename T, typename Scalar>
void normalize(const Device& device, const ChannelView<const T>& x, const BatchStatistics& statistics,
               const Affine<Scalar>& affine, const ChannelView<T>& y) {
  auto plan = detail::plan_map(x.shape, sizeof(T), x.data == y.data);
  detail::map_all(device, plan, false, internal::normalisation(plan, x, statistics, affine, y, false));
}

/// A training forward: fills the statistics of x, then y. y may be x.
template <typename Device, typename T, typename Scalar>
void training_forward(const Device& device, const ChannelView<const T>& x, const Affine<Scalar>& affine, double eps,
                      int correction, const BatchStatistics& statistics, const ChannelView<T>& y, Scratch& scratch) {
  auto plan = detail::plan_reduction(x.shape, sizeof(T));
  const auto finish = [&](Index begin, Index end) {
    batch_invstd(begin, end, x.shape.per_channel(), eps, correction, statistics);
  };
  if (detail::maps_apart(plan, x.data == y.data)) {
    batch_moments(device, x, statistics, scratch);
    finish(0, x.shape.channels);
    return normalize(device, x, statistics, affine, y);
  }
  const detail::MomentsReduction<T> reduction{x.data};
  detail::reduce_and_map_beside(device, plan, reduction, statistics.mean, statistics.m2, scratch, finish,
                                internal::normalisation(plan, x, statistics, affine, y, true));
}

/// First half of a backward: both sums, about statistics.mean. statistics.m2 is that of x or of a larger batch that x
/// is a part of; it may be null, and then the sums of floats take a quarter longer in cache. invstd is not looked at.
template <typename Device, typename T>
void gradient_sums(const Device& device, const ChannelView<const T>& x, const ChannelView<const T>& dy,
                   const BatchStatistics& statistics, const GradientSums& sums, Scratch& scratch) {
  auto plan = detail::plan_reduction(x.shape, sizeof(T));
  const auto find = [&](const auto& reduction) {
    detail::reduce(device, plan, reduction, sums.dy, sums.dy_dev, scratch);
  };
  if (statistics.m2 == nullptr) {
    find(detail::GradientReduction<T, false>{x.data, dy.data, statistics.mean, nullptr});
  } else {
    find(detail::GradientReduction<T>{x.data, dy.data, statistics.mean, statistics.m2});
  }
}

/// Second half of a training backward: dx from the sums. statistics, of the forward, and sums are those of n values a
/// channel, n above correction, of which x may be a part; statistics.m2 is not looked at. dx may be dy.
template <typename Device, typename T, typename Scalar>
void input_gradient(const Device& device, const ChannelView<const T>& x, const ChannelView<const T>& dy,
                    const BatchStatistics& statistics, const Affine<Scalar>& affine, Index n, int correction,
                    const GradientSums& sums, const ChannelView<T>& dx) {
  auto plan = detail::plan_map(x.shape, sizeof(T), dy.data == dx.data);
  detail::map_all(device, plan, false,
                  internal::input_gradient(plan, x, dy, statistics, affine, n, correction, sums, dx, false));
}

/// A training backward: fills the sums, then dx. statistics: of the forward; m2 may be null, as in gradient_sums(), and
/// then memory of floats is read twice. dx may be dy.
template <typename Device, typename T, typename Scalar>
void training_backward(const Device& device, const ChannelView<const T>& x, const ChannelView<const T>& dy,
                       const BatchStatistics& statistics, const Affine<Scalar>& affine, int correction,
                       const GradientSums& sums, const ChannelView<T>& dx, Scratch& scratch) {
  const Index n = x.shape.per_channel();
  auto plan = detail::plan_reduction(x.shape, sizeof(T));
  const bool m2_is_missing = detail::sums_from_zero<T> && statistics.m2 == nullptr;
  if (m2_is_missing || detail::maps_apart(plan, dy.data == dx.data)) {
    gradient_sums(device, x, dy, statistics, sums, scratch);
    return input_gradient(device, x, dy, statistics, affine, n, correction, sums, dx);
  }
  const detail::GradientReduction<T> reduction{x.data, dy.data, statistics.mean, statistics.m2};
  detail::reduce_and_map_beside(
      device, plan, reduction, sums.dy, sums.dy_dev, scratch, [](Index, Index) {},
      internal::input_gradient(plan, x, dy, statistics, affine, n, correction, sums, dx, true));
}

// --------------------------------------------------------------------------------------------------------------- eval

/// y = (x - mean) / sqrt(var + eps) * weight + bias, with mean and var [C] as the layer keeps them. y may be x.
template <typename Device, typename T, typename Scalar>
void eval_forward(const Device& device, const ChannelView<const T>& x, const Scalar* mean, const Scalar* var,
                  double eps, const Affine<Scalar>& affine, const ChannelView<T>& y) {
  const bool in_place = x.data == y.data;
  auto plan = detail::plan_map(x.shape, sizeof(T), in_place);
  auto movement = detail::movement_of(plan, 1, in_place, false);
  const detail::NormalizeEval<T> f{x.data};
  const detail::EvalNumbers<Scalar> numbers{mean, var, eps, affine.weight, affine.bias};
  detail::map_all(device, plan, false, detail::mapping(plan, f, y.data, movement, numbers));
}

/// Statistics for gradient_sums() of an eval forward, from mean and var [C] as the layer keeps them. statistics.m2 is
/// left alone, and should be null in gradient_sums().
template <typename Scalar>
void running_statistics(Index channels, const Scalar* mean, const Scalar* var, double eps,
                        const BatchStatistics& statistics) {
  detail::kept_statistics(mean, var, channels, eps, statistics.mean, statistics.invstd);
}

/// dx = dy * weight / sqrt(var + eps), with var [C] as the layer keeps it. dx may be dy.
template <typename Device, typename T, typename Scalar>
void eval_input_gradient(const Device& device, const ChannelView<const T>& dy, const Scalar* var, double eps,
                         const Affine<Scalar>& affine, const ChannelView<T>& dx) {
  const bool in_place = dy.data == dx.data;
  auto plan = detail::plan_map(dy.shape, sizeof(T), in_place);
  auto movement = detail::movement_of(plan, 1, in_place, false);
  const detail::GradientEval<T> f{dy.data};
  const detail::EvalNumbers<Scalar> numbers{nullptr, var, eps, affine.weight, nullptr};
  detail::map_all(device, plan, false, detail::mapping(plan, f, dx.data, movement, numbers));
}

}}}  // namespace tensornorm::v0::functional
