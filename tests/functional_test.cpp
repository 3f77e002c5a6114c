// functional.hpp: every pass against its definition in long double, and whole passes against their halves and in place,
// bit for bit. Whole passes of all types are called by way of layer_passes.hpp, as training_steps.hpp says.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <tensornorm/functional.hpp>
#include <tuple>
#include <vector>

#include "support/bits.hpp"
#include "support/fenced.hpp"
#include "support/training_steps.hpp"
#include "support/walks.hpp"

namespace {

using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

std::vector<Shape> shapes() {
  return {{2, 3, 35},  {4, 5, 1},   {33, 17, 1},  {9, 40, 4}, {3, 1, 50},
          {40, 3, 20}, {600, 7, 2}, {2, 2, 3001}, {7, 600, 3}};
}

template <typename Scalar>
long double wide(Scalar value) {
  return static_cast<long double>(number_of(value));
}

/// u of the lanes, and half a unit of the memory's type.
template <typename T>
constexpr long double kLane = std::is_same_v<T, double> ? 0x1p-53L : 0x1p-24L;
template <typename T>
constexpr long double kMemory = std::is_same_v<T, half>       ? 0x1p-11L
                                : std::is_same_v<T, bfloat16> ? 0x1p-8L
                                                              : kLane<T>;

/// A training step against its definition (Ioffe and Szegedy, 2015).
template <typename T>
void check_step(const Problem<T>& p, const Step<T>& step, int correction) {
  const auto channels = static_cast<std::size_t>(p.shape.channels);
  const auto n = static_cast<long double>(p.shape.per_channel());
  std::vector<long double> mean(channels), m2(channels), invstd, db(channels), dw(channels), db_size(channels),
      dw_size(channels);
  const auto visit = [&](auto body) {
    for_each_element(p.shape, whole(p.shape),
                     [&](Index c, Index at) { body(static_cast<std::size_t>(c), static_cast<std::size_t>(at)); });
  };
  visit([&](std::size_t c, std::size_t i) { mean[c] += wide(p.x[i]) / n; });
  visit([&](std::size_t c, std::size_t i) { m2[c] += (wide(p.x[i]) - mean[c]) * (wide(p.x[i]) - mean[c]); });
  for (std::size_t c = 0; c < channels; ++c) {
    invstd.push_back(1 / std::sqrt(m2[c] / (n - correction) + static_cast<long double>(kEps)));
  }
  const auto xhat = [&](std::size_t c, std::size_t i) { return (wide(p.x[i]) - mean[c]) * invstd[c]; };
  visit([&](std::size_t c, std::size_t i) {
    db[c] += wide(p.dy[i]);
    dw[c] += wide(p.dy[i]) * xhat(c, i);
    db_size[c] += std::abs(wide(p.dy[i]));
    dw_size[c] += std::abs(wide(p.dy[i]) * xhat(c, i));
  });
  const long double u = kLane<T>, digits = std::is_same_v<T, double> ? 64 * u : u;
  int wrong = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    const long double sd = std::sqrt(m2[c] / n);
    wrong += !(std::abs(wide(step.statistics.mean[c]) - mean[c]) <=
               (std::is_same_v<T, double> ? 32 * u * (sd + std::abs(mean[c])) : u * sd / 8));
    wrong += !(std::abs(wide(step.statistics.m2[c]) - m2[c]) <= digits * m2[c]);
    wrong += !(std::abs(wide(step.statistics.invstd[c]) - invstd[c]) <= digits * invstd[c]);
    wrong += !(std::abs(wide(step.sums.dy[c]) - db[c]) <= 0x1p-50L * db_size[c]);
    wrong += !(std::abs(wide(step.sums.dy_dev[c]) * invstd[c] - dw[c]) <= digits * (dw_size[c] + db_size[c]));
  }
  CHECK(wrong == 0);
  int wrong_y = 0, wrong_dx = 0;
  visit([&](std::size_t c, std::size_t i) {
    const long double weight = wide(p.weight[c]), g = weight * xhat(c, i), y = g + wide(p.bias[c]);
    const long double lanes = (std::is_same_v<T, double> ? 32 : 4) * u * (std::abs(g) + std::abs(weight) + std::abs(y));
    wrong_y += !(std::abs(wide(step.y[i]) - y) <= lanes + kMemory<T> * std::abs(y) + (sizeof(T) == 2 ? 0x1p-24L : 0));
    const long double scale = weight * invstd[c], a = wide(p.dy[i]), b = db[c] / n,
                      d = xhat(c, i) * dw[c] / (n - correction);
    const long double dx = scale * (a - b - d);
    const long double terms = std::abs(scale) * (std::abs(a) + std::abs(b) + std::abs(d) + db_size[c] / n);
    wrong_dx += !(std::abs(wide(step.dx[i]) - dx) <= (std::is_same_v<T, double> ? 64 : 6) * u * terms +
                                                         kMemory<T> * std::abs(dx) + (sizeof(T) == 2 ? 0x1p-24L : 0));
  });
  CHECK(wrong_y == 0);
  CHECK(wrong_dx == 0);
}

