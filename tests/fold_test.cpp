// A batch norm folded into what comes before it: the folded layer does what the pair did, and what cannot be folded is
// left as it was.
#include <doctest/doctest.h>

#include <cmath>
#include <tensornorm/fold.hpp>
#include <tensornorm/tensornorm.hpp>
#include <type_traits>

#include "support/bits.hpp"
#include "support/folding.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using tn::fold_into_convolution;
using tn::fold_into_linear;
using tn::fold_into_transposed_convolution;

TEST_CASE_TEMPLATE("scale and shift are rounded once", Layer, tn::BatchNorm1d<float>, tn::BatchNorm2d<float>,
                   tn::BatchNorm3d<double>) {
  tn::BatchNormOptions options;
  options.eps = 1e-3;
  const auto bn = trained_layer<Layer>(50, options);
  using Scalar = typename std::decay_t<decltype(bn.weight())>::Scalar;
  const tn::FoldedAffine<Scalar> folded = tn::fold(bn);
  REQUIRE(folded.scale.size() == 50);
  REQUIRE(folded.shift.size() == 50);
  for (Index c = 0; c < 50; ++c) {
    const auto of = [c](const auto& vector) { return static_cast<long double>(vector(c)); };
    const long double scale = of(bn.weight()) / std::sqrt(of(bn.running_var()) + 1e-3L);
    const long double shift = of(bn.bias()) - scale * of(bn.running_mean());
    const long double size = std::abs(of(bn.bias())) + std::abs(scale * of(bn.running_mean()));
    const std::int64_t last = std::is_same_v<Scalar, float> ? 0 : 4;  // the arithmetic is double's
    CHECK(ulp_distance(folded.scale(c), static_cast<Scalar>(scale)) <= last);
    CHECK(std::abs(of(folded.shift) - shift) <= unit_roundoff<Scalar> * std::abs(shift) + 4 * 0x1p-53L * size);
  }
}

TEST_CASE("scale and shift without weight, without bias, without both") {
  const auto full = trained_layer<tn::BatchNorm2d<>>(4);
  auto no_weight = full, no_bias = full, neither = full;
  no_weight.weight().resize(0);
  no_bias.bias().resize(0);
  neither.weight().resize(0);
  neither.bias().resize(0);
  const auto check = [](const tn::BatchNorm2d<>& bn, auto weight, auto bias) {
    const auto folded = tn::fold(bn);
    for (Index c = 0; c < 4; ++c) {
      const double scale = weight(c) / std::sqrt(static_cast<double>(bn.running_var()(c)) + bn.options().eps);
      CHECK(folded.scale(c) == static_cast<float>(scale));
      CHECK(folded.shift(c) == static_cast<float>(bias(c) - scale * static_cast<double>(bn.running_mean()(c))));
    }
  };
  const auto of = [](const Eigen::VectorXf& v) { return [&v](Index c) { return static_cast<double>(v(c)); }; };
  const auto one = [](Index) { return 1.0; };
  const auto zero = [](Index) { return 0.0; };
  check(full, of(full.weight()), of(full.bias()));
  check(no_weight, one, of(full.bias()));
  check(no_bias, of(full.weight()), zero);
  check(neither, one, zero);
}

TEST_CASE("a layer that does not track, with buffers assigned by hand, is folded as it is evaluated") {
  tn::BatchNormOptions options;
  options.track_running_stats = false;
  auto bn = trained_layer<tn::BatchNorm1d<>>(3);
  tn::BatchNorm1d<> untracked(3, options);
  untracked.eval();
  untracked.weight() = bn.weight();
  untracked.bias() = bn.bias();
  untracked.running_mean() = bn.running_mean();
  untracked.running_var() = bn.running_var();
  CHECK(tn::fold(untracked).scale == tn::fold(bn).scale);
  CHECK(tn::fold(untracked).shift == tn::fold(bn).shift);
}

TEST_CASE("a variance that is none is a matter of its channel") {
  auto bn = trained_layer<tn::BatchNorm1d<>>(3);
  const auto before = tn::fold(bn);
  bn.running_var()(1) = -1;
  const auto folded = tn::fold(bn);
  CHECK(std::isnan(folded.scale(1)));
  CHECK(folded.scale(0) == before.scale(0));
  CHECK(folded.shift(2) == before.shift(2));
}

TEST_CASE_TEMPLATE("into a linear layer: weights of every kind", W, Eigen::MatrixXf,
                   Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, Eigen::ArrayXXf,
                   Eigen::Matrix<float, 6, 11>, Tensor<float, 2, Eigen::RowMajor>, Tensor<float, 2, Eigen::ColMajor>) {
  for (const bool with_bias : {true, false}) {
    Random random(1);
    const auto bn = trained_layer<tn::BatchNorm1d<>>(6);
    const Eigen::MatrixXf x = normal<Eigen::MatrixXf>(random, {20, 11});
    W weight = normal<W>(random, {6, 11});
    Eigen::VectorXf bias;
    if (with_bias) bias = normal<Eigen::MatrixXf>(random, {6, 1});
    const Eigen::MatrixXf pair = bn(linear(x, weight, bias));
    const Eigen::MatrixXf sizes = of_sizes(bn)(linear(absolute(x), absolute(weight), absolute(bias)));
    fold_into_linear(weight, bias, bn);
    REQUIRE(bias.size() == 6);
    CHECK(largest_difference(linear(x, weight, bias), pair, sizes) <= kFolded);
  }
}

