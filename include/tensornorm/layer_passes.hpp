// The passes that a layer runs, as a class, so that a large project can compile them in one place: they are most of
// what a layer costs a compiler.
//
//   extern template struct tensornorm::LayerPasses<float>;   in a header that every file of the project includes
//   template struct tensornorm::LayerPasses<float>;          in one source file
//
// The members stand outside the class because those inside are inline, and are compiled everywhere all the same.
#pragma once

#include "functional.hpp"

namespace tensornorm { inline namespace v0 {

/// The passes of tensornorm::functional that a layer runs on inputs of type T, float, double, Eigen::half or
/// Eigen::bfloat16, on a device. Programs name it in an explicit instantiation, which serves 1d, 2d and 3d layers, both
/// storage orders, all channel axes and all Eigen types. Without one nothing changes but the time to compile. Errors,
/// cost and threads are those of the functions of the same names.
template <typename T, typename Device = Eigen::DefaultDevice>
struct LayerPasses {
  using Scalar = detail::LaneOf<T>;                ///< of the layer: float or double
  using Input = ChannelView<const T>;              ///< [outer, channels, inner]
  using Output = ChannelView<T>;                   ///< the same, to write
  using Affine = functional::Affine<Scalar>;       ///< weight and bias
  using Statistics = functional::BatchStatistics;  ///< mean, m2 and invstd
  using Sums = functional::GradientSums;           ///< of dy and of dy * (x - mean)
  using Scratch = functional::Scratch;             ///< for partial results

  ///@{
  /// The function of this name in tensornorm::functional.
  static void batch_moments(const Device& device, const Input& x, const Statistics& statistics, Scratch& scratch);
  static void training_forward(const Device& device, const Input& x, const Affine& affine, double eps, int correction,
                               const Statistics& statistics, const Output& y, Scratch& scratch);
  static void eval_forward(const Device& device, const Input& x, const Scalar* mean, const Scalar* var, double eps,
                           const Affine& affine, const Output& y);
  static void gradient_sums(const Device& device, const Input& x, const Input& dy, const Statistics& statistics,
                            const Sums& sums, Scratch& scratch);
  static void training_backward(const Device& device, const Input& x, const Input& dy, const Statistics& statistics,
                                const Affine& affine, int correction, const Sums& sums, const Output& dx,
                                Scratch& scratch);
  static void eval_input_gradient(const Device& device, const Input& dy, const Scalar* var, double eps,
                                  const Affine& affine, const Output& dx);
  ///@}
};

template <typename T, typename Device>
void LayerPasses<T, Device>::batch_moments(const Device& device, const Input& x, const Statistics& statistics,
                                           Scratch& scratch) {
  functional::batch_moments(device, x, statistics, scratch);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::training_forward(const Device& device, const Input& x, const Affine& affine, double eps,
                                              int correction, const Statistics& statistics, const Output& y,
                                              Scratch& scratch) {
  functional::training_forward(device, x, affine, eps, correction, statistics, y, scratch);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::eval_forward(const Device& device, const Input& x, const Scalar* mean, const Scalar* var,
                                          double eps, const Affine& affine, const Output& y) {
  functional::eval_forward(device, x, mean, var, eps, affine, y);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::gradient_sums(const Device& device, const Input& x, const Input& dy,
                                           const Statistics& statistics, const Sums& sums, Scratch& scratch) {
  functional::gradient_sums(device, x, dy, statistics, sums, scratch);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::training_backward(const Device& device, const Input& x, const Input& dy,
                                               const Statistics& statistics, const Affine& affine, int correction,
                                               const Sums& sums, const Output& dx, Scratch& scratch) {
  functional::training_backward(device, x, dy, statistics, affine, correction, sums, dx, scratch);
}

template <typename T, typename Device>
void LayerPasses<T, Device>::eval_input_gradient(const Device& device, const Input& dy, const Scalar* var, double eps,
                                                 const Affine& affine, const Output& dx) {
  functional::eval_input_gradient(device, dy, var, eps, affine, dx);
}

}}  // namespace tensornorm::v0
