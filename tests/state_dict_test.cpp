// StateDict, what a layer puts into one, and what it takes out. What it refuses: detail/layer_loading_test.cpp.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/layouts.hpp"
#include "support/random_layer.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using tn::Array;
using tn::DType;
using tn::StateDict;
using namespace tn_test;
using Names = std::vector<std::string>;

namespace {

Names names(const StateDict& dict) {
  Names all;
  for (const auto& [name, array] : dict) all.push_back(name);
  return all;
}

Array floats(std::vector<float> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return Array({size}, std::move(values));
}

/// A layer of 3 channels that has run, with nothing left at its default.
template <typename Layer>
Layer used_layer(tn::BatchNormOptions options = {}) {
  auto bn = random_layer<Layer>(3, options);
  if (options.track_running_stats) bn.set_num_batches_tracked(7);
  return bn;
}

template <typename Layer>
bool same_state(const Layer& a, const Layer& b) {
  return same_bits(a.weight(), b.weight()) && same_bits(a.bias(), b.bias()) &&
         same_bits(a.running_mean(), b.running_mean()) && same_bits(a.running_var(), b.running_var()) &&
         a.num_batches_tracked() == b.num_batches_tracked();
}

/// The state of a layer of 2 channels, as one of PyTorch's, in another type of value.
template <typename T>
StateDict state_of(std::vector<T> weight, std::vector<T> bias, std::vector<T> mean, std::vector<T> var) {
  StateDict dict;
  dict.insert("weight", Array({2}, std::move(weight)));
  dict.insert("bias", Array({2}, std::move(bias)));
  dict.insert("running_mean", Array({2}, std::move(mean)));
  dict.insert("running_var", Array({2}, std::move(var)));
  dict.insert("num_batches_tracked", Array({}, std::vector<std::int64_t>{1}));
  return dict;
}

}  // namespace

TEST_CASE("a dict keeps its entries in the order in which they came") {
  StateDict dict;
  CHECK(dict.empty());
  dict.insert("z", floats({1}));
  dict.insert("a", floats({2, 3}));
  dict.insert("", floats({4}));
  CHECK(names(dict) == Names{"z", "a", ""});
  CHECK(dict.size() == 3);
  CHECK_FALSE(dict.empty());
  CHECK(dict.contains("a"));
  CHECK_FALSE(dict.contains("b"));
  CHECK(dict.find("b") == nullptr);
  CHECK(dict.find("a")->shape() == Array::Shape{2});
  CHECK(dict.at("").values<float>()[0] == 4);
  check_throws<std::invalid_argument>({"\"b\""}, [&] { dict.at("b"); });
}

TEST_CASE("a name is taken once") {
  StateDict dict;
  dict.insert("a", floats({1}));
  check_throws<std::invalid_argument>({"\"a\""}, [&] { dict.insert("a", floats({2})); });
  CHECK(dict.size() == 1);
  CHECK(dict.at("a").values<float>()[0] == 1);
}

TEST_CASE("the entries of two dicts in one: all, or none") {
  StateDict network, layer, other;
  network.insert("a", floats({1}));
  layer.insert("b", floats({2}));
  layer.insert("c", floats({3}));
  network.insert(layer);
  CHECK(names(network) == Names{"a", "b", "c"});
  CHECK(network.at("c").values<float>()[0] == 3);

  other.insert("d", floats({4}));
  other.insert("a", floats({5}));  // the last of them is taken
  check_throws<std::invalid_argument>({"\"a\""}, [&] { network.insert(other); });
  check_throws<std::invalid_argument>({"\"a\""}, [&] { network.insert(network); });
  CHECK(names(network) == Names{"a", "b", "c"});
  CHECK_FALSE(network.contains("d"));
  network.insert("d", floats({6}));
  CHECK(network.at("d").values<float>()[0] == 6);
}

TEST_CASE("metadata is text beside the entries") {
  StateDict dict;
  dict.metadata()["bn1.eps"] = "1e-05";
  const StateDict& same = dict;
  CHECK(same.metadata().at("bn1.eps") == "1e-05");
  CHECK(dict.empty());
}