TEST_CASE("into a linear layer of double") {
  Random random(2);
  const auto bn = trained_layer<tn::BatchNorm1d<double>>(6);
  const Eigen::MatrixXd x = normal<Eigen::MatrixXd>(random, {20, 11});
  Eigen::MatrixXd weight = normal<Eigen::MatrixXd>(random, {6, 11});
  Eigen::VectorXd bias = normal<Eigen::MatrixXd>(random, {6, 1});
  const Eigen::MatrixXd pair = bn(linear(x, weight, bias));
  const Eigen::MatrixXd sizes = of_sizes(bn)(linear(absolute(x), absolute(weight), absolute(bias)));
  fold_into_linear(weight, bias, bn);
  // Sums of 11 products and a bias round 12 times in the pair and 12 times when folded. The pair may be off by what is
  // promised of double, 32 |weight * xhat| + |y|. A scale is a sum, a root, a quotient and a product, and with one more
  // a weight.
  CHECK(largest_difference(linear(x, weight, bias), pair, sizes) <= 12 + 12 + 33 + 5);
}

TEST_CASE("biases of every kind come out the same, and an empty one as if it had been zeros") {
  Random random(3);
  const auto bn = trained_layer<tn::BatchNorm1d<>>(5);
  const Eigen::MatrixXf weight = normal<Eigen::MatrixXf>(random, {5, 2});
  for (const bool empty : {false, true}) {
    Eigen::VectorXf bias = Eigen::VectorXf::Zero(5);
    if (!empty) bias = normal<Eigen::MatrixXf>(random, {5, 1});
    Eigen::VectorXf expected = bias;
    Eigen::MatrixXf expected_weight = weight;
    fold_into_linear(expected_weight, expected, bn);
    const auto check = [&](auto&& b) {
      Eigen::MatrixXf w = weight;
      fold_into_linear(w, b, bn);
      CHECK(same_bits(w, expected_weight));
      CHECK(same_bits(b, expected));
    };
    Eigen::VectorXf memory = bias;
    check(Eigen::Map<Eigen::VectorXf>(memory.data(), 5));
    memory = bias;
    check(Eigen::TensorMap<Tensor<float, 1>>(memory.data(), 5));
    memory = bias;
    check(Eigen::Ref<Eigen::VectorXf>(memory));
    check(Eigen::Matrix<float, 5, 1>(bias));
    Tensor<float, 1> tensor(5);
    Tensor<float, 1, Eigen::ColMajor> column(5);
    for (Index c = 0; c < 5; ++c) tensor(c) = column(c) = bias(c);
    if (empty) bias.resize(0), tensor = Tensor<float, 1>(), column = Tensor<float, 1, Eigen::ColMajor>();
    check(Eigen::VectorXf(bias));
    check(Eigen::RowVectorXf(bias.transpose()));
    check(Eigen::ArrayXf(bias.array()));
    check(Eigen::Matrix<float, Eigen::Dynamic, 1, Eigen::ColMajor, 8, 1>(bias));
    check(tensor);
    check(column);
  }
}

TEST_CASE("into a convolution of one, two or three dimensions") {
  for_each_order([](auto order) {
    check_convolution<3, order.value>();
    check_convolution<4, order.value>();
    check_convolution<5, order.value>();
  });
}

TEST_CASE("into a transposed convolution, along axis 1") {
  for_each_order([](auto order) {
    check_transposed_convolution<3, order.value>();
    check_transposed_convolution<4, order.value>();
    check_transposed_convolution<5, order.value>();
  });
}

TEST_CASE("into a mapped kernel, in its memory") {
  Random random(4);
  const auto bn = trained_layer<tn::BatchNorm2d<>>(4);
  auto weight = normal<Tensor<float, 4>>(random, {4, 3, 2, 2}), copy = weight;
  Eigen::VectorXf bias, other;
  Eigen::TensorMap<Tensor<float, 4>> map(copy.data(), copy.dimensions());
  fold_into_convolution(weight, bias, bn);
  fold_into_convolution(map, other, bn);
  CHECK(same_bits(copy, weight));
  CHECK(same_bits(other, bias));
}

TEST_CASE("a layer in training mode or without running statistics is not folded, and nothing changes") {
  auto training = trained_layer<tn::BatchNorm2d<>>(4), emptied = training, half = training;
  training.train();
  emptied.running_mean().resize(0);
  emptied.running_var().resize(0);
  half.running_var().resize(0);
  tn::BatchNormOptions options;
  options.track_running_stats = false;
  tn::BatchNorm2d<> untracked(4, options);
  untracked.eval();
  check_not_folded<std::logic_error>(training, {"Fusion only for eval!"});
  for (const auto* bn : {&emptied, &untracked}) check_not_folded<std::logic_error>(*bn, {"running statistics"});
  check_not_folded<std::invalid_argument>(half, {"running_var must be defined in evaluation mode"});
}

