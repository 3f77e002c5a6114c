// The promises where others fail outright, a test case each: constants, values near the ends of the range, outliers,
// NaN.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/hard_cases.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace tn = tensornorm;
using namespace tn_test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Promise 12 with NaN and both infinities, each at a random place.
void check_one_spoilt_channel(const std::vector<Dims>& shapes) {
  for_each_case(3, shapes, [](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
    using X = TensorOf<float, decltype(order)>;
    const std::size_t channel_of = resolve_axis(axis, dims);
    const Index channels = dims[channel_of];
    tn::BatchNorm2d<> clean(channels, on_axis(axis));
    randomise_parameters(random, clean);
    const tn::BatchNorm2d<> prototype = clean;
    const X x = normal<X>(random, dims, 0.5), dy = normal<X>(random, dims);
    const X y = clean(x), dx = clean.backward(x, dy);
    for (const float poison : {kNaN, kInf, -kInf}) {
      Dims where;
      for (const Index extent : dims) where.push_back(random.below(extent));
      const Index spoilt = where[channel_of];
      X poisoned = x;
      element(poisoned, where) = poison;
      tn::BatchNorm2d<> bn = prototype;
      const X got = bn(poisoned), got_dx = bn.backward(poisoned, dy);
      const auto only_there = [&](const X& spoilt_x, const X& clean_x) {
        bool right = true;
        for_each_index(dims, [&](const Dims& at, std::size_t) {
          const float value = element(spoilt_x, at);
          right = right && (at[channel_of] == spoilt ? std::isnan(value) : bits(value) == bits(element(clean_x, at)));
        });
        return right;
      };
      INFO(name << " with " << poison << " at " << to_text(where));
      CHECK(only_there(got, y));
      CHECK(only_there(got_dx, dx));
      const float mean = bn.running_mean()(spoilt);
      const bool mean_is_right = std::isnan(poison) ? std::isnan(mean) : mean == poison;
      CHECK(mean_is_right);
      CHECK(std::isnan(bn.running_var()(spoilt)));
      bn.running_mean()(spoilt) = clean.running_mean()(spoilt);
      bn.running_var()(spoilt) = clean.running_var()(spoilt);
      bn.weight_grad()(spoilt) = clean.weight_grad()(spoilt);
      CHECK(same_bits(bn.running_mean(), clean.running_mean()));
      CHECK(same_bits(bn.running_var(), clean.running_var()));
      CHECK(same_bits(bn.weight_grad(), clean.weight_grad()));
      CHECK(same_bits(bn.bias_grad(), clean.bias_grad()));
    }
  });
}

}  // namespace

TEST_CASE("promise 4: a constant channel has its value as mean, variance 0, bias as y, no weight gradient") {
  const std::vector<float> constants{0.1f,  1e10f, 3e38f,    -3e38f, 1.f / 3, 16777215.f, 1e-40f,
                                     1e30f, 0.f,   -1234.5f, -1e-7f, 1e19f,   3.14159f,   -1e-40f};
  std::vector<Dims> shapes = small_shapes();
  shapes.push_back({9, 3, 56, 56});
  shapes.push_back({9999, 3, 1, 1});
  for_each_case(2, shapes, [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
    using X = TensorOf<float, decltype(order)>;
    const auto first = static_cast<std::size_t>(random.below(14));
    const auto constant = [&](Index c) { return constants[(first + static_cast<std::size_t>(c)) % constants.size()]; };
    const std::size_t channel_of = resolve_axis(axis, dims);
    X x = make<X>(dims), dy = normal<X>(random, dims, 1);
    for_each_index(dims, [&](const Dims& at, std::size_t) { element(x, at) = constant(at[channel_of]); });
    auto bn = with_random_affine(recording_layer<float>(dims[channel_of], axis), random);
    const X y = bn(x);
    bn.backward(x, dy);
    bool is_bias = true, is_exact = true;
    for_each_index(dims, [&](const Dims& at, std::size_t) {
      is_bias = is_bias && bits(element(y, at)) == bits(bn.bias()(at[channel_of]));
    });
    for (Index c = 0; c < dims[channel_of]; ++c) {
      is_exact =
          is_exact && bn.running_mean()(c) == constant(c) && bn.running_var()(c) == 0 && bn.weight_grad()(c) == 0;
    }
    INFO(name);
    CHECK(is_bias);
    CHECK(is_exact);
  });
}

