// The promises about backward: the bounds on dx, dweight and dbias, and the gradients against differences of forward.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using tensornorm::detail::Shape;

TEST_CASE_TEMPLATE("promise 3: dx, dweight and dbias, training and eval, with corrections 0 and 1", Scalar, float,
                   double) {
  Worst worst;
  for_each_order([&](auto order) {
    using X = Tensor<Scalar, 4, decltype(order)::value>;
    for (const int axis : {1, -1, 0, 2}) {
      for (const Dims& shape : small_shapes()) {
        for (std::uint64_t seed = 1; seed <= 6; ++seed) {
          const Dims dims = with_channels_at(shape, axis);
          Random random(seed);
          tn::BatchNormOptions options = on_axis(axis);
          options.correction = seed == 6 ? 1 : 0;
          tn::BatchNorm2d<Scalar> bn(shape[1], options);
          randomise_parameters(random, bn);
          const X x = ill_conditioned<X>(random, dims, axis);
          const X dy = normal<X>(random, dims, seed % 2 == 0 ? 0 : random.uniform(-3, 3));
          bn(x);
          const double training = gradient_error(bn, logical(x), logical(dy), bn.backward(x, dy), Statistics::kBatch);
          bn.eval();
          bn.zero_grad();
          const double eval = gradient_error(bn, logical(x), logical(dy), bn.backward(x, dy), Statistics::kRunning);
          INFO(to_text(dims, axis, decltype(order)::value, seed));
          CHECK(training <= 1);
          CHECK(eval <= 1);
          worst.add(std::max(training, eval));
        }
      }
    }
  });
  MESSAGE("error / bound at most: " << worst.ratio());
}

TEST_CASE("promise 3: with dy a multiple of xhat, and with dy constant, dx is next to nothing beside its terms") {
  for_each_order([](auto order) {
    using X = Tensor<float, 4, decltype(order)::value>;
    for (const Dims& shape : small_shapes()) {
      for (const int axis : {1, -1}) {
        const Dims dims = with_channels_at(shape, axis);
        Random random(3);
        tn::BatchNorm2d<> bn(shape[1], on_axis(axis));
        const X x = ill_conditioned<X>(random, dims, axis);
        const X y = bn(x), ones = y.constant(1.f);
        INFO(to_text(dims, axis, decltype(order)::value, 3));
        CHECK(gradient_error(bn, logical(x), logical(y), bn.backward(x, y), Statistics::kBatch) <= 1);
        bn.zero_grad();
        CHECK(gradient_error(bn, logical(x), logical(ones), bn.backward(x, ones), Statistics::kBatch) <= 1);
      }
    }
  });
}

TEST_CASE("promise 3: where all values but one are the same, dx is as right as a mean in double can make it") {
  for (const Dims& shape : {Dims{2100, 3, 1, 1}, Dims{2, 3, 7, 150}}) {
    tn::BatchNorm2d<> bn(3, {0.0});
    Tensor<float, 4, Eigen::RowMajor> x = make<Tensor<float, 4, Eigen::RowMajor>>(shape), dy = x;
    x.setConstant(1e6f);
    x(1, 1, 0, 0) = std::nextafter(1e6f, 0.f);
    dy.setConstant(1e6f);
    bn(x);
    CHECK(gradient_error(bn, logical(x), logical(dy), bn.backward(x, dy), Statistics::kBatch) <= 1);
  }
}

TEST_CASE("promise 3: the few values of quantised data, far from 0 and farther still, and in very many rows") {
  // 200 deviations from 0 floats are summed about 0, and 300 deviations from it about their mean.
  Worst worst;
  for (const Dims& shape : {Dims{4, 2, 300, 330}, Dims{20000, 5, 1, 1}, Dims{3000, 2, 7, 7}}) {
    for (const float mean : {0.f, 0.7f, 200.f, 300.f}) {
      Random random(9);
      Tensor<float, 4, Eigen::RowMajor> x = make<Tensor<float, 4, Eigen::RowMajor>>(shape), dy = x;
      for (Index i = 0; i < x.size(); ++i) {
        x.data()[i] = mean + (random.uniform(0, 1) < 0.5 ? 0.9f : -1.1f);
        dy.data()[i] = random.uniform(0, 1) < 0.3 ? 0.7f : random.uniform(0, 1) < 0.5 ? -0.3f : 0.f;
      }
      tn::BatchNorm2d<> bn(shape[1]);
      bn(x);
      INFO(to_text(shape, 1, Eigen::RowMajor, 9), ", about ", mean);
      const double error = gradient_error(bn, logical(x), logical(dy), bn.backward(x, dy), Statistics::kBatch);
      CHECK(error <= 1);
      worst.add(error);
    }
  }
  MESSAGE("error / bound at most: " << worst.ratio());
}

