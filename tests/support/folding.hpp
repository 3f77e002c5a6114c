// Linear layers and convolutions as their definitions have them, summed in double and rounded once; and the proof that
// what was not folded was not touched.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>
#include <tensornorm/fold.hpp>
#include <tensornorm/tensornorm.hpp>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn_test {

/// A layer in eval mode with nothing left at its default.
template <typename Layer>
Layer trained_layer(Index channels, tensornorm::BatchNormOptions options = {}) {
  Layer bn(channels, options);
  Random random(7);
  randomise_parameters(random, bn);
  bn.eval();
  return bn;
}

/// y = x * weight^T + bias, [N, out].
template <typename X, typename W, typename B>
X linear(const X& x, const W& weight, const B& bias) {
  const Index out = dims_of(weight)[0], in = dims_of(weight)[1];
  X y(x.rows(), out);
  for (Index n = 0; n < x.rows(); ++n) {
    for (Index o = 0; o < out; ++o) {
      double sum = bias.size() == 0 ? 0 : static_cast<double>(bias(o));
      for (Index i = 0; i < in; ++i) sum += static_cast<double>(weight(o, i)) * static_cast<double>(x(n, i));
      y(n, o) = static_cast<typename X::Scalar>(sum);
    }
  }
  return y;
}

/// y[n, o, p] = bias[o] + sum over i, k of weight[o, i, k] * x[n, i, p + k], without padding; transposed:
/// weight[i, o, k] * x[n, i, p - k].
template <typename X, typename W>
X convolution(const X& x, const W& weight, const Eigen::VectorXf& bias, bool transposed) {
  const Dims x_dims = dims_of(x), w_dims = dims_of(weight);
  Dims y_dims{x_dims[0], w_dims[transposed ? 1 : 0]};
  for (std::size_t a = 2; a < x_dims.size(); ++a) {
    y_dims.push_back(transposed ? x_dims[a] + w_dims[a] - 1 : x_dims[a] - w_dims[a] + 1);
  }
  X y = make<X>(y_dims);
  for_each_index(y_dims, [&](const Dims& at, std::size_t) {
    double sum = bias.size() == 0 ? 0 : static_cast<double>(bias(at[1]));
    for_each_index(w_dims, [&](const Dims& k, std::size_t) {
      if (k[transposed ? 1 : 0] != at[1]) return;
      Dims from{at[0], k[transposed ? 0 : 1]};
      for (std::size_t a = 2; a < at.size(); ++a) {
        from.push_back(transposed ? at[a] - k[a] : at[a] + k[a]);
        if (from[a] < 0 || from[a] >= x_dims[a]) return;
      }
      sum += static_cast<double>(element(weight, k)) * static_cast<double>(element(x, from));
    });
    element(y, at) = static_cast<typename X::Scalar>(sum);
  });
  return y;
}

/// The same values without their signs.
template <typename V>
V absolute(V values) {
  for (Index i = 0; i < values.size(); ++i) values.data()[i] = std::abs(values.data()[i]);
  return values;
}

/// A layer that gives the sum of the sizes of all terms of bn's output, given that of its input.
template <typename Layer>
Layer of_sizes(Layer bn) {
  bn.weight() = absolute(bn.weight());
  bn.bias() = absolute(bn.bias());
  bn.running_mean() = -absolute(bn.running_mean());
  return bn;
}

/// The largest difference of two outputs, in units of u times the sum of the sizes of its terms.
template <typename X>
double largest_difference(const X& a, const X& b, const X& sizes) {
  if (dims_of(a) != dims_of(b) || dims_of(a) != dims_of(sizes)) return std::numeric_limits<double>::infinity();
  const NdArray x = logical(a), y = logical(b), size = logical(sizes);
  Worst worst;
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    worst.add(std::abs(x.values[i] - y.values[i]), unit_roundoff<typename X::Scalar> * size.values[i]);
  }
  return worst.ratio();
}

/// How far apart a pair of layers of float and the folded one may be, in these units. The pair rounds what is between
/// them, 1, and may be off by promise 2, 3 |weight * xhat| + |y|; of the folded one weights and bias are rounded, 1,
/// and the output, 1.
inline constexpr double kFolded = 7;

/// A convolution of kernels 2 x ... with and without bias, folded, does what the pair did.
template <int Rank, int Order>
void check_convolution(bool transposed = false) {
  using X = Tensor<float, Rank, Order>;
  Dims x_dims(Rank, 4), w_dims(Rank, 2);
  x_dims[0] = 2;
  x_dims[1] = 3;
  w_dims[0] = transposed ? 3 : 5;
  w_dims[1] = transposed ? 5 : 3;
  w_dims[2] = 3;
  for (const bool with_bias : {true, false}) {
    INFO(to_text(w_dims) << " bias " << with_bias << " order " << Order);
    Random random(1);
    const auto bn = trained_layer<LayerOf<float, Rank>>(5);
    const X x = normal<X>(random, x_dims);
    X weight = normal<X>(random, w_dims);
    Eigen::VectorXf bias;
    if (with_bias) bias = normal<Eigen::MatrixXf>(random, {5, 1});
    const X pair = bn(convolution(x, weight, bias, transposed));
    const X sizes = of_sizes(bn)(convolution(absolute(x), absolute(weight), absolute(bias), transposed));
    if (transposed) {
      tensornorm::fold_into_transposed_convolution(weight, bias, bn);
    } else {
      tensornorm::fold_into_convolution(weight, bias, bn);
    }
    REQUIRE(bias.size() == 5);
    CHECK(largest_difference(convolution(x, weight, bias, transposed), pair, sizes) <= kFolded);
  }
}

template <int Rank, int Order>
void check_transposed_convolution() {
  check_convolution<Rank, Order>(true);
}

/// call() throws, with these words, and neither weight nor bias has changed in size or in a byte.
template <typename Exception = std::invalid_argument, typename W, typename B, typename Call>
void check_unchanged(std::initializer_list<std::string> words, const W& weight, const B& bias, const Call& call) {
  const auto weight_bytes = weight.size() == 0 ? NdArray{} : logical(weight);
  const auto bias_size = bias.size();
  const auto bias_bytes = bytes_of(bias);
  check_throws<Exception>(words, call);
  if (weight.size() > 0) CHECK(logical(weight).values == weight_bytes.values);
  CHECK(bias.size() == bias_size);
  CHECK(bytes_of(bias) == bias_bytes);
}

/// None of the four ways of folding takes a layer of 4 channels.
template <typename Exception>
void check_not_folded(const tensornorm::BatchNorm2d<>& bn, std::initializer_list<std::string> words) {
  check_throws<Exception>(words, [&] { tensornorm::fold(bn); });
  Eigen::MatrixXf matrix = Eigen::MatrixXf::Ones(4, 3);
  Tensor<float, 4> kernel(4, 4, 2, 2);
  kernel.setConstant(1);
  for (Eigen::VectorXf bias : {Eigen::VectorXf(Eigen::VectorXf::Ones(4)), Eigen::VectorXf()}) {
    check_unchanged<Exception>(words, matrix, bias, [&] { tensornorm::fold_into_linear(matrix, bias, bn); });
    check_unchanged<Exception>(words, kernel, bias, [&] { tensornorm::fold_into_convolution(kernel, bias, bn); });
    check_unchanged<Exception>(words, kernel, bias,
                               [&] { tensornorm::fold_into_transposed_convolution(kernel, bias, bn); });
  }
}

}  // namespace tn_test