TEST_CASE("promise 5: values of 1e30 and of 1e-40, a running variance that is infinite only where it must be") {
  for (const double scale : {1e30, 1e19, 1e25, 1e15, 1e-15, 1e-25, 1e-40, 5e37}) {
    for_each_case(1, small_shapes(),
                  [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
                    using X = TensorOf<float, decltype(order)>;
                    const X x = normal<X>(random, dims, 0, scale);
                    const NdArray exact = logical(x);
                    INFO(name << " scale " << scale);
                    auto bn = with_random_affine(recording_layer<float>(channels_of(dims, axis), axis), random);
                    CHECK(output_error(bn, exact, bn(x), Statistics::kBatch) <= 1);
                    CHECK(mean_error(bn.running_mean(), moments(exact, axis)) <= 1);
                    CHECK(variance_error(bn.running_var(), moments(exact, axis), 1) <= 1);
                    if (scale == 1e30) CHECK((bn.running_var().array() == kInf).all());
                    if (scale == 1e19) CHECK(bn.running_var().allFinite());
                    // dy of a size that keeps dx and dweight among the normal floats.
                    const X dy = normal<X>(random, dims, 0, std::min(std::max(scale, 1e20), 1e30));
                    CHECK(gradient_error(bn, exact, logical(dy), bn.backward(x, dy), Statistics::kBatch) <= 1);
                  });
  }
}

TEST_CASE("promise 5: with eps = 0 only the values themselves give the scale") {
  for (const double scale : {1e30, 1e-15, 1e-30, 1e-40}) {
    for_each_case(
        1, small_shapes(), [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
          using X = TensorOf<float, decltype(order)>;
          tn::BatchNormOptions options = on_axis(axis);
          options.eps = 0;
          tn::BatchNorm2d<> bn(channels_of(dims, axis), options);
          const X x = normal<X>(random, dims, 0, scale), dy = normal<X>(random, dims, 0, std::min(1.0, scale * 1e20));
          INFO(name << " scale " << scale);
          CHECK(output_error(bn, logical(x), bn(x), Statistics::kBatch) <= 1);
          CHECK(gradient_error(bn, logical(x), logical(dy), bn.backward(x, dy), Statistics::kBatch) <= 1);
        });
  }
}

TEST_CASE("promise 5: gradients in range, of terms that are not") {
  // dy is near 1e38, and invstd near 4; dx is what differs.
  for (const double spread : {0.01, 0.05}) {
    for_each_case(1, small_shapes(),
                  [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
                    using X = TensorOf<float, decltype(order)>;
                    const X x = normal<X>(random, dims, 1, 0.25);
                    X dy = normal<X>(random, dims, 1, spread);
                    for (Index i = 0; i < dy.size(); ++i) dy.data()[i] *= 1e38f;
                    tn::BatchNormOptions options = on_axis(axis);
                    options.affine = false;
                    tn::BatchNorm2d<> bn(channels_of(dims, axis), options);
                    bn(x);
                    INFO(name << " spread " << spread);
                    CHECK(gradient_error(bn, logical(x), logical(dy), bn.backward(x, dy), Statistics::kBatch) <= 1);
                  });
  }
}

TEST_CASE("promise 6: seven in ten -3e38 and the others +3e38") {
  for_each_case(3, small_shapes(), [](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
    using X = TensorOf<float, decltype(order)>;
    X x = make<X>(dims);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = random.uniform() < 0.7 ? -3e38f : 3e38f;
    const X dy = normal<X>(random, dims, 0, 1e6);  // so that dx is among the normal floats
    const NdArray exact = logical(x);
    auto bn = with_random_affine(recording_layer<float>(channels_of(dims, axis), axis), random);
    INFO(name);
    CHECK(output_error(bn, exact, bn(x), Statistics::kBatch) <= 1);
    CHECK(mean_error(bn.running_mean(), moments(exact, axis)) <= 1);
    CHECK(variance_error(bn.running_var(), moments(exact, axis), 1) <= 1);
    CHECK(gradient_error(bn, exact, logical(dy), bn.backward(x, dy), Statistics::kBatch) <= 1);
    bn.eval();  // x - running_mean overflows here too, and y does not
    bn.running_mean().setConstant(-3e38f);
    bn.running_var().setConstant(1e38f);
    bn.zero_grad();
    CHECK(output_error(bn, exact, bn(x), Statistics::kRunning) <= 1);
    CHECK(gradient_error(bn, exact, logical(dy), bn.backward(x, dy), Statistics::kRunning) <= 1);
  });
}

