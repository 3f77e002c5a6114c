// A batch norm in eval mode is y = scale*x + shift a channel: on its own, or folded into the layer before it, so that
// it costs nothing. (torch/nn/utils/fusion.py; Jacob et al., "Quantization and Training of Neural Networks", 2018, 3.2)
//
//   scale = weight / sqrt(running_var + eps)      shift = bias - scale * running_mean
#pragma once

#include <cmath>

#include "batch_norm.hpp"

namespace tensornorm { inline namespace v0 {

/// y = scale*x + shift, [C] each.
template <typename Scalar>
struct FoldedAffine {
  ///@{
  /// [C].
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> scale, shift;
  ///@}
};

namespace detail {

/// Scale and shift in double: what is folded is rounded once, at the end.
template <typename Scalar, int SpatialDims>
FoldedAffine<double> folded(const BatchNorm<Scalar, SpatialDims>& bn) {
  if (bn.is_training()) fail_order("Fusion only for eval! Call eval() first");
  const Index C = bn.num_features();
  if (bn.running_mean().size() == 0 && bn.running_var().size() == 0) {
    fail_order("folding needs running statistics, and this layer normalises with those of its batch");
  }
  check_running_stats(bn.running_mean().size(), bn.running_var().size());
  check_vector("running_mean", bn.running_mean().size(), C);
  check_vector("running_var", bn.running_var().size(), C);
  check_vector("weight", bn.weight().size(), C);
  check_vector("bias", bn.bias().size(), C);
  FoldedAffine<double> folded{Eigen::VectorXd(C), Eigen::VectorXd(C)};
  for (Index c = 0; c < C; ++c) {
    double scale = 1 / std::sqrt(static_cast<double>(bn.running_var()[c]) + bn.options().eps);
    if (bn.weight().size() > 0) scale *= static_cast<double>(bn.weight()[c]);
    const double bias = bn.bias().size() > 0 ? static_cast<double>(bn.bias()[c]) : 0;
    folded.scale[c] = scale;
    folded.shift[c] = std::fma(-scale, static_cast<double>(bn.running_mean()[c]), bias);
  }
  return folded;
}

/// Whether a bias is a vector: of Eigen's matrices and arrays, or a tensor of rank 1.
template <typename B>
constexpr bool is_vector() {
  if constexpr (is_dense<B>) {
    return B::IsVectorAtCompileTime;
  } else {
    return EigenTraits<B>::rank == 1;
  }
}

/// Folds bn into a layer whose weight has its outputs along `axis`.
template <typename W, typename B, typename Scalar, int SpatialDims>
void fold_into(W& weight, B& bias, const BatchNorm<Scalar, SpatialDims>& bn, int axis) {
  static_assert(EigenTraits<W>::has_memory && EigenTraits<B>::has_memory,
                "tensornorm: weight and bias are folded in place, and need memory");
  static_assert(!is_const_data<decltype(weight.data())> && !is_const_data<decltype(bias.data())>,
                "tensornorm: weight and bias are folded in place, and must not be const");
  static_assert(is_vector<B>(), "tensornorm: bias must be a vector");
  static_assert(std::is_same_v<typename EigenTraits<W>::Scalar, Scalar> &&
                    std::is_same_v<typename EigenTraits<B>::Scalar, Scalar>,
                "tensornorm: weight and bias need the layer's scalar");
  const FoldedAffine<double> by = folded(bn);
  if (!is_contiguous(weight)) fail_argument("weight should be contiguous: it has strides");
  if (!is_contiguous(bias)) fail_argument("bias should be contiguous: it has strides");
  const auto view = channel_view(weight, axis);
  const Index C = bn.num_features();
  if (view.shape.channels != C) {
    fail_argument("weight of shape ", dimensions_of(weight), " should have ", C, " outputs along axis ", axis);
  }
  auto sizes = dimensions_of(bias);
  for (auto& size : sizes) size = size == 0 ? C : size;
  const bool absent = is_resizable(bias) && comes_in<B>(sizes);
  if (bias.size() != C && !absent) fail_argument("bias should contain ", C, " elements not ", bias.size());
  check_memory(operand_of<Scalar>(weight), "weight");
  check_memory(operand_of<Scalar>(bias), "bias");
  if (absent) {
    resize(bias, sizes);
    std::fill_n(bias.data(), C, Scalar{0});
  }

  for (Index o = 0; o < view.shape.outer; ++o) {
    for (Index c = 0; c < C; ++c) {
      Scalar* const row = view.data + view.shape.offset(o, c, 0);
      for (Index i = 0; i < view.shape.inner; ++i) {
        row[i] = static_cast<Scalar>(static_cast<double>(row[i]) * by.scale[c]);
      }
    }
  }
  for (Index c = 0; c < C; ++c) {
    Scalar& b = bias.data()[c];
    b = static_cast<Scalar>(std::fma(by.scale[c], static_cast<double>(b), by.shift[c]));
  }
}

}  // namespace detail

/// What bn does in eval mode, as scale and shift of its channels. Throws std::logic_error when bn is in training mode
/// or has no running statistics, std::invalid_argument when one of its vectors was resized to anything but C. O(C).
template <typename Scalar, int SpatialDims>
FoldedAffine<Scalar> fold(const BatchNorm<Scalar, SpatialDims>& bn) {
  const FoldedAffine<double> exact = detail::folded(bn);
  return {exact.scale.template cast<Scalar>(), exact.shift.template cast<Scalar>()};
}

/// Makes a linear layer, weight (out, in) and bias (out), do what it and the bn after it did: y = bn(weight * x +
/// bias).
///
/// Both may be matrices, tensors or maps of either storage order, contiguous and of bn's scalar. An empty bias that can
/// be resized stands for none, and becomes one of [out]. Throws std::logic_error as fold() does, std::invalid_argument
/// for sizes that do not fit; nothing has been changed then. O(size of weight). Safe beside other readers of bn.
template <typename W, typename B, typename Scalar, int SpatialDims>
void fold_into_linear(W& weight, B& bias, const BatchNorm<Scalar, SpatialDims>& bn) {
  static_assert(detail::EigenTraits<W>::rank == 2, "tensornorm: expected a linear layer's weight, (out, in)");
  detail::fold_into(weight, bias, bn, 0);
}

/// fold_into_linear() for a convolution, grouped or not: weight (out, in, kH, kW), or with one or three axes of the
/// kernel.
template <typename W, typename B, typename Scalar, int SpatialDims>
void fold_into_convolution(W& weight, B& bias, const BatchNorm<Scalar, SpatialDims>& bn) {
  static_assert(detail::EigenTraits<W>::rank >= 3, "tensornorm: expected a convolution's weight, (out, in, kH, kW)");
  detail::fold_into(weight, bias, bn, 0);
}

/// fold_into_linear() for a transposed convolution of one group: weight (in, out, kH, kW).
template <typename W, typename B, typename Scalar, int SpatialDims>
void fold_into_transposed_convolution(W& weight, B& bias, const BatchNorm<Scalar, SpatialDims>& bn) {
  static_assert(detail::EigenTraits<W>::rank >= 3,
                "tensornorm: expected a transposed convolution's weight, (in, out, kH, kW)");
  detail::fold_into(weight, bias, bn, 1);
}

}}  // namespace tensornorm::v0
