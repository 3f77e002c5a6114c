// What holds under -ffast-math, or a part of it: the layer is built with it, what judges it is not.
#include <doctest/doctest.h>

#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "fast_math/layer.hpp"
#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/hard_cases.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

using namespace tn_test;

namespace {

/// One training step against its bounds, and an evaluation with the statistics it left.
template <typename X, typename Layer>
void check_step(Layer bn, const X& x, const X& dy) {
  const auto results = fast_math::run(bn, x, dy);
  const NdArray exact = logical(x);
  const std::vector<Moments> channels = moments(exact, bn.options().channel_axis);
  CHECK(mean_error(bn.running_mean(), channels) <= 1);
  CHECK(variance_error(bn.running_var(), channels, 1) <= 1);
  CHECK(output_error(bn, exact, results.y, Statistics::kBatch) <= 1);
  CHECK(gradient_error(bn, exact, logical(dy), results.dx, Statistics::kBatch) <= 1);
  const bool var_is_finite = bn.running_var().array().isFinite().all();
  if (var_is_finite) {
    CHECK(output_error(bn, exact, results.eval, Statistics::kRunning) <= 1);
    CHECK(gradient_error(results.evaluated, exact, logical(dy), results.eval_dx, Statistics::kRunning) <= 1);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("ill-conditioned values of every layout keep every bound", Scalar, float, double) {
  std::vector<Dims> shapes = small_shapes();
  if (std::is_same_v<Scalar, float>) shapes.push_back({300, 2, 16, 16});
  for_each_case(2, shapes, [](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
    using X = TensorOf<Scalar, decltype(order)>;
    INFO(name);
    const X x = hard_input<X>(random, dims, axis), dy = normal<X>(random, dims);
    check_step(with_random_affine(recording_layer<Scalar>(channels_of(dims, axis), axis), random), x, dy);
  });
}

TEST_CASE("sums of millions of values, of which two come in turn, keep what they round off") {
  using X = Tensor<double, 4, Eigen::RowMajor>;
  for (const double other : {0.7, 0.6687}) {
    X x = make<X>({1, 1, 1, 1 << 22});
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = i % 2 == 0 ? 0.1 : other;
    auto bn = recording_layer<double>(1, 1);
    fast_math::run(bn, x, x);
    CHECK(variance_error(bn.running_var(), moments(logical(x), 1), 1) <= 1);
  }
}

TEST_CASE("a constant channel gives bias, to the bit") {
  for_each_case(1, small_shapes(), [](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
    using X = TensorOf<float, decltype(order)>;
    auto bn = with_random_affine(recording_layer<float>(channels_of(dims, axis), axis), random);
    const X x = normal_channels<X>(random, dims, axis, [](Index c) { return Spread{0.1 + 1e6 * double(c), 0}; });
    const X dy = normal<X>(random, dims);
    const auto results = fast_math::run(bn, x, dy);
    bool right = true;
    for_each_index(dims, [&](const Dims& at, std::size_t) {
      right = right && bits(element(results.y, at)) == bits(bn.bias()(at[resolve_axis(axis, dims)]));
    });
    INFO(name);
    CHECK(right);
    CHECK((bn.running_var().array() == 0).all());
    CHECK((bn.weight_grad().array() == 0).all());
  });
}
