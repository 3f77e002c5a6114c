// The training example: its gradients against finite differences, and that a seed fixes a curve.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "figure1/training.hpp"

namespace {

using namespace figure1;

/// N(0, 1) everywhere.
template <typename Scalar>
Matrix<Scalar> noise(Random& random, Index rows, Index cols) {
  Matrix<Scalar> x(rows, cols);
  for (Scalar& value : x.reshaped()) value = static_cast<Scalar>(random.normal());
  return x;
}

/// Classes 0, 1, 2, ..., 9, 0, ...
Eigen::VectorXi classes_in_turn(Index rows) {
  return Eigen::VectorXi::NullaryExpr(rows, [](Index row) { return static_cast<int>(row % 10); });
}

/// Pictures that a network can tell apart: one of ten patterns under noise.
Digits patterns() {
  Random random(1);
  const Matrix<float> pattern = noise<float>(random, 10, 16);
  const auto pictures = [&](const Eigen::VectorXi& digit) {
    Matrix<float> x = noise<float>(random, digit.size(), 16);
    for (Index row = 0; row < x.rows(); ++row) x.row(row) = pattern.row(digit(row)) + 0.3f * x.row(row);
    return x;
  };
  const Eigen::VectorXi train = classes_in_turn(130), test = classes_in_turn(50);
  return {pictures(train), pictures(test), train, test};
}

Settings short_training(bool batch_norm) {
  Settings settings;
  settings.architecture.inputs = 16;
  settings.architecture.hidden = {20, 20};
  settings.architecture.batch_norm = batch_norm;
  settings.steps = 100;
  return settings;
}

bool same(const Curve& a, const Curve& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Point& p, const Point& q) {
    return p.step == q.step && p.accuracy == q.accuracy && p.percentiles == q.percentiles;
  });
}

}  // namespace

TEST_CASE("figure 1: gradients agree with central differences") {
  for (const bool batch_norm : {false, true}) {
    CAPTURE(batch_norm);
    Random random(1);
    Network<double> network({7, {6, 5, 4}, 10, batch_norm, 1.0}, random);
    const Matrix<double> x = noise<double>(random, 12, 7);
    const Eigen::VectorXi classes = classes_in_turn(12);
    network.for_each_parameter([&](auto& parameter, auto&) {  // away from the weight 1 and bias 0 of a new layer
      for (double& value : parameter.reshaped()) value += 0.3 * random.normal();
    });

    constexpr double h = 1e-5;
    double worst = 0, largest = 0;
    int parameters = 0;
    network.for_each_parameter([&](auto& parameter, auto& gradient) {
      network.forward_backward(x, classes);
      const auto analytic = gradient.eval();  // a copy: every call below sets it again
      REQUIRE(analytic.size() == parameter.size());
      for (Index i = 0; i < parameter.size(); ++i, ++parameters) {
        const double value = parameter(i);
        parameter(i) = value + h;
        const double above = network.forward_backward(x, classes);
        parameter(i) = value - h;
        const double below = network.forward_backward(x, classes);
        parameter(i) = value;
        const double off = std::abs((above - below) / (2 * h) - analytic(i));
        if (!(off <= worst)) worst = off;  // NaN too
        largest = std::max(largest, std::abs(analytic(i)));
      }
    });
    const int linear = 7 * 6 + 6 * 5 + 5 * 4 + 4 * 10 + 10, hidden = 6 + 5 + 4;
    CHECK(parameters == linear + (batch_norm ? 2 : 1) * hidden);
    CHECK(largest > 0.01);
    // A loss of 2.4 after some 20 roundings, each of up to 2^-53 of it, is off by 5.4e-15, and a difference of two by
    // twice that, over 2h: 5.4e-10. What h leaves out is h^2 / 6 times a third derivative, here of at most 1: 0.2e-10.
    CHECK(worst < 6e-10);
  }
}

TEST_CASE("figure 1: both networks start from the same weights") {
  Architecture architecture;
  Random random(3), same_random(3);
  const Network<float> plain(architecture, random);
  architecture.batch_norm = true;
  const Network<float> batch_norm(architecture, same_random);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(plain.hidden()[i].linear.weight == batch_norm.hidden()[i].linear.weight);
  }
  CHECK(random.uniform() == same_random.uniform());  // and meet the same batches
}

TEST_CASE("figure 1: a seed fixes the curve") {
  const Digits digits = patterns();
  for (const bool batch_norm : {false, true}) {
    CAPTURE(batch_norm);
    Settings settings = short_training(batch_norm);
    const Curve curve = train(digits, settings);
    CHECK(curve.size() == 6);
    CHECK(same(curve, train(digits, settings)));
    settings.seed = 2;
    CHECK(!same(curve, train(digits, settings)));
  }
}

TEST_CASE("figure 1: training learns") {
  Settings settings = short_training(true);
  const Curve curve = train(patterns(), settings);
  CHECK(curve.front().accuracy < 0.5);
  CHECK(curve.back().accuracy > 0.9);
}

TEST_CASE("figure 1: an epoch shows every picture once, in an order of its own") {
  Digits digits = patterns();
  std::vector<int> rows(130), last_epoch;
  std::iota(rows.begin(), rows.end(), 0);
  digits.train_x.col(0).setLinSpaced(0, 129);  // tells the row
  Random random(1);
  Batches batches(digits, 65, random);
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> shown;
    for (int batch = 0; batch < 2; ++batch) {
      batches.advance();
      for (Index row = 0; row < 65; ++row) {
        shown.push_back(static_cast<int>(std::lround(batches.x(row, 0))));
        CHECK(batches.digit(row) == digits.train_digit(shown.back()));
      }
    }
    CHECK(std::is_permutation(shown.begin(), shown.end(), rows.begin(), rows.end()));
    CHECK(shown != last_epoch);
    last_epoch = shown;
  }
}

TEST_CASE("figure 1: quantiles") {
  Eigen::VectorXf values(5);
  values << 4, 1, 5, 2, 3;
  CHECK(quantile(values, 0) == 1);
  CHECK(quantile(values, 0.15) == 2);
  CHECK(quantile(values, 0.5) == 3);
  CHECK(quantile(values, 0.85) == 4);
  CHECK(quantile(values, 1) == 5);
}
