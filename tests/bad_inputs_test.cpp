// Misuse of inputs, options and parameters: each case throws the right exception, names the argument, what was expected
// and what was got, and leaves the layer and the output as they were, byte for byte.
#include "support/bad_inputs.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <tensornorm/tensornorm.hpp>

#include "support/layouts.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Matrix = Eigen::MatrixXf;
using std::invalid_argument;

namespace {

Options with(void (*change)(Options&)) {
  Options options;
  change(options);
  return options;
}

}  // namespace

TEST_CASE("construction: num_features must be positive") {
  check_throws<invalid_argument>({"num_features", "0"}, [] { tn::BatchNorm1d<>(0); });
  check_throws<invalid_argument>({"num_features", "-3"}, [] { tn::BatchNorm2d<>(-3); });
  check_throws<invalid_argument>({"num_features", "-1"}, [] { tn::BatchNorm3d<double>(-1); });
}

TEST_CASE("construction: num_features of which memory cannot hold the numbers") {
  const tn::BatchNormOptions nothing = with([](Options& o) { o.affine = o.track_running_stats = false; });
  const std::string most = "230584300921369395";  // 2^63 / 40
  for (const Eigen::Index many : {Eigen::Index{230584300921369396}, std::numeric_limits<Eigen::Index>::max()}) {
    check_throws<invalid_argument>({"num_features", most, std::to_string(many)},
                                   [&] { tn::BatchNorm2d<>(many, nothing); });
  }
}

TEST_CASE("construction: eps, momentum and correction") {
  const auto construct = [](void (*change)(Options&)) { return [change] { tn::BatchNorm2d<>(3, with(change)); }; };
  check_throws<invalid_argument>({"eps", "-1"}, construct([](Options& o) { o.eps = -1; }));
  check_throws<invalid_argument>({"eps", "nan"}, construct([](Options& o) { o.eps = std::nan(""); }));
  check_throws<invalid_argument>({"momentum", "nan"}, construct([](Options& o) { o.momentum = std::nan(""); }));
  check_throws<invalid_argument>({"momentum", "inf"}, construct([](Options& o) { o.momentum = HUGE_VAL; }));
  check_throws<invalid_argument>({"momentum", "-inf"}, construct([](Options& o) { o.momentum = -HUGE_VAL; }));
  check_throws<invalid_argument>({"correction", "-1"}, construct([](Options& o) { o.correction = -1; }));
  CHECK_NOTHROW(construct([](Options& o) { o.eps = 0; })());
  CHECK_NOTHROW(construct([](Options& o) { o.momentum = -1.2; })());
  CHECK_NOTHROW(construct([](Options& o) { o.momentum = 7; })());
}

TEST_CASE("channel_axis must be one of the input's axes") {
  for (const int axis : {4, -5, 100}) {
    Options options;
    options.channel_axis = axis;
    tn::BatchNorm2d<> bn(3, options);
    check_rejected(bn, input(), {"channel_axis", std::to_string(axis), "4"});
    Tensor4 dx = input();
    bn.eval();
    check_throws_untouched<invalid_argument>(bn, dx, {"channel_axis", std::to_string(axis)},
                                             [&] { bn.backward(input(), input(), dx); });
  }
  Options options;
  options.channel_axis = 2;
  tn::BatchNorm1d<> rows(3, options);
  check_throws<invalid_argument>({"channel_axis", "2"}, [&] { rows(Matrix(Matrix::Ones(4, 3))); });
  CHECK_NOTHROW(rows(Tensor<float, 3>(input({1, 4, 2, 3}).reshape(Eigen::array<Index, 3>{4, 2, 3}))));
}

TEST_CASE("the input must have num_features channels, whatever the layer has to say about them") {
  for (const bool training : {true, false}) {
    tn::BatchNorm2d<> bn = used_layer();
    bn.train(training);
    for (const Dims& dims : {Dims{4, 7, 2, 5}, Dims{4, 1, 2, 5}, Dims{0, 7, 2, 5}, Dims{3, 4, 2, 5}}) {
      check_rejected(bn, input(dims), {"3", std::to_string(dims[1])});
    }
    check_rejected(bn, input({4, 0, 2, 5}), {"3", "0"});
  }
  tn::BatchNorm2d<> bare(3, with([](Options& o) { o.affine = o.track_running_stats = false; }));
  check_rejected(bare, input({4, 7, 2, 5}), {"3", "7"});
  tn::BatchNorm2d<> last(3, on_axis(-1));
  check_rejected(last, input({4, 3, 2, 5}), {"3", "5"});
}

TEST_CASE("wrong channels keep PyTorch's words") {
  tn::BatchNorm2d<> bn = used_layer();
  check_rejected(bn, input({4, 7, 2, 5}), {"running_mean should contain 7 elements not 3"});
  tn::BatchNorm2d<> untracked(3, with([](Options& o) { o.track_running_stats = false; }));
  check_rejected(untracked, input({4, 7, 2, 5}), {"weight should contain 7 elements not 3"});
  tn::BatchNorm2d<> bare(3, with([](Options& o) { o.affine = o.track_running_stats = false; }));
  check_rejected(bare, input({4, 7, 2, 5}), {"x should contain 7 elements not 3"});
}

