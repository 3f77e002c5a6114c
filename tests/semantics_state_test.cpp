// What a layer holds: its fresh state, its counter, what reset_* does, how it prints, what a copy shares (nothing).
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <utility>

#include "support/bits.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Tensor4 = Tensor<float, 4>;

namespace {

template <typename T>
std::string printed(const T& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

template <typename Vector>
bool is_filled(const Vector& vector, Index size, double value) {
  if (vector.size() != size) return false;
  return (vector.array() == static_cast<typename Vector::Scalar>(value)).all();
}

Tensor4 batch() {
  Random random(1);
  return normal<Tensor4>(random, {4, 3, 2, 5}, 1, 2);
}

}  // namespace

TEST_CASE_TEMPLATE("a fresh layer trains, with weight 1, bias 0, running mean 0 and variance 1, no batch seen", Layer,
                   tn::BatchNorm1d<float>, tn::BatchNorm2d<float>, tn::BatchNorm3d<float>, tn::BatchNorm1d<double>,
                   tn::BatchNorm2d<double>, tn::BatchNorm3d<double>) {
  using Scalar = std::decay_t<decltype(std::declval<Layer&>().weight()(0))>;
  const Layer bn(3);
  static_assert(std::is_same_v<decltype(bn.weight()), const Eigen::Matrix<Scalar, Eigen::Dynamic, 1>&>);
  CHECK(bn.is_training());
  CHECK(bn.num_features() == 3);
  CHECK(bn.num_batches_tracked() == 0);
  CHECK(is_filled(bn.weight(), 3, 1));
  CHECK(is_filled(bn.bias(), 3, 0));
  CHECK(is_filled(bn.running_mean(), 3, 0));
  CHECK(is_filled(bn.running_var(), 3, 1));
  CHECK(is_filled(bn.weight_grad(), 3, 0));
  CHECK(is_filled(bn.bias_grad(), 3, 0));
  CHECK(bn.options().eps == 1e-5);
  CHECK(bn.options().momentum == 0.1);
  CHECK(bn.options().channel_axis == 1);
}

TEST_CASE("affine and track_running_stats decide which vectors there are") {
  tn::BatchNormOptions options;
  options.affine = false;
  const tn::BatchNorm2d<> no_affine(3, options);
  CHECK(no_affine.weight().size() == 0);
  CHECK(no_affine.bias().size() == 0);
  CHECK(no_affine.running_mean().size() == 3);
  options.affine = true;
  options.track_running_stats = false;
  const tn::BatchNorm2d<> untracked(3, options);
  CHECK(untracked.weight().size() == 3);
  CHECK(untracked.running_mean().size() == 0);
  CHECK(untracked.running_var().size() == 0);
  CHECK(untracked.num_batches_tracked() == 0);
}

TEST_CASE("options are kept as they were given") {
  tn::BatchNormOptions options;
  options.eps = 0.25;
  options.momentum = std::nullopt;
  options.channel_axis = -1;
  options.correction = 2;
  options.running_correction = 0;
  const tn::BatchNorm2d<> bn(3, options);
  CHECK(bn.options().eps == 0.25);
  CHECK_FALSE(bn.options().momentum.has_value());
  CHECK(bn.options().channel_axis == -1);
  CHECK(bn.options().correction == 2);
  CHECK(bn.options().running_correction == 0);
}

TEST_CASE("a layer without a scalar is one of float") {
  const tn::BatchNorm1d one(3);
  tn::BatchNorm2d two(3, tn::BatchNormOptions{});
  const tn::BatchNorm3d three(3);
  static_assert(std::is_same_v<decltype(one), const tn::BatchNorm1d<float>>);
  static_assert(std::is_same_v<decltype(two), tn::BatchNorm2d<float>>);
  static_assert(std::is_same_v<decltype(three), const tn::BatchNorm3d<float>>);
  const tn::BatchNorm2d copy(two.eval());
  static_assert(std::is_same_v<decltype(copy), const tn::BatchNorm2d<float>>);
  CHECK_FALSE(copy.is_training());
}

TEST_CASE("train and eval return the layer itself") {
  tn::BatchNorm2d<> bn(3);
  static_assert(std::is_same_v<decltype(bn.eval()), tn::BatchNorm2d<>&>);
  static_assert(std::is_same_v<decltype(bn.train()), tn::BatchNorm2d<>&>);
  CHECK(&bn.eval() == &bn);
  CHECK_FALSE(bn.is_training());
  CHECK(&bn.train() == &bn);
  CHECK(bn.is_training());
  CHECK_FALSE(bn.train(false).is_training());
  CHECK(bn.train(true).is_training());
}

TEST_CASE("the counter counts the training batches of a tracking layer, and is whatever it was set to") {
  tn::BatchNorm2d<> bn(3);
  bn(batch());
  bn.forward(batch());
  CHECK(bn.num_batches_tracked() == 2);
  bn.eval();
  bn(batch());
  CHECK(bn.num_batches_tracked() == 2);
  bn.set_num_batches_tracked(std::int64_t{1} << 40);
  bn.train();
  bn(batch());
  CHECK(bn.num_batches_tracked() == (std::int64_t{1} << 40) + 1);
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  bn.set_num_batches_tracked(most);
  bn(batch());
  CHECK(bn.num_batches_tracked() == most);
  bn.set_num_batches_tracked(0);
  CHECK(bn.num_batches_tracked() == 0);
  tn::BatchNormOptions options;
  options.track_running_stats = false;
  tn::BatchNorm2d<> untracked(3, options);
  untracked(batch());
  CHECK(untracked.num_batches_tracked() == 0);
}

TEST_CASE("reset_running_stats: 0, 1 and no batch seen, while parameters stay") {
  tn::BatchNorm2d<> bn(3);
  bn.weight().setConstant(5);
  bn.bias().setConstant(6);
  bn(batch());
  CHECK_FALSE(is_filled(bn.running_mean(), 3, 0));
  bn.reset_running_stats();
  CHECK(is_filled(bn.running_mean(), 3, 0));
  CHECK(is_filled(bn.running_var(), 3, 1));
  CHECK(bn.num_batches_tracked() == 0);
  CHECK(is_filled(bn.weight(), 3, 5));
  CHECK(is_filled(bn.bias(), 3, 6));
}

TEST_CASE("reset_running_stats does nothing on a layer that does not track") {
  tn::BatchNormOptions options;
  options.track_running_stats = false;
  tn::BatchNorm2d<> bn(3, options);
  bn.running_mean() = Eigen::Vector3f(1, 2, 3);
  bn.running_var() = Eigen::Vector3f(4, 5, 6);
  bn.set_num_batches_tracked(7);
  const Snapshot before(bn);
  bn.reset_running_stats();
  CHECK(Snapshot(bn) == before);
}

TEST_CASE("reset_parameters: the running statistics, and weight 1, bias 0") {
  tn::BatchNorm2d<> bn(3);
  bn.weight().setConstant(5);
  bn.bias().setConstant(6);
  bn(batch());
  bn.reset_parameters();
  CHECK(is_filled(bn.weight(), 3, 1));
  CHECK(is_filled(bn.bias(), 3, 0));
  CHECK(is_filled(bn.running_mean(), 3, 0));
  CHECK(is_filled(bn.running_var(), 3, 1));
  CHECK(bn.num_batches_tracked() == 0);

  tn::BatchNormOptions options;
  options.affine = false;
  tn::BatchNorm2d<> bare(3, options);
  bare(batch());
  bare.reset_parameters();
  CHECK(bare.weight().size() == 0);
  CHECK(bare.bias().size() == 0);
  CHECK(is_filled(bare.running_mean(), 3, 0));
}

TEST_CASE("zero_grad clears the gradients and nothing else") {
  tn::BatchNorm2d<> bn(3);
  bn(batch());
  const Snapshot before(bn);
  bn.weight_grad().setConstant(1);
  bn.bias_grad().setConstant(2);
  bn.zero_grad();
  CHECK(Snapshot(bn) == before);
}

TEST_CASE("a copy is a layer of its own") {
  tn::BatchNorm2d<> bn(3);
  bn(batch());
  const Snapshot before(bn);
  tn::BatchNorm2d<> copy = bn;
  CHECK(Snapshot(copy) == before);
  copy.weight()(0) = 9;
  copy(batch());
  CHECK(Snapshot(bn) == before);
}

TEST_CASE("an assigned layer is one like the other, whatever the sizes of both") {
  tn::BatchNorm2d<> bn(3);
  const auto y = bn(batch());
  const Snapshot before(bn);
  tn::BatchNorm2d<> large(300), small(1);
  large = bn;
  small = std::move(large);
  CHECK(Snapshot(small) == before);
  CHECK(same_bits(small.backward(batch(), y), bn.backward(batch(), y)));
  large = small;  // one that was moved from
  CHECK(same_bits(large(batch()), y));
  static_assert(std::is_nothrow_move_assignable_v<tn::BatchNorm2d<>>);
  static_assert(std::is_nothrow_move_constructible_v<tn::BatchNorm2d<>>);
}

TEST_CASE("printed as PyTorch prints it") {
  CHECK(printed(tn::BatchNorm1d<>(5)) ==
        "BatchNorm1d(5, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)");
  CHECK(printed(tn::BatchNorm2d<double>(64)) ==
        "BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)");
  tn::BatchNormOptions options;
  options.eps = 0.001;
  options.momentum = 1;
  options.affine = false;
  CHECK(printed(tn::BatchNorm3d<>(2, options)) ==
        "BatchNorm3d(2, eps=0.001, momentum=1, affine=False, track_running_stats=True)");
  options.eps = 0;
  options.momentum = std::nullopt;
  options.track_running_stats = false;
  CHECK(printed(tn::BatchNorm1d<>(2, options)) ==
        "BatchNorm1d(2, eps=0, momentum=None, affine=False, track_running_stats=False)");
}

TEST_CASE("printed the same whatever numbers the stream had been told to print") {
  std::ostringstream out;
  out << std::hex << std::showpos << std::scientific << tn::BatchNorm1d<>(255);
  CHECK(out.str() == "BatchNorm1d(255, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)");
}

TEST_CASE("printed: options that PyTorch does not have, where they differ from what it does") {
  const std::string usual = "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True";
  const auto with = [](int channel_axis, int correction, int running_correction) {
    tn::BatchNormOptions options;
    options.channel_axis = channel_axis;
    options.correction = correction;
    options.running_correction = running_correction;
    return printed(tn::BatchNorm2d<>(3, options));
  };
  CHECK(with(1, 0, 1) == usual + ")");
  CHECK(with(-1, 0, 1) == usual + ", channel_axis=-1)");
  CHECK(with(1, 1, 1) == usual + ", correction=1)");
  CHECK(with(1, 0, 0) == usual + ", running_correction=0)");
  const std::string all = with(3, 2, 0);
  CHECK(all.find(usual) == 0);
  CHECK(has_word(all, "channel_axis=3"));
  CHECK(has_word(all, "correction=2"));
  CHECK(has_word(all, "running_correction=0"));
}
