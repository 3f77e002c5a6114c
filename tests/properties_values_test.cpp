// What must hold when the values themselves change: x shifted, negated, scaled by a power of two, and the exact fill of
// oneDNN's benchdnn, which proves that every element is found. Over random cases; support/random_cases.hpp says how to
// run one of them again.
#include <doctest/doctest.h>

#include <cmath>
#include <tensornorm/tensornorm.hpp>
#include <utility>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/hard_cases.hpp"
#include "support/random.hpp"
#include "support/random_cases.hpp"
#include "support/reference.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Eigen::VectorXf;

namespace {

/// Whether two tensors hold the same numbers bit for bit, a zero being a zero whatever its sign.
template <typename X>
bool same_numbers(const X& a, const X& b) {
  for (Index i = 0; i < a.size(); ++i) {
    if (bits(a.data()[i]) != bits(b.data()[i]) && !(a.data()[i] == 0 && b.data()[i] == 0)) return false;
  }
  return a.size() == b.size();
}

float power_of_two(Random& random, Index most) {
  return static_cast<float>(std::ldexp(1, static_cast<int>(random.below(2 * most + 1) - most)));
}

/// A multiple of 1/256 below `size`: sums and differences of two of them are exact.
float on_grid(Random& random, Index size) {
  return static_cast<float>(std::ldexp(random.sign() * static_cast<double>(random.below(256 * size)), -8));
}

}  // namespace

TEST_CASE("property: shifting x shifts the mean and leaves y") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    X x = make<X>(layout.dims);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = on_grid(random, 16);
    const X dy = normal<X>(random, layout.dims);
    const float shift = on_grid(random, 4000);
    const X shifted = x + shift;
    auto bn = with_random_affine(recording_layer<float>(layout.channels(), layout.axis), random), other = bn;
    INFO("shift " << shift);
    const NdArray exact = logical(shifted);
    CHECK(output_error(other, exact, other(shifted), Statistics::kBatch) <= 1);
    CHECK(mean_error(other.running_mean(), moments(exact, layout.axis)) <= 1);
    CHECK(variance_error(other.running_var(), moments(exact, layout.axis), 1) <= 1);
    CHECK(gradient_error(other, exact, logical(dy), other.backward(shifted, dy), Statistics::kBatch) <= 1);

    for (Index c = 0; c < layout.channels(); ++c) bn.running_mean()(c) = on_grid(random, 4);
    other.running_mean() = bn.running_mean().array() + shift;
    other.running_var() = bn.running_var();
    bn.eval();
    other.eval();
    CHECK(same_bits(other(shifted), bn(x)));
    CHECK(same_bits(other.backward(shifted, dy), bn.backward(x, dy)));
  });
}

TEST_CASE("property: with bias 0 negating x negates y") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    tn::BatchNorm2d<> bn = random_layer(random, layout);
    bn.bias().setZero();
    tn::BatchNorm2d<> other = bn;
    other.running_mean() = -bn.running_mean();
    const X x = ill_conditioned<X>(random, layout.dims, layout.axis), negative = -x,
            dy = normal<X>(random, layout.dims);
    for (const bool training : {true, false}) {
      bn.train(training);
      other.train(training);
      bn.zero_grad();
      other.zero_grad();
      const X y = bn(x), negative_y = -y;
      CHECK(same_numbers(X(other(negative)), negative_y));
      CHECK(same_numbers(X(other.backward(negative, dy)), X(bn.backward(x, dy))));
      CHECK(same_numbers(other.weight_grad(), VectorXf(-bn.weight_grad())));
      CHECK(same_numbers(other.bias_grad(), bn.bias_grad()));
    }
    CHECK(same_numbers(other.running_mean(), VectorXf(-bn.running_mean())));
    CHECK(same_bits(other.running_var(), bn.running_var()));
  });
}

TEST_CASE("property: with eps = 0 scaling by powers of two changes no digit") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    tn::BatchNorm2d<> bn = random_layer(random, layout, 0), other = bn;
    const float scale = power_of_two(random, 20), scale_dy = power_of_two(random, 20);
    other.running_mean() = scale * bn.running_mean();
    other.running_var() = scale * scale * bn.running_var();
    const X x = ill_conditioned<X>(random, layout.dims, layout.axis), dy = normal<X>(random, layout.dims);
    const X scaled = x * scale, scaled_dy = dy * scale_dy;
    INFO("scale " << scale << ", of dy " << scale_dy);
    for (const bool training : {true, false}) {
      bn.train(training);
      other.train(training);
      CHECK(same_bits(other(scaled), bn(x)));
      const X dx = bn.backward(x, dy), scaled_dx = dx * (scale_dy / scale);
      CHECK(same_bits(other.backward(scaled, scaled_dy), scaled_dx));
    }
    CHECK(same_bits(other.running_mean(), VectorXf(scale * bn.running_mean())));
    CHECK(same_bits(other.running_var(), VectorXf(scale * scale * bn.running_var())));
    CHECK(same_bits(other.weight_grad(), VectorXf(scale_dy * bn.weight_grad())));
    CHECK(same_bits(other.bias_grad(), VectorXf(scale_dy * bn.bias_grad())));
  });
}

TEST_CASE("property: the exact fill has the mean and variance it was made with") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    // Pairs m * (1 + f), m * (1 - f), their places shuffled; an odd one left over is m.
    X x = make<X>(layout.dims);
    const Places places = places_of_channels(x, layout);
    std::vector<float> mean, variance;
    for (std::size_t c = 0; c < places.size(); ++c) {
      const std::size_t n = places[c].size();
      const std::vector<std::size_t> order_of = shuffled(random, layout.per_channel());
      const double m = std::ldexp(1, static_cast<int>(c % 7) - 2);
      double m2 = 0;
      for (std::size_t k = 0; k < n; k += 2) {
        const double f = k + 1 < n ? std::ldexp(static_cast<double>(random.below(16)), -6) : 0;
        x.data()[places[c][order_of[k]]] = static_cast<float>(m * (1 + f));
        if (k + 1 < n) x.data()[places[c][order_of[k + 1]]] = static_cast<float>(m * (1 - f));
        m2 += 2 * m * f * m * f;
      }
      mean.push_back(static_cast<float>(m));
      variance.push_back(static_cast<float>(m2 / static_cast<double>(n)));
    }
    auto bn = recording_layer<float>(layout.channels(), layout.axis, 0);
    CHECK(output_error(bn, logical(x), bn(x), Statistics::kBatch) <= 1);
    int right = 0;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const auto at = static_cast<Index>(c);
      right += bn.running_mean()(at) == mean[c] && ulp_distance(bn.running_var()(at), variance[c]) <= 1 ? 1 : 0;
    }
    CHECK(right == layout.channels());
  });
}