TEST_CASE("batch statistics need more than one value a channel") {
  const std::string words = "Expected more than 1 value per channel when training, got input size [1, 3, 1, 1]";
  const Tensor4 single = input({1, 3, 1, 1});
  tn::BatchNorm2d<> bn = used_layer();
  check_rejected(bn, single, {words});
  tn::BatchNorm2d<> untracked(3, with([](Options& o) { o.track_running_stats = false; }));
  check_rejected(untracked, single, {words});
  untracked.eval();  // still on batch statistics
  check_rejected(untracked, single, {words});
  Tensor4 dx = input();
  check_throws_untouched<invalid_argument>(untracked, dx, {words}, [&] { untracked.backward(single, single); });

  bn.eval();
  CHECK_NOTHROW(bn(single));
  CHECK_NOTHROW(bn.backward(single, single));
  bn.train();
  CHECK_NOTHROW(bn(input({1, 3, 1, 2})));  // N = 1 is fine with L > 1
  tn::BatchNorm1d<> rows(3);
  check_throws<invalid_argument>({"Expected more than 1 value per channel when training, got input size [1, 3]"},
                                 [&] { rows(Matrix(Matrix::Ones(1, 3))); });
  check_throws<invalid_argument>({"Expected more than 1 value per channel when training, got input size [1, 3, 1]"},
                                 [&] { rows(Tensor<float, 3>(1, 3, 1)); });
}

TEST_CASE("a correction needs more values a channel than it takes away") {
  const Tensor4 two = input({2, 3, 1, 1}), three = input({3, 3, 1, 1});
  tn::BatchNorm2d<> bn(3, with([](Options& o) { o.correction = 2; }));
  check_rejected(bn, two, {"Expected more than 2 values per channel when training, got input size [2, 3, 1, 1]"});
  CHECK_NOTHROW(bn(three));
  bn.eval();
  CHECK_NOTHROW(bn(two));

  // The running correction counts only where the running statistics are updated.
  tn::BatchNorm2d<> running(3, with([](Options& o) { o.running_correction = 2; }));
  check_rejected(running, two, {"Expected more than 2 values per channel when training, got input size [2, 3, 1, 1]"});
  CHECK_NOTHROW(running(three));
  running.eval();
  CHECK_NOTHROW(running(two));
  tn::BatchNorm2d<> untracked(3, with([](Options& o) {
                                o.running_correction = 2;
                                o.track_running_stats = false;
                              }));
  CHECK_NOTHROW(untracked(two));
  untracked.running_var().setOnes(3);  // a vector that no batch enters
  CHECK_NOTHROW(untracked(two));
}

TEST_CASE("a product of sizes that no index can hold") {
  tn::BatchNorm2d<> bn = used_layer();
  Tensor4 storage = input();
  constexpr Index kHuge = Index{1} << 32;
  const Map4 huge(storage.data(), kHuge, Index{3}, kHuge, Index{1});
  check_rejected(bn, huge, {"x"});
  bn.eval();
  check_rejected(bn, huge, {"x"});

  // The index type of the tensor itself may be narrower.
  using Narrow = Eigen::TensorMap<Eigen::Tensor<float, 4, Eigen::RowMajor, int>>;
  const Narrow wide(storage.data(), 1 << 16, 3, 1 << 16, 1);
  Narrow y(storage.data(), 4, 3, 2, 5);
  check_throws_untouched<invalid_argument>(bn, storage, {"x"}, [&] { bn.forward(wide, y); });
}

TEST_CASE("parameters and buffers of another length") {
  for (const bool training : {true, false}) {
    for (const int which : {0, 1, 2, 3}) {
      tn::BatchNorm2d<> bn = used_layer();
      bn.train(training);
      Eigen::VectorXf* const vectors[] = {&bn.weight(), &bn.bias(), &bn.running_mean(), &bn.running_var()};
      const char* const names[] = {"weight", "bias", "running_mean", "running_var"};
      for (const Index size : {Index{4}, Index{1}}) {
        *vectors[which] = Eigen::VectorXf::Ones(size);
        const std::string words = std::string(names[which]) + " should contain 3 elements not " + std::to_string(size);
        check_rejected(bn, input(), {words});
        Tensor4 dx = input();
        check_throws_untouched<invalid_argument>(bn, dx, {words}, [&] { bn.backward(input(), input(), dx); });
      }
    }
  }
}

TEST_CASE("a gradient of another length") {
  for (const bool training : {true, false}) {
    tn::BatchNorm2d<> weight = used_layer(), bias = used_layer();
    weight.train(training).weight_grad() = Eigen::VectorXf::Ones(4);
    bias.train(training).bias_grad() = Eigen::VectorXf::Ones(2);
    Tensor4 dx = input();
    check_throws_untouched<invalid_argument>(weight, dx, {"weight_grad should contain 3 elements not 4"},
                                             [&] { weight.backward(input(), input(), dx); });
    check_throws_untouched<invalid_argument>(bias, dx, {"bias_grad should contain 3 elements not 2"},
                                             [&] { bias.backward(input(), input(), dx); });
  }
}

TEST_CASE("only one of the running buffers in eval") {
  tn::BatchNorm2d<> no_var = used_layer(), no_mean = used_layer();
  no_var.eval().running_var().resize(0);
  no_mean.eval().running_mean().resize(0);
  check_rejected(no_var, input(), {"running_var must be defined in evaluation mode"});
  check_rejected(no_mean, input(), {"running_mean must be defined in evaluation mode"});
  Tensor4 dx = input();
  check_throws_untouched<invalid_argument>(no_var, dx, {"running_var must be defined in evaluation mode"},
                                           [&] { no_var.backward(input(), input(), dx); });
  tn::BatchNorm2d<> untracked(3, with([](Options& o) { o.track_running_stats = false; }));
  untracked.eval().running_mean() = Eigen::Vector3f(1, 2, 3);
  check_rejected(untracked, input(), {"running_var must be defined in evaluation mode"});
}
