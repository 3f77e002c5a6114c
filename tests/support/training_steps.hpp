// Training steps, one problem at a time: as whole passes, as their halves, and in place. Whole passes by way of
// layer_passes.hpp, which calls the functions of the same names in functional.hpp and is compiled once for all tests.
#pragma once

#include <cmath>
#include <tensornorm/layer_passes.hpp>
#include <vector>

#include "bits.hpp"
#include "walks.hpp"

namespace tn_test {

namespace functional = tensornorm::functional;
using tensornorm::ChannelView;
using tensornorm::detail::LaneOf;

constexpr double kEps = 1e-3;

/// A problem: values, parameters, and room for every result.
template <typename T>
struct Problem {
  using Scalar = LaneOf<T>;
  Shape shape;
  std::vector<T> x, dy;
  std::vector<Scalar> weight, bias, running_mean, running_var;

  explicit Problem(const Shape& s) : shape(s) {
    Uneven uneven(5);
    for (Index i = 0; i < s.size(); ++i) {
      const double mean = static_cast<double>(i / s.inner % s.channels % 5) - 2;
      x.push_back(value_of<T>(mean + 1.5 * uneven()));
      dy.push_back(value_of<T>(uneven()));
    }
    for (Index c = 0; c < s.channels; ++c) {
      weight.push_back(static_cast<Scalar>(uneven() + (c % 2 == 0 ? 2 : -2)));
      bias.push_back(static_cast<Scalar>(uneven()));
      running_mean.push_back(static_cast<Scalar>(uneven()));
      running_var.push_back(static_cast<Scalar>(0.25 + std::abs(uneven())));
    }
  }
  ChannelView<const T> x_view() const { return {x.data(), shape}; }
  ChannelView<const T> dy_view() const { return {dy.data(), shape}; }
  functional::Affine<Scalar> affine() const { return {weight.data(), bias.data()}; }
};

struct Statistics {
  std::vector<double> mean, m2, invstd;
  explicit Statistics(const Shape& shape)
      : mean(static_cast<std::size_t>(shape.channels)), m2(mean.size()), invstd(mean.size()) {}
  functional::BatchStatistics view() { return {mean.data(), m2.data(), invstd.data()}; }
  bool operator==(const Statistics& other) const {
    return same_bits(mean, other.mean) && same_bits(m2, other.m2) && same_bits(invstd, other.invstd);
  }
};

struct Sums {
  std::vector<double> dy, dy_dev;
  explicit Sums(const Shape& shape) : dy(static_cast<std::size_t>(shape.channels)), dy_dev(dy.size()) {}
  functional::GradientSums view() { return {dy.data(), dy_dev.data()}; }
  bool operator==(const Sums& other) const { return same_bits(dy, other.dy) && same_bits(dy_dev, other.dy_dev); }
};

template <typename Device, typename T>
functional::Scratch scratch_for(const Device& device, const ChannelView<T>& x) {
  return functional::Scratch(static_cast<std::size_t>(functional::scratch_doubles(device, x)));
}

/// What a training step gives.
template <typename T>
struct Step {
  Statistics statistics;
  Sums sums;
  std::vector<T> y, dx;
  explicit Step(const Problem<T>& p) : statistics(p.shape), sums(p.shape), y(p.x.size()), dx(p.x.size()) {}
  bool operator==(const Step& other) const {
    return statistics == other.statistics && sums == other.sums && same_bits(y, other.y) && same_bits(dx, other.dx);
  }
};

template <typename Device, typename T>
Step<T> whole_passes(const Device& device, const Problem<T>& p, int correction) {
  using Passes = tensornorm::LayerPasses<T, Device>;
  Step<T> step(p);
  functional::Scratch scratch = scratch_for(device, p.x_view());
  Passes::training_forward(device, p.x_view(), p.affine(), kEps, correction, step.statistics.view(),
                           ChannelView<T>{step.y.data(), p.shape}, scratch);
  Passes::training_backward(device, p.x_view(), p.dy_view(), step.statistics.view(), p.affine(), correction,
                            step.sums.view(), ChannelView<T>{step.dx.data(), p.shape}, scratch);
  return step;
}

template <typename Device, typename T>
Step<T> half_passes(const Device& device, const Problem<T>& p, int correction) {
  Step<T> step(p);
  functional::Scratch scratch = scratch_for(device, p.x_view());
  functional::batch_moments(device, p.x_view(), step.statistics.view(), scratch);
  functional::batch_invstd(0, p.shape.channels, p.shape.per_channel(), kEps, correction, step.statistics.view());
  functional::normalize(device, p.x_view(), step.statistics.view(), p.affine(), ChannelView<T>{step.y.data(), p.shape});
  functional::gradient_sums(device, p.x_view(), p.dy_view(), step.statistics.view(), step.sums.view(), scratch);
  functional::input_gradient(device, p.x_view(), p.dy_view(), step.statistics.view(), p.affine(), p.shape.per_channel(),
                             correction, step.sums.view(), ChannelView<T>{step.dx.data(), p.shape});
  return step;
}

/// The same with y in place of x, and dx in place of dy.
template <typename Device, typename T>
Step<T> passes_in_place(const Device& device, const Problem<T>& p, int correction) {
  Step<T> step(p);
  step.y = p.x, step.dx = p.dy;
  functional::Scratch scratch = scratch_for(device, p.x_view());
  const ChannelView<const T> x{step.y.data(), p.shape}, dy{step.dx.data(), p.shape};
  functional::training_forward(device, x, p.affine(), kEps, correction, step.statistics.view(),
                               ChannelView<T>{step.y.data(), p.shape}, scratch);
  functional::training_backward(device, p.x_view(), dy, step.statistics.view(), p.affine(), correction,
                                step.sums.view(), ChannelView<T>{step.dx.data(), p.shape}, scratch);
  return step;
}

}  // namespace tn_test