TEST_CASE("sums of doubles that come again and again stay within their bound") {
  Worst worst;
  for (const Shape& shape :
       {Shape{20000, 64, 3}, Shape{1000, 2, 196}, Shape{225, 5, 196}, Shape{32, 1, 100000}, Shape{20000, 2, 49},
        Shape{1000, 600, 1}, Shape{248, 2, 131}, Shape{256, 2, 128}, Shape{488, 2, 67}, Shape{496, 2, 66},
        Shape{124, 2, 259}, Shape{1, 1, 1 << 23}, Shape{1 << 20, 3, 1}, Shape{30016, 64, 1}, Shape{30016, 8, 1},
        Shape{10000, 4, 196}, Shape{5000, 70, 9}}) {
    for (const double value : {1.01, 1 / 3.0, -99.99, 0x1.ff34caa2bcd7ep+0}) {
      const std::vector<double> dy(static_cast<std::size_t>(shape.size()), value);
      const auto channels = static_cast<std::size_t>(shape.channels);
      std::vector<double> mean(channels, 1.7), sum(channels), sum_dev(channels), scratch;
      const tn::ChannelView<const double> view{dy.data(), shape};
      tn::functional::gradient_sums(Eigen::DefaultDevice{}, view, view, {mean.data(), nullptr, nullptr},
                                    {sum.data(), sum_dev.data()}, scratch);
      const auto term = static_cast<long double>(value), n = static_cast<long double>(shape.per_channel());
      const auto check = [&](double found, long double exact) {
        const long double bound = sum_units * unit_roundoff<double> * std::abs(exact);
        worst.add(std::abs(static_cast<long double>(found) - exact), bound);
      };
      for (std::size_t c = 0; c < channels; ++c) {
        check(sum[c], n * term);
        check(sum_dev[c], n * term * (term - static_cast<long double>(mean[c])));
      }
    }
  }
  CHECK(worst.ratio() <= 1);
  MESSAGE("error / bound at most: " << worst.ratio());
}

namespace {

/// sum(y * coefficient) of a training forward by a copy of the layer.
template <typename Layer, typename X>
long double loss(const Layer& layer, const X& x, const X& coefficient) {
  Layer bn = layer;
  const X y = bn(x);
  Sum sum;
  for (Index i = 0; i < y.size(); ++i) {
    sum.add(static_cast<long double>(y.data()[i]) * static_cast<long double>(coefficient.data()[i]));
  }
  return sum.value();
}

/// The derivative of loss() with respect to `value`, which it can see, by central differences of h and h / 2.
template <typename Loss>
double richardson(double& value, double h, Loss loss_now) {
  const double middle = value;
  const auto difference = [&](double step) {
    value = middle + step;
    const double up = value;
    const long double above = loss_now();
    value = middle - step;
    const long double below = loss_now();
    return (above - below) / (static_cast<long double>(up) - static_cast<long double>(value));
  };
  const long double coarse = difference(h), fine = difference(h / 2);
  value = middle;
  return static_cast<double>((4 * fine - coarse) / 3);
}

/// The worst of the gradients with respect to x, weight and bias, relative to 1 or to the gradient if that is more.
template <typename X>
double check_gradients(const Dims& dims, int axis, double h, double eps, int correction, std::uint64_t seed) {
  Random random(seed);
  tn::BatchNormOptions options = on_axis(axis);
  options.eps = eps;
  options.correction = correction;
  tn::BatchNorm2d<double> bn(dims[resolve_axis(axis, dims)], options);
  randomise_parameters(random, bn);
  X x = normal<X>(random, dims, 0.5);
  const X coefficient = normal<X>(random, dims);
  bn(x);
  const X dx = bn.backward(x, coefficient);
  Worst worst;
  const auto compare = [&](double numeric, double analytic) {
    worst.add(static_cast<long double>(std::abs(numeric - analytic)),
              static_cast<long double>(std::max(1.0, std::abs(analytic))));
  };
  const auto now = [&] { return loss(bn, x, coefficient); };
  for (Index i = 0; i < x.size(); ++i) compare(richardson(x.data()[i], h, now), dx.data()[i]);
  for (Index c = 0; c < bn.num_features(); ++c) {
    compare(richardson(bn.weight()(c), h, now), bn.weight_grad()(c));
    compare(richardson(bn.bias()(c), h, now), bn.bias_grad()(c));
  }
  return worst.ratio();
}

}  // namespace

TEST_CASE("promise 11: gradients in double against fourth-order differences") {
  for_each_order([](auto order) {
    using X = Tensor<double, 4, decltype(order)::value>;
    for (const int axis : {1, -1, 0}) {
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        for (const int correction : {0, 1}) {
          for (const Dims& shape : {Dims{5, 3, 2, 2}, Dims{1, 2, 5, 5}, Dims{24, 5, 1, 1}, Dims{2, 17, 2, 5}}) {
            const Dims dims = with_channels_at(shape, axis);
            INFO(to_text(dims, axis, decltype(order)::value, seed) << " correction " << correction);
            CHECK(check_gradients<X>(dims, axis, 1e-2, 1e-5, correction, seed) <= 1e-10);
          }
        }
        // Two values are +1 and -1 whatever they are, but for eps: a large one gives the gradient something to be.
        const Dims two = with_channels_at({2, 3, 1, 1}, axis);
        INFO(to_text(two, axis, decltype(order)::value, seed));
        CHECK(check_gradients<X>(two, axis, 1e-3, 0.1, 0, seed) <= 1e-8);
        CHECK(check_gradients<X>(two, axis, 1e-3, 0.1, 1, seed) <= 1e-8);
      }
    }
  });
}