TEST_CASE("promise 2: a sum beyond the range of float, a product that bias brings back, the low half of a tiny mean") {
  for (const Index n : {1035, 100005}) {
    tn::BatchNorm1d<> bn(1);
    Tensor<float, 3> x(1, 1, n);
    for (Index i = 0; i < n; ++i) x(0, 0, i) = i * 7 % 15 < 6 ? -1.69473304e38f : -1.69473953e38f;
    const auto before = bn;
    const auto y = bn(x);
    CHECK(output_error(before, logical(x), y, Statistics::kBatch) <= 1);
  }
  {
    tn::BatchNorm1d<> bn(1);
    bn.eval();
    bn.weight()(0) = 1.5f;
    bn.bias()(0) = -2e38f;
    Tensor<float, 3> x(1, 1, 5);
    x.setConstant(2.4e38f);
    CHECK(output_error(bn, logical(x), bn(x), Statistics::kRunning) <= 1);
  }
  {
    tn::BatchNormOptions options;
    options.eps = 0;
    tn::BatchNorm1d<> bn(1, options);
    Tensor<float, 3> x(1, 1, 3);
    x.setValues({{{-1.26273247e-39f, -4.96519843e-39f, -8.6743724e-39f}}});
    const auto before = bn;
    const auto y = bn(x);
    CHECK(output_error(before, logical(x), y, Statistics::kBatch) <= 1);
  }
}

TEST_CASE("promise 7: one outlier of 1e7 among N(0, 1), wherever it stands") {
  constexpr Index kCount = 10000;
  std::vector<Index> places{0, kCount / 2, kCount - 1};
  for (Index edge = 4; edge < kCount; edge *= 2) places.insert(places.end(), {edge - 1, edge, edge + 1});
  const auto run = [&](auto order, const Dims& dims, int axis) {
    using X = TensorOf<float, decltype(order)>;
    Random random(7);
    const X noise = normal<X>(random, dims);
    const std::size_t channel_of = resolve_axis(axis, dims);
    for (const Index place : places) {
      X x = noise;
      // The place-th value of channel 1 in memory: the order in which the sums meet it.
      Index seen = 0;
      for_each_index(decltype(order)::value == Eigen::RowMajor ? dims : Dims(dims.rbegin(), dims.rend()),
                     [&](Dims at, std::size_t) {
                       if (decltype(order)::value == Eigen::ColMajor) at = Dims(at.rbegin(), at.rend());
                       if (at[channel_of] == 1 && seen++ == place) element(x, at) = 1e7f;
                     });
      const NdArray exact = logical(x);
      auto bn = recording_layer<float>(dims[channel_of], axis);
      INFO(to_text(dims, axis, decltype(order)::value, 7) << " outlier at " << place);
      CHECK(output_error(bn, exact, bn(x), Statistics::kBatch) <= 1);
      CHECK(mean_error(bn.running_mean(), moments(exact, axis)) <= 1);
      CHECK(variance_error(bn.running_var(), moments(exact, axis), 1) <= 1);
    }
  };
  for_each_order([&](auto order) {
    for (const Dims& shape :
         {Dims{1, 2, 1, kCount}, Dims{100, 2, 10, 10}, Dims{kCount, 2, 1, 1}, Dims{2500, 2, 2, 2}}) {
      run(order, shape, 1);
    }
    run(order, {kCount, 1, 1, 2}, -1);
  });
}

TEST_CASE("promise 12: one NaN or infinity spoils its channel and leaves every other to the bit") {
  std::vector<Dims> shapes = small_shapes();
  shapes.push_back({2, 3, 40, 40});
  check_one_spoilt_channel(shapes);
}

TEST_CASE("promise 12 for many values, in channels of several chunks") {
  check_one_spoilt_channel({{1, 2, 1, 140000}, {3, 2, 1, 70000}, {10000, 16, 1, 1}});
}
