// The promises about forward on ordinary values, a test case each: statistics, training, eval, layouts, narrow types.
// Every bound stands in support/bounds.hpp; the condition numbers run from 1 to 1e6.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <utility>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/hard_cases.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace tn = tensornorm;
using namespace tn_test;

TEST_CASE_TEMPLATE("promise 1: mean, biased and unbiased variance", Scalar, float, double) {
  Worst mean, unbiased, biased;
  for_each_case(6, small_shapes(),
                [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
                  const auto x = hard_input<TensorOf<Scalar, decltype(order)>>(random, dims, axis);
                  const std::vector<Moments> exact = moments(logical(x), axis);
                  auto bn = recording_layer<Scalar>(channels_of(dims, axis), axis);
                  auto other = recording_layer<Scalar>(channels_of(dims, axis), axis, 0);
                  bn(x);
                  other(x);
                  const double mean_ratio = mean_error(bn.running_mean(), exact);
                  const double unbiased_ratio = variance_error(bn.running_var(), exact, 1);
                  const double biased_ratio = variance_error(other.running_var(), exact, 0);
                  INFO(name);
                  CHECK(mean_ratio <= 1);
                  CHECK(unbiased_ratio <= 1);
                  CHECK(biased_ratio <= 1);
                  mean.add(mean_ratio);
                  unbiased.add(unbiased_ratio);
                  biased.add(biased_ratio);
                });
  MESSAGE("error / bound at most: mean " << mean.ratio() << ", variance " << unbiased.ratio() << ", biased "
                                         << biased.ratio());
}

TEST_CASE("promise 1: doubles in many chunks, whose means are merged without a rounding of their own size") {
  for (const Dims& shape : {Dims{64, 600, 1, 1}, Dims{3000, 40, 1, 1}, Dims{30, 2, 100, 100}}) {
    for (const double mean : {1e4, -1e8}) {
      Random random(5);
      Tensor<double, 4, Eigen::RowMajor> x = normal<Tensor<double, 4, Eigen::RowMajor>>(random, shape, mean);
      auto bn = recording_layer<double>(shape[1], 1);
      bn(x);
      const std::vector<Moments> exact = moments(logical(x), 1);
      INFO(to_text(shape, 1, Eigen::RowMajor, 5) << " mean " << mean);
      CHECK(mean_error(bn.running_mean(), exact) <= 1);
      for (std::size_t c = 0; c < exact.size(); ++c) {  // shifted means or not
        const long double wanted = exact[c].variance(1);
        const auto found = static_cast<long double>(bn.running_var()(static_cast<Index>(c)));
        CHECK(std::abs(found - wanted) <= 8 * unit_roundoff<double> * wanted);
      }
    }
  }
}

TEST_CASE("promises 1 and 2: a few values that come again and again, so that rounding errors do not average out") {
  Worst mean, variance, output;
  for_each_case(3, {{3, 2, 20, 20}, {1200, 3, 1, 1}, {70, 5, 7, 7}},
                [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
                  using X = TensorOf<float, decltype(order)>;
                  for (const Index levels : {2, 3, 8, 200}) {
                    std::vector<float> pool;
                    for (Index i = 0; i < levels; ++i) pool.push_back(static_cast<float>(random.normal()));
                    X x = make<X>(dims);
                    for (Index i = 0; i < x.size(); ++i) {
                      x.data()[i] = pool[static_cast<std::size_t>(random.below(levels))];
                    }
                    auto bn = recording_layer<float>(channels_of(dims, axis), axis);
                    const auto before = bn;
                    const X y = bn(x);
                    const std::vector<Moments> exact = moments(logical(x), axis);
                    const double mean_ratio = mean_error(bn.running_mean(), exact);
                    const double variance_ratio = variance_error(bn.running_var(), exact, 1);
                    const double output_ratio = output_error(before, logical(x), y, Statistics::kBatch);
                    INFO(name << ", " << levels << " values");
                    CHECK(mean_ratio <= 1);
                    CHECK(variance_ratio <= 1);
                    CHECK(output_ratio <= 1);
                    mean.add(mean_ratio);
                    variance.add(variance_ratio);
                    output.add(output_ratio);
                  }
                });
  MESSAGE("error / bound at most: mean " << mean.ratio() << ", variance " << variance.ratio() << ", output "
                                         << output.ratio());
}