TEST_CASE("a layer whose vectors have been given wrong sizes is not folded") {
  const auto check = [](const char* name, auto vector) {
    auto bn = trained_layer<tn::BatchNorm2d<>>(4);
    vector(bn).setOnes(3);
    check_not_folded<std::invalid_argument>(bn, {name, "should contain 4 elements not 3"});
  };
  check(
      "weight", [](auto& bn) -> auto& { return bn.weight(); });
  check(
      "bias", [](auto& bn) -> auto& { return bn.bias(); });
  check(
      "running_mean", [](auto& bn) -> auto& { return bn.running_mean(); });
  check(
      "running_var", [](auto& bn) -> auto& { return bn.running_var(); });
}

TEST_CASE("weights and biases that do not fit are left as they were") {
  Random random(5);
  const auto bn = trained_layer<tn::BatchNorm1d<>>(4);
  const auto refused = [&](std::initializer_list<std::string> words, auto&& weight, auto&& bias) {
    check_unchanged(words, weight, bias, [&] { fold_into_linear(weight, bias, bn); });
  };
  const Eigen::MatrixXf fits = Eigen::MatrixXf::Ones(4, 3), turned = Eigen::MatrixXf::Ones(3, 4);
  const Eigen::VectorXf four = Eigen::VectorXf::Ones(4), three = Eigen::VectorXf::Ones(3);
  refused({"weight", "[3, 4]", "4 outputs along axis 0"}, Eigen::MatrixXf(turned), Eigen::VectorXf(four));
  refused({"weight", "[3, 4]"}, Eigen::MatrixXf(turned), Eigen::VectorXf());
  refused({"weight", "[5, 3]"}, Eigen::MatrixXf(Eigen::MatrixXf::Ones(5, 3)), Eigen::VectorXf(four));
  refused({"weight", "[0, 0]"}, Eigen::MatrixXf(), Eigen::VectorXf(four));
  refused({"bias should contain 4 elements not 3"}, Eigen::MatrixXf(fits), Eigen::VectorXf(three));
  refused({"bias should contain 4 elements not 3"}, Eigen::MatrixXf(fits), Eigen::Vector3f(three));
  refused({"bias should contain 4 elements not 1"}, Eigen::MatrixXf(fits), Eigen::VectorXf(Eigen::VectorXf::Ones(1)));
  // Empty, and of a kind that cannot become a bias of 4.
  refused({"bias should contain 4 elements not 0"}, Eigen::MatrixXf(fits), Eigen::Map<Eigen::VectorXf>(nullptr, 0));
  refused({"bias should contain 4 elements not 0"}, Eigen::MatrixXf(fits), Eigen::Matrix<float, 0, 1>());
  refused({"bias should contain 4 elements not 0"}, Eigen::MatrixXf(fits),
          Eigen::TensorMap<Tensor<float, 1>>(nullptr, 0));
  refused({"bias should contain 4 elements not 0"}, Eigen::MatrixXf(fits),
          Eigen::Matrix<float, Eigen::Dynamic, 1, Eigen::ColMajor, 3, 1>());
  // Not contiguous: a block with strides, a row of a ColMajor matrix.
  Eigen::MatrixXf wide = Eigen::MatrixXf::Ones(5, 4);
  refused({"weight should be contiguous"}, wide.topRows(4), Eigen::VectorXf(four));
  refused({"bias should be contiguous"}, Eigen::MatrixXf(fits), wide.row(0));
}

TEST_CASE("weights and biases without memory are refused before anything is written") {
  const auto bn = trained_layer<tn::BatchNorm1d<>>(3);
  Eigen::MatrixXf weight = Eigen::MatrixXf::Ones(3, 2);
  Eigen::Map<Eigen::VectorXf> no_bias(nullptr, 3);
  check_throws<std::invalid_argument>({"bias", "null pointer"}, [&] { tn::fold_into_linear(weight, no_bias, bn); });
  CHECK(weight == Eigen::MatrixXf::Ones(3, 2));
  Eigen::Map<Eigen::MatrixXf> no_weight(nullptr, 3, 2);
  Eigen::VectorXf bias;
  check_throws<std::invalid_argument>({"weight", "null pointer"}, [&] { tn::fold_into_linear(no_weight, bias, bn); });
  CHECK(bias.size() == 0);
}

TEST_CASE("a kernel is not taken along the wrong axis") {
  const auto bn = trained_layer<tn::BatchNorm2d<>>(4);
  Tensor<float, 4> weight(3, 4, 2, 2), transposed(4, 3, 2, 2);
  weight.setConstant(1);
  transposed.setConstant(1);
  Eigen::VectorXf bias;
  check_unchanged({"weight", "[3, 4, 2, 2]", "4 outputs along axis 0"}, weight, bias,
                  [&] { fold_into_convolution(weight, bias, bn); });
  check_unchanged({"weight", "[4, 3, 2, 2]", "4 outputs along axis 1"}, transposed, bias,
                  [&] { fold_into_transposed_convolution(transposed, bias, bn); });
}