/// The step with the sums and dx of a backward that does not know m2, in the place of its own.
template <typename T>
Step<T> backward_without_m2(const Problem<T>& p, Step<T> step, int correction) {
  const functional::BatchStatistics all = step.statistics.view();
  std::fill(step.dx.begin(), step.dx.end(), T(0));
  functional::Scratch scratch;
  tensornorm::LayerPasses<T>::training_backward({}, p.x_view(), p.dy_view(), {all.mean, nullptr, all.invstd},
                                                p.affine(), correction, step.sums.view(),
                                                ChannelView<T>{step.dx.data(), p.shape}, scratch);
  return step;
}

template <typename T>
void check_training() {
  for (const Shape& shape : shapes()) {
    INFO(to_text(runs_of(shape), whole(shape)));
    const Problem<T> p(shape);
    for (const int correction : {0, 1}) {
      const Step<T> step = whole_passes(Eigen::DefaultDevice{}, p, correction);
      check_step(p, step, correction);
      CHECK(half_passes(Eigen::DefaultDevice{}, p, correction) == step);
      check_step(p, backward_without_m2(p, step, correction), correction);
    }
  }
}

template <typename T>
void check_eval() {
  using Scalar = LaneOf<T>;
  using Passes = tensornorm::LayerPasses<T>;
  const long double u = kLane<T>;
  const Eigen::DefaultDevice device;
  for (const Shape& shape : shapes()) {
    INFO(to_text(runs_of(shape), whole(shape)));
    const Problem<T> p(shape);
    std::vector<T> y(p.x.size()), dx(p.x.size());
    const ChannelView<T> y_view{y.data(), shape}, dx_view{dx.data(), shape};
    Passes::eval_forward(device, p.x_view(), p.running_mean.data(), p.running_var.data(), kEps, p.affine(), y_view);
    Passes::eval_input_gradient(device, p.dy_view(), p.running_var.data(), kEps, p.affine(), dx_view);
    int wrong = 0;
    for_each_element(shape, whole(shape), [&](Index channel, Index at) {
      const auto c = static_cast<std::size_t>(channel), i = static_cast<std::size_t>(at);
      const long double invstd = 1 / std::sqrt(wide(p.running_var[c]) + static_cast<long double>(kEps));
      const long double scale = wide(p.weight[c]) * invstd, g = (wide(p.x[i]) - wide(p.running_mean[c])) * scale;
      const long double exact = g + wide(p.bias[c]), gradient = wide(p.dy[i]) * scale;
      const long double least = sizeof(T) == 2 ? 0x1p-24L : 0;
      wrong += !(std::abs(wide(y[i]) - exact) <=
                 u * (3 * std::abs(g) + std::abs(exact)) + kMemory<T> * std::abs(exact) + least);
      wrong +=
          !(std::abs(wide(dx[i]) - gradient) <= 4 * u * std::abs(gradient) + kMemory<T> * std::abs(gradient) + least);
    });
    CHECK(wrong == 0);

    std::vector<T> in_place = p.x, dx_in_place = p.dy;
    const ChannelView<T> x_and_y{in_place.data(), shape}, dy_and_dx{dx_in_place.data(), shape};
    Passes::eval_forward(device, ChannelView<const T>{in_place.data(), shape}, p.running_mean.data(),
                         p.running_var.data(), kEps, p.affine(), x_and_y);
    Passes::eval_input_gradient(device, ChannelView<const T>{dx_in_place.data(), shape}, p.running_var.data(), kEps,
                                p.affine(), dy_and_dx);
    CHECK(same_bits(in_place, y));
    CHECK(same_bits(dx_in_place, dx));
    // Without weight and bias: as with ones and zeros.
    std::vector<T> plain(y.size()), unit(y.size());
    const std::vector<Scalar> ones(static_cast<std::size_t>(shape.channels), 1), zeros(ones.size(), 0);
    Passes::eval_forward(device, p.x_view(), p.running_mean.data(), p.running_var.data(), kEps,
                         functional::Affine<Scalar>{nullptr, nullptr}, ChannelView<T>{plain.data(), shape});
    Passes::eval_forward(device, p.x_view(), p.running_mean.data(), p.running_var.data(), kEps,
                         functional::Affine<Scalar>{ones.data(), zeros.data()}, ChannelView<T>{unit.data(), shape});
    CHECK(same_bits(plain, unit));
  }
}

