// What the tests of misuse share: a layer that has something to lose, and the proof that it lost nothing.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <tensornorm/tensornorm.hpp>

#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn_test {

using Tensor4 = Tensor<float, 4>;
using Map4 = Eigen::TensorMap<Tensor4>;
using Options = tensornorm::BatchNormOptions;

inline const Dims kSizes{4, 3, 2, 5};

inline Tensor4 input(const Dims& dims = kSizes) {
  Random random(1);
  return normal<Tensor4>(random, dims, 1, 2);
}

/// A layer with a past: parameters and statistics of its own, a remembered forward of kSizes, gradients that are not
/// zero.
inline tensornorm::BatchNorm2d<> used_layer(Options options = {}) {
  tensornorm::BatchNorm2d<> bn(3, options);
  Random random(2);
  randomise_parameters(random, bn);
  bn(input());
  bn.backward(input(), input());
  return bn;
}

/// forward of x, each way it can be called, throws and changes nothing.
template <typename X>
void check_rejected(tensornorm::BatchNorm2d<>& bn, const X& x, std::initializer_list<std::string> words) {
  Tensor4 y = input();
  check_throws_untouched<std::invalid_argument>(bn, y, words, [&] { bn(x); });
  check_throws_untouched<std::invalid_argument>(bn, y, words, [&] { bn.forward(x, y); });
  check_throws_untouched<std::invalid_argument>(bn, y, words, [&] { bn.forward(Eigen::DefaultDevice{}, x, y); });
}

}  // namespace tn_test
