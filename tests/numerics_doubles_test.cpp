// Layers of double, whose values leave no bits to spare: outliers, values that come again and again, and the ends of
// the range. What holds for both scalars is in the files named after what it asks.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tensornorm/tensornorm.hpp>

#include "support/bounds.hpp"
#include "support/hard_cases.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace tn = tensornorm;
using namespace tn_test;

TEST_CASE("doubles: deviations from 1e-140 to 1e140, and beyond a variance that is infinite and y that is bias") {
  for (const double scale : {1e-140, 1e140, 1e160}) {
    for_each_case(1, small_shapes(),
                  [&](auto order, const Dims& dims, int axis, Random& random, const std::string& name) {
                    using X = TensorOf<double, decltype(order)>;
                    tn::BatchNormOptions options = on_axis(axis);
                    options.eps = 0;
                    options.momentum = 1;
                    tn::BatchNorm2d<double> bn(channels_of(dims, axis), options);
                    const X x = normal<X>(random, dims, 0, scale), dy = normal<X>(random, dims);
                    const X y = bn(x);
                    INFO(name << " scale " << scale);
                    CHECK(mean_error(bn.running_mean(), moments(logical(x), axis)) <= 1);
                    if (scale < 1e150) {
                      CHECK(output_error(bn, logical(x), y, Statistics::kBatch) <= 1);
                      CHECK(variance_error(bn.running_var(), moments(logical(x), axis), 1) <= 1);
                      CHECK(gradient_error(bn, logical(x), logical(dy), bn.backward(x, dy), Statistics::kBatch) <= 1);
                    } else {
                      CHECK((bn.running_var().array() == std::numeric_limits<double>::infinity()).all());
                      CHECK(std::all_of(y.data(), y.data() + y.size(), [](double value) { return value == 0; }));
                    }
                  });
  }
}

TEST_CASE("doubles: one outlier of 1e12 among N(0, 1), wherever it stands: the mean of many chunks keeps its bound") {
  using X = Tensor<double, 4, Eigen::RowMajor>;
  Random random(8);
  for (const Dims& dims : {Dims{1, 2, 1, 300000}, Dims{150000, 2, 1, 1}, Dims{1500, 2, 10, 20}}) {
    const X noise = normal<X>(random, dims);
    for (const Index at : {Index{0}, dims[0] / 2, dims[0] - 1}) {
      for (const Index along : {Index{0}, dims[3] / 2, dims[3] - 1}) {
        X x = noise;
        x(at, 1, 0, along) = 1e12;
        auto bn = recording_layer<double>(2, 1);
        bn(x);
        INFO(to_text(dims) << " outlier at " << at << ", " << along);
        CHECK(mean_error(bn.running_mean(), moments(logical(x), 1)) <= 1);
      }
    }
  }
}

TEST_CASE("doubles: millions of values of one size, all in one channel, keep the bounds of variance and y") {
  using X = Tensor<double, 4, Eigen::RowMajor>;
  for (const Dims& dims : {Dims{1, 1, 1, 1 << 22}, Dims{1 << 21, 2, 1, 1}}) {
    X x = make<X>(dims);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = (i / dims[1]) % 2 == 0 ? 1.1 : -1.1;
    tn::BatchNormOptions options;
    options.eps = 0;
    options.momentum = 1;
    tn::BatchNorm2d<double> bn(dims[1], options);
    const X y = bn(x);
    INFO(to_text(dims));
    CHECK(variance_error(bn.running_var(), moments(logical(x), 1), 1) <= 1);
    CHECK(std::abs(y(0, 0, 0, 0) - 1) <= 33 * unit_roundoff<double>);
  }
}

TEST_CASE("doubles: two values in turn, whose rounding errors are all alike, keep the bound of variance") {
  using X = Tensor<double, 4, Eigen::RowMajor>;
  Random random(1);
  for (const Dims& dims : {Dims{1, 64, 32, 32}, Dims{1, 8, 1, 1 << 15}, Dims{1024, 64, 1, 1}, Dims{1 << 15, 3, 1, 1}}) {
    for (int repeat = 0; repeat < 5; ++repeat) {
      X x = make<X>(dims);
      for (Index c = 0; c < dims[1]; ++c) {
        const double values[] = {random.uniform(-1, 1), random.uniform(-1, 1)};
        for (Index n = 0; n < dims[0]; ++n) {
          for (Index i = 0; i < dims[2] * dims[3]; ++i) x(n, c, i / dims[3], i % dims[3]) = values[(n + i) % 2];
        }
      }
      tn::BatchNormOptions options;
      options.momentum = 1;
      tn::BatchNorm2d<double> bn(dims[1], options);
      bn(x);
      INFO(to_text(dims));
      CHECK(variance_error(bn.running_var(), moments(logical(x), 1), 1) <= 1);
    }
  }
}