/// On any number of threads, the bits of one, which are right.
void check_on_threads(const std::vector<Shape>& of_shapes) {
  for (const Shape& shape : of_shapes) {
    INFO(to_text(runs_of(shape), whole(shape)));
    const Problem<float> p(shape);
    const Step<float> once = whole_passes(Eigen::DefaultDevice{}, p, 0);
    CHECK(half_passes(Eigen::DefaultDevice{}, p, 0) == once);
    check_step(p, once, 0);
    for (const int threads : {1, 2, 5}) {
      Eigen::ThreadPool pool(threads);
      const Eigen::ThreadPoolDevice device(&pool, threads);
      CHECK(whole_passes(device, p, 0) == once);
      CHECK(half_passes(device, p, 0) == once);
    }
  }
}

}  // namespace

TEST_CASE("functional: training, float") { check_training<float>(); }
TEST_CASE("functional: training, double") { check_training<double>(); }
TEST_CASE("functional: training, half") { check_training<half>(); }
TEST_CASE("functional: training, bfloat16") { check_training<bfloat16>(); }
TEST_CASE("functional: eval, float") { check_eval<float>(); }
TEST_CASE("functional: eval, double") { check_eval<double>(); }
TEST_CASE("functional: eval, bfloat16") { check_eval<bfloat16>(); }

TEST_CASE("functional: whole passes and halves have the same bits on threads") {
  check_on_threads({{8, 16, 784}, {2, 3, 40001}, {30011, 5, 1}, {64, 600, 2}});
}
TEST_CASE("functional: whole passes and halves have the same bits on threads for many values, beyond the caches") {
  // long runs, aligned and not, short ones, and of large channels, rows, folded and unaligned
  check_on_threads({{17, 64, 3136},
                    {33, 32, 3025},
                    {70, 256, 196},
                    {2700, 6, 196},
                    {12000, 300, 1},
                    {220000, 16, 1},
                    {3000, 32, 36}});
}

TEST_CASE("functional: y may be x, and dx may be dy") {
  for (const Shape& shape : shapes()) {
    INFO(to_text(runs_of(shape), whole(shape)));
    const Problem<float> p(shape);
    CHECK(passes_in_place(Eigen::DefaultDevice{}, p, 0) == whole_passes(Eigen::DefaultDevice{}, p, 0));
  }
}

// In place a tensor is mapped block by block; apart, some are mapped in the order of memory, and the last one past the
// caches.
TEST_CASE("functional: the order in which elements are mapped changes no bit") {
  for (const Shape& shape : {Shape{8, 16, 49}, Shape{32, 512, 16}, Shape{9, 128, 1024}, Shape{400, 128, 64}}) {
    INFO(to_text(runs_of(shape), whole(shape)));
    const Problem<float> p(shape);
    const Eigen::DefaultDevice device;
    CHECK(passes_in_place(device, p, 0) == whole_passes(device, p, 0));
    std::vector<float> y(p.x.size()), x_and_y = p.x;
    const auto eval = [&](const ChannelView<const float>& x, std::vector<float>& to) {
      functional::eval_forward(device, x, p.running_mean.data(), p.running_var.data(), kEps, p.affine(),
                               ChannelView<float>{to.data(), shape});
    };
    eval(p.x_view(), y);
    eval({x_and_y.data(), shape}, x_and_y);
    CHECK(same_bits(x_and_y, y));
  }
}

