#include "fast_math/layer.hpp"

#if !defined(__FAST_MATH__) && !defined(__ASSOCIATIVE_MATH__)
#error "this file is to be built with -ffast-math, or a part of it"
#endif

namespace fast_math {

template <typename X>
Results<X> run(tensornorm::BatchNorm2d<typename X::Scalar>& bn, const X& x, const X& dy) {
  Results<X> results{bn, {}, {}, {}, {}};
  bn.train();
  bn.forward(x, results.y);
  bn.backward(x, dy, results.dx);
  results.evaluated = bn;
  results.evaluated.eval();
  results.evaluated.zero_grad();
  results.evaluated.forward(x, results.eval);
  results.evaluated.backward(x, dy, results.eval_dx);
  return results;
}

template <typename Scalar, int Order>
using Tensor = Eigen::Tensor<Scalar, 4, Order>;

template Results<Tensor<float, Eigen::RowMajor>> run(tensornorm::BatchNorm2d<float>&,
                                                     const Tensor<float, Eigen::RowMajor>&,
                                                     const Tensor<float, Eigen::RowMajor>&);
template Results<Tensor<float, Eigen::ColMajor>> run(tensornorm::BatchNorm2d<float>&,
                                                     const Tensor<float, Eigen::ColMajor>&,
                                                     const Tensor<float, Eigen::ColMajor>&);
template Results<Tensor<double, Eigen::RowMajor>> run(tensornorm::BatchNorm2d<double>&,
                                                      const Tensor<double, Eigen::RowMajor>&,
                                                      const Tensor<double, Eigen::RowMajor>&);
template Results<Tensor<double, Eigen::ColMajor>> run(tensornorm::BatchNorm2d<double>&,
                                                      const Tensor<double, Eigen::ColMajor>&,
                                                      const Tensor<double, Eigen::ColMajor>&);

}  // namespace fast_math
