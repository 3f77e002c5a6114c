// Plain stochastic gradient descent, and what Figure 1 draws of it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "figure1/network.hpp"

namespace figure1 {

struct Digits {
  Matrix<float> train_x, test_x;            // [N, 64], pixels in 0..1
  Eigen::VectorXi train_digit, test_digit;  // [N], 0..9
};

struct Settings {
  Architecture architecture;
  std::uint64_t seed = 1;  // of the first weights and of the order of the batches
  int steps = 20000;
  int evaluate_every = 20;  // steps
  Index batch = 60;
  double learning_rate = 0.5;
};

/// What the network does with the test pictures after so many steps, in eval mode.
struct Point {
  int step;
  double accuracy;                    // the share named rightly
  std::array<double, 3> percentiles;  // 15th, 50th and 85th of the input to one sigmoid, the last hidden layer's first
};
using Curve = std::vector<Point>;

/// Batches of the training pictures in random order, a new order every epoch. Pictures that would make a last batch
/// smaller than the others sit that epoch out.
class Batches {
 public:
  Batches(const Digits& digits, Index size, Random& random)
      : digits_(digits), random_(random), order_(static_cast<std::size_t>(digits.train_x.rows())) {
    std::iota(order_.begin(), order_.end(), Index{0});
    next_ = order_.size();
    x.resize(size, digits.train_x.cols());
    digit.resize(size);
  }

  void advance() {
    if (order_.size() - next_ < static_cast<std::size_t>(x.rows())) {
      random_.shuffle(order_);
      next_ = 0;
    }
    for (Index row = 0; row < x.rows(); ++row, ++next_) {
      x.row(row) = digits_.train_x.row(order_[next_]);
      digit(row) = digits_.train_digit(order_[next_]);
    }
  }

  Matrix<float> x;        // [size, 64]
  Eigen::VectorXi digit;  // [size]

 private:
  const Digits& digits_;
  Random& random_;
  std::vector<Index> order_;  // a permutation of the rows
  std::size_t next_;          // in order_
};

/// The value of rank share * (N - 1) among the sorted ones, rounded to the nearest rank.
inline double quantile(Eigen::VectorXf values, double share) {
  float* const nth = values.data() + std::lround(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.data(), nth, values.data() + values.size());
  return static_cast<double>(*nth);
}

inline Point evaluate(Network<float>& network, const Digits& digits, int step) {
  network.train(false);
  const Matrix<float> scores = network.forward(digits.test_x);
  network.train();
  int right = 0;
  for (Index row = 0; row < scores.rows(); ++row) {
    Index digit = 0;
    scores.row(row).maxCoeff(&digit);
    if (digit == digits.test_digit(row)) ++right;
  }
  const Eigen::VectorXf u = network.hidden().back().u.col(0);
  return {step, right / static_cast<double>(scores.rows()), {quantile(u, 0.15), quantile(u, 0.5), quantile(u, 0.85)}};
}

/// Trains one network. `progress`, when given, is called with the step at every evaluation.
inline Curve train(const Digits& digits, const Settings& settings, const std::function<void(int)>& progress = {}) {
  Random random(settings.seed);
  Network<float> network(settings.architecture, random);
  Batches batches(digits, settings.batch, random);
  const auto rate = static_cast<float>(settings.learning_rate);

  Curve curve{evaluate(network, digits, 0)};
  for (int step = 1; step <= settings.steps; ++step) {
    batches.advance();
    network.forward_backward(batches.x, batches.digit);
    network.for_each_parameter([&](auto& parameter, const auto& gradient) { parameter -= rate * gradient; });
    if (step % settings.evaluate_every == 0) {
      curve.push_back(evaluate(network, digits, step));
      if (progress) progress(step);
    }
  }
  return curve;
}

}  // namespace figure1
