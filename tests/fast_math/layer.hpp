// A layer's passes, compiled in layer.cpp with -ffast-math and nowhere else.
#pragma once

#include <tensornorm/tensornorm.hpp>

namespace fast_math {

/// Of a training forward and backward, and then of an evaluation and its backward.
template <typename X>
struct Results {
  tensornorm::BatchNorm2d<typename X::Scalar> evaluated;  // a copy of the layer, with the gradients of the evaluation
  X y, dx, eval, eval_dx;
};

/// Leaves the layer in training mode, with the gradients of that.
template <typename X>
Results<X> run(tensornorm::BatchNorm2d<typename X::Scalar>& bn, const X& x, const X& dy);

}  // namespace fast_math
