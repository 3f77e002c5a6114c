// For large projects: the passes of a layer, where the compiler's time goes, compiled in one place.
//
//   TENSORNORM_PASSES(extern template, Eigen::DefaultDevice, float, float)   in a header that everybody includes
//   TENSORNORM_PASSES(template, Eigen::DefaultDevice, float, float)          in one source file that includes it
//
// Device: Eigen::DefaultDevice or Eigen::ThreadPoolDevice; Input: what the tensors hold; Scalar: what the layer holds.
// One line serves 1d, 2d and 3d layers, both storage orders, all channel axes and all Eigen types.
#pragma once

#include <tensornorm/functional.hpp>

#define TENSORNORM_PASSES(template_or_extern_template, Device, Input, Scalar)                                     \
  template_or_extern_template void tensornorm::functional::batch_moments(                                         \
      const Device&, const tensornorm::ChannelView<const Input>&, const tensornorm::functional::BatchStatistics&, \
      tensornorm::functional::Scratch&);                                                                          \
  template_or_extern_template void tensornorm::functional::training_forward(                                      \
      const Device&, const tensornorm::ChannelView<const Input>&, const tensornorm::functional::Affine<Scalar>&,  \
      double, int, const tensornorm::functional::BatchStatistics&, const tensornorm::ChannelView<Input>&,         \
      tensornorm::functional::Scratch&);                                                                          \
  template_or_extern_template void tensornorm::functional::eval_forward(                                          \
      const Device&, const tensornorm::ChannelView<const Input>&, const Scalar*, const Scalar*, double,           \
      const tensornorm::functional::Affine<Scalar>&, const tensornorm::ChannelView<Input>&);                      \
  template_or_extern_template void tensornorm::functional::gradient_sums(                                         \
      const Device&, const tensornorm::ChannelView<const Input>&, const tensornorm::ChannelView<const Input>&,    \
      const double*, const tensornorm::functional::GradientSums&, tensornorm::functional::Scratch&);              \
  template_or_extern_template void tensornorm::functional::training_backward(                                     \
      const Device&, const tensornorm::ChannelView<const Input>&, const tensornorm::ChannelView<const Input>&,    \
      const double*, const double*, const tensornorm::functional::Affine<Scalar>&, int,                           \
      const tensornorm::functional::GradientSums&, const tensornorm::ChannelView<Input>&,                         \
      tensornorm::functional::Scratch&);                                                                          \
  template_or_extern_template void tensornorm::functional::eval_input_gradient(                                   \
      const Device&, const tensornorm::ChannelView<const Input>&, const Scalar*, double,                          \
      const tensornorm::functional::Affine<Scalar>&, const tensornorm::ChannelView<Input>&)