TEST_CASE("functional: moments merged between the halves are those of the batches together") {
  const Shape part{20, 7, 3}, both{40, 7, 3};
  const Problem<double> p(both);
  const Eigen::DefaultDevice device;
  Statistics first(part), second(part), all(both);
  functional::Scratch scratch;
  const Index half_size = part.size();
  functional::batch_moments(device, ChannelView<const double>{p.x.data(), part}, first.view(), scratch);
  functional::batch_moments(device, ChannelView<const double>{p.x.data() + half_size, part}, second.view(), scratch);
  functional::batch_moments(device, p.x_view(), all.view(), scratch);
  for (std::size_t c = 0; c < 7; ++c) {
    const auto merged = tensornorm::merge({60, first.mean[c], first.m2[c]}, {60, second.mean[c], second.m2[c]});
    CHECK(merged.mean == doctest::Approx(all.mean[c]).epsilon(1e-14));
    CHECK(merged.m2 == doctest::Approx(all.m2[c]).epsilon(1e-14));
  }
}

TEST_CASE("functional: a constant channel without eps has an invstd of 0") {
  Statistics statistics(Shape{1, 3, 1});
  statistics.m2 = {0, 8, 0};
  functional::batch_invstd(0, 3, 8, 0, 0, statistics.view());
  CHECK(statistics.invstd == std::vector<double>{0, 1, 0});
  functional::batch_invstd(0, 2, 9, 0.25, 1, statistics.view());
  CHECK(statistics.invstd[0] == 2);
  CHECK(statistics.invstd[1] == doctest::Approx(1 / std::sqrt(1.25)));
  CHECK(statistics.invstd[2] == 0);  // outside the range
}

TEST_CASE_TEMPLATE("functional: running_statistics are those of the layer, of its channels alone", Scalar, float,
                   double) {
  for (Index channels = 0; channels <= 19; ++channels) {
    const auto size = static_cast<std::size_t>(channels);
    std::vector<Scalar> running_mean, running_var;
    for (Index c = 0; c < channels; ++c) {
      running_mean.push_back(Scalar(0.1) * static_cast<Scalar>(c));
      running_var.push_back(Scalar(0.3) * static_cast<Scalar>(c * c));
    }
    std::vector<double> mean(size + 1, -1), invstd(size + 1, -1);
    functional::running_statistics(channels, running_mean.data(), running_var.data(), kEps,
                                   {mean.data(), nullptr, invstd.data()});
    for (std::size_t c = 0; c < size; ++c) {
      CHECK(mean[c] == static_cast<double>(running_mean[c]));
      CHECK(invstd[c] == 1 / std::sqrt(static_cast<double>(running_var[c]) + kEps));
    }
    CHECK(mean[size] == -1);
    CHECK(invstd[size] == -1);
  }
}

TEST_CASE("functional: batch_invstd writes the channels that it is asked for, and no other") {
  std::vector<double> mean(4), m2{2, 0, 0, 0}, invstd(4, 7);
  functional::batch_invstd(0, 2, 2, 0, 0, {mean.data(), m2.data(), invstd.data()});
  CHECK(invstd == std::vector<double>{1, 0, 7, 7});  // a constant channel gives 0, so bias, without eps
}

TEST_CASE("functional: eval reads the running statistics of its channels, and nothing behind them") {
  constexpr Index channels = 5;
  Fenced<float> mean_memory(channels), var_memory(channels);
  float *const mean = mean_memory.place_last(channels), *const var = var_memory.place_last(channels);
  std::fill_n(mean, channels, 1.f);
  std::fill_n(var, channels, 4.f);
  std::vector<float> x(3 * channels, 5), y(x.size());
  const Shape shape{3, channels, 1};
  functional::eval_forward(Eigen::DefaultDevice{}, ChannelView<const float>{x.data(), shape}, mean, var, 0.0,
                           functional::Affine<float>{nullptr, nullptr}, ChannelView<float>{y.data(), shape});
  CHECK(y == std::vector<float>(x.size(), 2));
}