TEST_CASE_TEMPLATE("a layer's state: PyTorch's names, order, types and shapes", Layer, tn::BatchNorm1d<float>,
                   tn::BatchNorm2d<float>, tn::BatchNorm3d<float>, tn::BatchNorm2d<double>) {
  const auto bn = used_layer<Layer>();
  using Scalar = typename std::decay_t<decltype(bn.weight())>::Scalar;
  const StateDict state = bn.state_dict();
  CHECK(names(state) == Names{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
  const auto check = [&](const char* name, const auto& vector) {
    const Array& array = state.at(name);
    CHECK(array.dtype() == (std::is_same_v<Scalar, float> ? DType::float32 : DType::float64));
    CHECK(array.shape() == Array::Shape{3});
    CHECK(array.template values<Scalar>() == std::vector<Scalar>(vector.begin(), vector.end()));
  };
  check("weight", bn.weight());
  check("bias", bn.bias());
  check("running_mean", bn.running_mean());
  check("running_var", bn.running_var());
  const Array& counter = state.at("num_batches_tracked");
  CHECK(counter.dtype() == DType::int64);
  CHECK(counter.shape().empty());
  CHECK(counter.values<std::int64_t>() == std::vector<std::int64_t>{7});
  CHECK(state.metadata().empty());
}

TEST_CASE("a prefix stands before every name") {
  CHECK(names(tn::BatchNorm2d<>(3).state_dict("features.1.")) ==
        Names{"features.1.weight", "features.1.bias", "features.1.running_mean", "features.1.running_var",
              "features.1.num_batches_tracked"});
}

TEST_CASE("what a layer has not got is not in its state") {
  tn::BatchNormOptions plain, untracked, neither;
  plain.affine = neither.affine = false;
  untracked.track_running_stats = neither.track_running_stats = false;
  CHECK(names(tn::BatchNorm2d<>(3, plain).state_dict()) == Names{"running_mean", "running_var", "num_batches_tracked"});
  CHECK(names(tn::BatchNorm2d<>(3, untracked).state_dict()) == Names{"weight", "bias"});
  CHECK(tn::BatchNorm2d<>(3, neither).state_dict().empty());

  tn::BatchNorm2d<> shift_only(3);
  shift_only.weight().resize(0);
  CHECK(names(shift_only.state_dict()) == Names{"bias", "running_mean", "running_var", "num_batches_tracked"});

  tn::BatchNorm2d<> emptied(3);
  emptied.running_mean().resize(0);
  emptied.running_var().resize(0);
  CHECK(names(emptied.state_dict()) == Names{"weight", "bias", "num_batches_tracked"});

  tn::BatchNorm2d<> assigned(3, untracked);  // by hand: there are buffers, and no counter, as in PyTorch
  assigned.running_mean().setZero(3);
  assigned.running_var().setOnes(3);
  CHECK(names(assigned.state_dict()) == Names{"weight", "bias", "running_mean", "running_var"});
}

TEST_CASE_TEMPLATE("saved and loaded: the same bits, and nothing else is touched", Layer, tn::BatchNorm1d<float>,
                   tn::BatchNorm3d<float>, tn::BatchNorm2d<double>) {
  auto from = used_layer<Layer>();
  using Scalar = typename std::decay_t<decltype(from.weight())>::Scalar;
  from.weight()(1) = std::numeric_limits<Scalar>::quiet_NaN();  // legal in a parameter
  from.running_mean()(0) = Scalar(-0.0);
  from.running_var()(2) = 0;
  Layer to(3);
  to.weight_grad().setConstant(5);
  to.eval();
  const void *weight = to.weight().data(), *running_var = to.running_var().data();
  to.load_state_dict(from.state_dict());
  CHECK(same_state(to, from));
  CHECK(to.weight().data() == weight);  // where an optimiser may have mapped it
  CHECK(to.running_var().data() == running_var);
  CHECK(to.weight_grad()(0) == 5);
  CHECK_FALSE(to.is_training());
}

TEST_CASE("each of the layers that saves less loads what it saved") {
  for (const bool affine : {false, true}) {
    for (const bool track : {false, true}) {
      tn::BatchNormOptions options;
      options.affine = affine;
      options.track_running_stats = track;
      const auto from = used_layer<tn::BatchNorm2d<>>(options);
      tn::BatchNorm2d<> to(3, options);
      to.load_state_dict(from.state_dict());
      CHECK(same_state(to, from));
    }
  }
}

TEST_CASE("buffers assigned by hand to a layer that does not track are loaded, and no counter") {
  tn::BatchNormOptions options;
  options.track_running_stats = false;
  tn::BatchNorm2d<> from(2, options), to(2, options);
  for (auto* bn : {&from, &to}) bn->running_mean().setZero(2), bn->running_var().setOnes(2);
  from.running_mean() << 3, 4;
  to.load_state_dict(from.state_dict());
  CHECK(same_state(to, from));
  check_throws<std::invalid_argument>({"Unexpected key(s) in state_dict: \"num_batches_tracked\"."},
                                      [&] { to.load_state_dict(tn::BatchNorm2d<>(2).state_dict()); });
}

TEST_CASE("numbers of another width become the layer's") {
  tn::BatchNorm2d<> bn(2);
  bn.load_state_dict(state_of<double>({0.1, 1e-60}, {1, 2}, {-3.5, 4}, {0.3, 1e30}));
  CHECK(bn.weight() == Eigen::Vector2f(0.1f, 0));
  CHECK(bn.running_var() == Eigen::Vector2f(0.3f, 1e30f));
  using H = Eigen::half;
  bn.load_state_dict(state_of<H>({H(0.1f), H(1)}, {H(2), H(3)}, {H(4), H(5)}, {H(6), H(65504)}));
  CHECK(bn.weight() == Eigen::Vector2f(0.0999755859375f, 1));
  CHECK(bn.running_var() == Eigen::Vector2f(6, 65504));
  using B = Eigen::bfloat16;
  bn.load_state_dict(state_of<B>({B(0.1f), B(1)}, {B(2), B(3)}, {B(4), B(5)}, {B(6), B(7)}));
  CHECK(bn.weight() == Eigen::Vector2f(0.10009765625f, 1));
  tn::BatchNorm2d<double> wide(2);
  wide.load_state_dict(state_of<float>({0.1f, 1}, {1, 2}, {3, 4}, {5, 6}));
  CHECK(wide.weight()(0) == static_cast<double>(0.1f));
}

TEST_CASE("the counter: absent it stays, and may have one axis, as in old files") {
  StateDict without, with;
  for (const auto& [name, array] : tn::BatchNorm2d<>(3).state_dict()) {
    if (name == "num_batches_tracked") continue;
    without.insert(name, array);
    with.insert(name, array);
  }
  with.insert("num_batches_tracked", Array({1}, std::vector<std::int64_t>{9}));
  auto bn = used_layer<tn::BatchNorm2d<>>();
  bn.load_state_dict(without);
  CHECK(bn.num_batches_tracked() == 7);
  bn.load_state_dict(with);
  CHECK(bn.num_batches_tracked() == 9);
}

TEST_CASE("a layer takes what has its prefix from a network's state, and minds nothing else") {
  const auto first = used_layer<tn::BatchNorm2d<>>();
  auto second = first;
  second.weight().setConstant(9);
  StateDict network;
  network.insert("features.10.weight", floats({0}));
  network.insert(first.state_dict("features.1."));
  network.insert(second.state_dict("features.2."));
  network.insert("weight", floats({0}));
  network.insert("features.1", floats({0}));
  tn::BatchNorm2d<> bn(3);
  bn.load_state_dict(network, "features.2.");
  CHECK(same_state(bn, second));
  bn.load_state_dict(network, "features.1.");
  CHECK(same_state(bn, first));
}

TEST_CASE("strict unless told otherwise, and not strict: what is there is loaded, what is not stays") {
  auto bn = used_layer<tn::BatchNorm2d<>>();
  const auto before = bn;
  StateDict dict;
  dict.insert("bias", floats({7, 8, 9}));
  dict.insert("gamma", floats({1}));
  check_throws<std::invalid_argument>({"Missing", "weight", "Unexpected", "gamma"}, [&] { bn.load_state_dict(dict); });
  CHECK(same_state(bn, before));
  bn.load_state_dict(dict, "", false);
  CHECK(bn.bias() == Eigen::Vector3f(7, 8, 9));
  bn.bias() = before.bias();
  CHECK(same_state(bn, before));
  bn.load_state_dict(StateDict(), "", false);
  CHECK(same_state(bn, before));
}