TEST_CASE("promise 1: running statistics within 1 ulp of the recurrence") {
  for_each_case(2, small_shapes(), [](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
    using X = TensorOf<float, decltype(order)>;
    const Index channels = channels_of(dims, axis);
    const X x = ill_conditioned<X>(random, dims, axis);
    const std::vector<Moments> exact = moments(logical(x), axis);
    for (const double momentum : {0.1, 0.3, 0.5, 1.0}) {
      tn::BatchNormOptions options = on_axis(axis);
      options.momentum = momentum;
      tn::BatchNorm2d<> bn(channels, options);
      for (int step = 0; step < 3; ++step) {
        const Eigen::VectorXf mean = bn.running_mean(), var = bn.running_var();
        bn(x);
        std::int64_t apart = 0;
        for (Index c = 0; c < channels; ++c) {
          const Moments& of = exact[static_cast<std::size_t>(c)];
          apart = std::max(apart, ulp_distance(bn.running_mean()(c), next_running_mean(mean(c), of.mean, momentum)));
          apart =
              std::max(apart, ulp_distance(bn.running_var()(c), next_running_var(var(c), of.variance(1), momentum)));
        }
        INFO(name << " momentum " << momentum << " step " << step);
        CHECK(apart <= 1);
      }
    }
  });
}

TEST_CASE_TEMPLATE("promise 2: training and eval outputs", Scalar, float, double) {
  Worst training, eval;
  for_each_case(6, small_shapes(),
                [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
                  const auto x = hard_input<TensorOf<Scalar, decltype(order)>>(random, dims, axis);
                  const NdArray exact = logical(x);
                  auto bn = with_random_affine(recording_layer<Scalar>(channels_of(dims, axis), axis), random);
                  const double training_ratio = output_error(bn, exact, bn(x), Statistics::kBatch);
                  bn.eval();  // with this batch's own statistics, then with others
                  const double eval_ratio = output_error(bn, exact, bn(x), Statistics::kRunning);
                  randomise_parameters(random, bn);
                  const double other_ratio = output_error(bn, exact, bn(x), Statistics::kRunning);
                  INFO(name);
                  CHECK(training_ratio <= 1);
                  CHECK(eval_ratio <= 1);
                  CHECK(other_ratio <= 1);
                  training.add(training_ratio);
                  eval.add(std::max(eval_ratio, other_ratio));
                });
  MESSAGE("error / bound at most: training " << training.ratio() << ", eval " << eval.ratio());
}

TEST_CASE("promises 1 and 2 where PyTorch loses digits") {
  const std::vector<std::pair<Dims, Spread>> inputs{{{8, 2, 56, 56}, {0, 1}},     {{8, 2, 56, 56}, {1e4, 1}},
                                                    {{8, 2, 28, 28}, {1e6, 0.1}}, {{8, 2, 28, 28}, {0, 1e30}},
                                                    {{30000, 2, 1, 1}, {1e4, 1}}, {{30000, 2, 1, 1}, {1000.5, 0.5}}};
  for (const auto& [shape, spread] : inputs) {
    const Spread of = spread;
    for_each_case(1, {shape}, [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
      using X = TensorOf<float, decltype(order)>;
      const X x = normal<X>(random, dims, of.mean, of.sd);
      const NdArray exact = logical(x);
      auto bn = recording_layer<float>(2, axis);
      INFO(name << " mean " << of.mean << " sd " << of.sd);
      CHECK(output_error(bn, exact, bn(x), Statistics::kBatch) <= 1);
      CHECK(mean_error(bn.running_mean(), moments(exact, axis)) <= 1);
      CHECK(variance_error(bn.running_var(), moments(exact, axis), 1) <= 1);
    });
  }
  for_each_order([](auto order) {  // two values that differ by a thousandth, many times
    Tensor<float, 2, decltype(order)::value> x(262144, 2);
    for (Index n = 0; n < 262144; ++n) x(n, 0) = x(n, 1) = n % 2 == 0 ? 1000.f : 1001.f;
    tn::BatchNormOptions options;
    options.momentum = 1;
    options.running_correction = 0;
    tn::BatchNorm1d<> bn(2, options);
    bn(x);
    CHECK(bn.running_mean()(0) == 1000.5f);
    CHECK(bn.running_mean()(1) == 1000.5f);
    CHECK(bn.running_var()(0) == 0.25f);
    CHECK(bn.running_var()(1) == 0.25f);
  });
}

