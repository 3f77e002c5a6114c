// What must hold of any input, to the bit: permuted channels, negation, powers of two, a value's place, how often it
// runs, and the exact fill of oneDNN's benchdnn, which proves that every element is found. Over random shapes and
// layouts.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <utility>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace tn = tensornorm;
using namespace tn_test;

namespace {

/// body(Constant<Order>, dims, axis, random) over random shapes of at least two values a channel. Most are small, some
/// have long planes, many channels or many rows.
template <typename Body>
void for_each_random_case(std::uint64_t cases, Body body) {
  for (std::uint64_t seed = 1; seed <= cases; ++seed) {
    Random random(seed);
    Dims shape{1 + random.below(5), 1 + random.below(20), 1 + random.below(7), 1 + random.below(9)};
    if (seed % 10 == 0) shape[std::vector<std::size_t>{0, 1, 3}[seed / 10 % 3]] *= 50;
    if (shape[0] * shape[2] * shape[3] < 2) shape[0] = 2;
    const int axis = static_cast<int>(random.below(4));
    const Dims dims = with_channels_at(shape, axis);
    const auto run = [&](auto order) {
      INFO(to_text(dims, axis, decltype(order)::value, seed));
      body(order, dims, axis, random);
    };
    if (random.below(2) == 0) {
      run(Constant<Eigen::RowMajor>{});
    } else {
      run(Constant<Eigen::ColMajor>{});
    }
  }
}

template <typename Scalar, typename Order>
using TensorOf = Tensor<Scalar, 4, Order::value>;

/// A layer with random parameters, statistics and options.
tn::BatchNorm2d<> random_layer(Random& random, const Dims& dims, int axis, double eps = 1e-5) {
  tn::BatchNormOptions options = on_axis(axis);
  options.eps = eps;
  options.momentum = random.uniform();
  tn::BatchNorm2d<> bn(dims[resolve_axis(axis, dims)], options);
  randomise_parameters(random, bn);
  return bn;
}

/// Whether two tensors hold the same numbers bit for bit, a zero being a zero whatever its sign.
template <typename X>
bool same_numbers(const X& a, const X& b) {
  for (Index i = 0; i < a.size(); ++i) {
    if (bits(a.data()[i]) != bits(b.data()[i]) && !(a.data()[i] == 0 && b.data()[i] == 0)) return false;
  }
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("permuting the channels permutes everything") {
  for_each_random_case(2000, [](auto order, const Dims& dims, int axis, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    const std::size_t channel_of = resolve_axis(axis, dims);
    const Index channels = dims[channel_of];
    std::vector<Index> from(static_cast<std::size_t>(channels));  // channel c of the permuted tensor was from[c]
    for (Index c = 0; c < channels; ++c) {
      const auto other = static_cast<std::size_t>(random.below(c + 1));
      from[static_cast<std::size_t>(c)] = from[other];
      from[other] = c;
    }
    const auto permuted = [&](const X& x) {
      X out = make<X>(dims);
      for_each_index(dims, [&](const Dims& at, std::size_t) {
        Dims old = at;
        old[channel_of] = from[static_cast<std::size_t>(at[channel_of])];
        element(out, at) = element(x, old);
      });
      return out;
    };
    const auto permuted_vector = [&](const Eigen::VectorXf& v) {
      Eigen::VectorXf out(channels);
      for (Index c = 0; c < channels; ++c) out(c) = v(from[static_cast<std::size_t>(c)]);
      return out;
    };
    tn::BatchNorm2d<> bn = random_layer(random, dims, axis), other = bn;
    other.weight() = permuted_vector(bn.weight());
    other.bias() = permuted_vector(bn.bias());
    other.running_mean() = permuted_vector(bn.running_mean());
    other.running_var() = permuted_vector(bn.running_var());
    const X x = ill_conditioned<X>(random, dims, axis), dy = normal<X>(random, dims);
    for (const bool training : {true, false}) {
      bn.train(training);
      other.train(training);
      CHECK(same_bits(other(permuted(x)), permuted(bn(x))));
      CHECK(same_bits(other.backward(permuted(x), permuted(dy)), permuted(bn.backward(x, dy))));
    }
    CHECK(same_bits(other.running_mean(), permuted_vector(bn.running_mean())));
    CHECK(same_bits(other.running_var(), permuted_vector(bn.running_var())));
    CHECK(same_bits(other.weight_grad(), permuted_vector(bn.weight_grad())));
    CHECK(same_bits(other.bias_grad(), permuted_vector(bn.bias_grad())));
  });
}

TEST_CASE("with bias 0, negating x negates y") {
  for_each_random_case(2000, [](auto order, const Dims& dims, int axis, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    tn::BatchNorm2d<> bn = random_layer(random, dims, axis);
    bn.bias().setZero();
    tn::BatchNorm2d<> other = bn;
    other.running_mean() = -bn.running_mean();
    const X x = ill_conditioned<X>(random, dims, axis), negative = -x;
    for (const bool training : {true, false}) {
      bn.train(training);
      other.train(training);
      const X y = bn(x), wanted = -y;
      CHECK(same_numbers(X(other(negative)), wanted));
    }
    CHECK((other.running_mean().array() == -bn.running_mean().array()).all());
    CHECK(same_bits(other.running_var(), bn.running_var()));
  });
}

TEST_CASE("with eps = 0, scaling x by a power of two changes no bit of y") {
  for_each_random_case(2000, [](auto order, const Dims& dims, int axis, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    tn::BatchNorm2d<> bn = random_layer(random, dims, axis, 0), other = bn;
    const auto scale = static_cast<float>(std::ldexp(1, static_cast<int>(random.below(41)) - 20));
    other.running_mean() = scale * bn.running_mean();
    other.running_var() = scale * scale * bn.running_var();
    const X x = ill_conditioned<X>(random, dims, axis), scaled = x * scale;
    INFO("scale " << scale);
    for (const bool training : {true, false}) {
      bn.train(training);
      other.train(training);
      CHECK(same_bits(other(scaled), bn(x)));
    }
    CHECK(same_bits(other.running_mean(), Eigen::VectorXf(scale * bn.running_mean())));
    CHECK(same_bits(other.running_var(), Eigen::VectorXf(scale * scale * bn.running_var())));
  });
}

TEST_CASE("the same x in a channel gives the same y, wherever it stands") {
  for_each_random_case(2000, [](auto order, const Dims& dims, int axis, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    const std::size_t channel_of = resolve_axis(axis, dims);
    tn::BatchNorm2d<> bn = random_layer(random, dims, axis);
    X x = make<X>(dims), dy = make<X>(dims);  // few values, each of them in many places
    for (Index i = 0; i < x.size(); ++i) {
      const Index which = random.below(5);
      x.data()[i] = static_cast<float>(100 + 0.1 * double(which * which));
      dy.data()[i] = static_cast<float>(0.3 * double(which));
    }
    const auto one_y_for_each_x = [&](const X& y) {
      std::map<std::pair<Index, float>, float> seen;
      bool same = true;
      for_each_index(dims, [&](const Dims& at, std::size_t) {
        const auto [entry, is_new] = seen.insert({{at[channel_of], element(x, at)}, element(y, at)});
        same = same && (is_new || bits(entry->second) == bits(element(y, at)));
      });
      return same;
    };
    CHECK(one_y_for_each_x(bn(x)));
    CHECK(one_y_for_each_x(bn.backward(x, dy)));
    bn.eval();
    CHECK(one_y_for_each_x(bn(x)));
    CHECK(one_y_for_each_x(bn.backward(x, dy)));
  });
}

TEST_CASE("twenty runs, out of place and in place, give the same bits") {
  for_each_random_case(200, [](auto order, const Dims& dims, int axis, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    const tn::BatchNorm2d<> prototype = random_layer(random, dims, axis);
    const X x = ill_conditioned<X>(random, dims, axis), dy = normal<X>(random, dims);
    tn::BatchNorm2d<> bn = prototype;
    const X y = bn(x), dx = bn.backward(x, dy);
    int equal = 0;
    for (int repeat = 0; repeat < 20; ++repeat) {
      tn::BatchNorm2d<> again = prototype;
      X in_place = x, gradient = dy;
      again.forward(in_place, in_place);
      again.backward(x, gradient, gradient);
      equal += same_bits(in_place, y) && same_bits(gradient, dx) && same_bits(again.running_var(), bn.running_var()) &&
                       same_bits(again.weight_grad(), bn.weight_grad())
                   ? 1
                   : 0;
    }
    CHECK(equal == 20);
  });
}

TEST_CASE("the exact fill: mean and variance of a channel are what they were made to be, in every layout") {
  for_each_random_case(2000, [](auto order, const Dims& dims, int axis, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    const std::size_t channel_of = resolve_axis(axis, dims);
    const Index channels = dims[channel_of], count = size_of(dims) / channels;
    // Pairs m * (1 + f), m * (1 - f), their places shuffled; an odd one left over is m.
    X x = make<X>(dims);
    std::vector<float> mean(static_cast<std::size_t>(channels));
    std::vector<double> m2(static_cast<std::size_t>(channels), 0);
    std::vector<std::vector<float>> values(static_cast<std::size_t>(channels));
    for (std::size_t c = 0; c < values.size(); ++c) {
      const double m = std::ldexp(1, static_cast<int>(c % 7) - 2);
      mean[c] = static_cast<float>(m);
      for (Index k = 0; k + 1 < count; k += 2) {
        const double f = std::ldexp(static_cast<double>(random.below(16)), -6);
        values[c].push_back(static_cast<float>(m * (1 + f)));
        values[c].push_back(static_cast<float>(m * (1 - f)));
        m2[c] += 2 * m * f * m * f;
      }
      if (count % 2 == 1) values[c].push_back(mean[c]);
      for (std::size_t i = values[c].size(); i > 1; --i) {
        std::swap(values[c][i - 1], values[c][static_cast<std::size_t>(random.below(static_cast<Index>(i)))]);
      }
    }
    std::vector<std::size_t> next(values.size(), 0);
    for_each_index(dims, [&](const Dims& at, std::size_t) {
      const auto c = static_cast<std::size_t>(at[channel_of]);
      element(x, at) = values[c][next[c]++];
    });
    tn::BatchNormOptions options = on_axis(axis);
    options.momentum = 1;
    options.running_correction = 0;
    tn::BatchNorm2d<> bn(channels, options);
    CHECK(output_error(bn, logical(x), bn(x), Statistics::kBatch) <= 1);
    bool right = true;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const auto at = static_cast<Index>(c);
      right = right && bn.running_mean()(at) == mean[c] &&
              ulp_distance(bn.running_var()(at), static_cast<float>(m2[c] / static_cast<double>(count))) <= 1;
    }
    CHECK(right);
  });
}