TEST_CASE_TEMPLATE("promises 1 and 2 wherever the first values of a channel lie, and for many values", Scalar, float,
                   double) {
  // What is met first is what a one-pass sum would be shifted by.
  std::vector<Dims> shapes = small_shapes();
  shapes.push_back({300, 2, 16, 16});
  for (const double deviations : {1.0, 2.0, 3.5, 7.0, 15.0, 100.0}) {
    const auto check = [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
      using X = TensorOf<Scalar, decltype(order)>;
      const std::size_t channel_of = resolve_axis(axis, dims);
      X x = normal<X>(random, dims, 0.3);
      Dims first(dims.size(), 0);
      for (first[channel_of] = 0; first[channel_of] < dims[channel_of]; ++first[channel_of]) {
        element(x, first) = static_cast<Scalar>(deviations * random.sign() + 1e-3 * random.normal());
      }
      const NdArray exact = logical(x);
      auto bn = recording_layer<Scalar>(dims[channel_of], axis);
      INFO(name << " first value " << deviations << " deviations away");
      CHECK(output_error(bn, exact, bn(x), Statistics::kBatch) <= 1);
      CHECK(mean_error(bn.running_mean(), moments(exact, axis)) <= 1);
      CHECK(variance_error(bn.running_var(), moments(exact, axis), 1) <= 1);
    };
    for_each_case(1, shapes, check);
    for_each_case(14, {Dims{27, 64, 1, 1}}, check);  // chains of 27 additions would miss it in one of seven
  }
}

TEST_CASE("promise 9: the same data in every layout keeps the same bounds") {
  for (const Dims& shape : small_shapes()) {
    Random random(9);
    const auto x = hard_input<Tensor<float, 4>>(random, shape, 1);
    const std::vector<Moments> exact = moments(logical(x), 1);
    for_each_case(1, {shape}, [&](auto order, const Dims& dims, int axis, Random&, const std::string& name) {
      using X = TensorOf<float, decltype(order)>;
      X moved = make<X>(dims);
      for_each_index(shape,
                     [&](const Dims& at, std::size_t) { element(moved, with_channels_at(at, axis)) = element(x, at); });
      auto bn = recording_layer<float>(shape[1], axis);
      const X y = bn(moved);
      Tensor<float, 4> back = make<Tensor<float, 4>>(shape);
      for_each_index(shape,
                     [&](const Dims& at, std::size_t) { element(back, at) = element(y, with_channels_at(at, axis)); });
      INFO(name);
      CHECK(output_error(recording_layer<float>(shape[1], 1), logical(x), back, Statistics::kBatch) <= 1);
      CHECK(mean_error(bn.running_mean(), exact) <= 1);
      CHECK(variance_error(bn.running_var(), exact, 1) <= 1);
    });
  }
}

TEST_CASE_TEMPLATE("promise 10: half and bfloat16 outputs are the float result, rounded once", Low, Eigen::half,
                   Eigen::bfloat16) {
  for_each_case(2, small_shapes(), [](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
    using Narrow = TensorOf<Low, decltype(order)>;
    using Wide = TensorOf<float, decltype(order)>;
    auto bn = with_random_affine(recording_layer<float>(channels_of(dims, axis), axis), random), wide_bn = bn;
    const Narrow x = normal<Narrow>(random, dims, 3, 2), dy = normal<Narrow>(random, dims);
    const Wide wide = convert<Wide>(x), wide_dy = convert<Wide>(dy);
    INFO(name);
    for (const bool training : {true, false}) {
      bn.train(training);
      wide_bn.train(training);
      CHECK(same_bits(bn(x), convert<Narrow>(wide_bn(wide))));
      CHECK(same_bits(bn.backward(x, dy), convert<Narrow>(wide_bn.backward(wide, wide_dy))));
    }
  });
}
