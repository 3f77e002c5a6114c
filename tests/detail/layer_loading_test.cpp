// States that a layer refuses: in PyTorch's words, with every fault in one message, and not a byte of the layer
// changed.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using tn::Array;
using tn::StateDict;
using namespace tn_test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// A layer of 2 channels with nothing at its default.
template <typename Layer = tn::BatchNorm2d<>>
Layer used_layer(tn::BatchNormOptions options = {}) {
  Layer bn(2, options);
  Random random(1);
  randomise_parameters(random, bn);
  if (options.affine) bn.weight_grad().setConstant(3);
  if (options.track_running_stats) bn.set_num_batches_tracked(7);
  return bn;
}

template <typename T>
Array vector(std::vector<T> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return Array({size}, std::move(values));
}

/// The state of a fresh layer of 2 channels with some entries replaced.
StateDict state_with(const std::vector<StateDict::Entry>& changed) {
  StateDict dict;
  for (const auto& [name, array] : changed) dict.insert(name, array);
  for (const auto& [name, array] : tn::BatchNorm2d<>(2).state_dict()) {
    if (!dict.contains(name)) dict.insert(name, array);
  }
  return dict;
}

/// The layer's words for why it does not load the dict, strict or not, after a look at each of its bytes.
template <typename Layer>
std::string refusal(Layer& bn, const StateDict& dict, const std::string& prefix = "", bool strict = true) {
  const Snapshot before(bn);
  try {
    bn.load_state_dict(dict, prefix, strict);
  } catch (const std::invalid_argument& error) {
    CHECK(Snapshot(bn) == before);
    return error.what();
  }
  return "loaded";
}

/// The same for one wrong entry, which is refused whether strict or not.
std::string refusal(const std::string& name, const Array& array) {
  auto bn = used_layer();
  const StateDict dict = state_with({{name, array}});
  const std::string message = refusal(bn, dict);
  CHECK(refusal(bn, dict, "", false) == message);
  return message;
}

const std::string kError = "Error(s) in loading state_dict for BatchNorm2d:\n\t";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// torch's message as ours is to be: shapes as [2], no blank at the end of a line, the layer's own name.
std::string in_our_spelling(std::string message, const std::string& layer) {
  message = replaced(message, "torch.Size([", "[");
  message = replaced(message, "])", "]");
  message = replaced(message, ". \n", ".\n");
  message = replaced(message, "Sequential", layer);
  while (!message.empty() && message.back() == ' ') message.pop_back();
  return message;
}

}  // namespace

TEST_CASE("torch's words") {
  const std::string here = __FILE__;
  std::ifstream file(here.substr(0, here.rfind("/detail/")) + "/python/torch_messages.json");
  const auto fixture = nlohmann::json::parse(file);
  REQUIRE(fixture["cases"].size() == 19);
  for (const auto& of : fixture["cases"]) {
    CAPTURE(of.dump());
    tn::BatchNormOptions options;
    options.affine = of["affine"];
    options.track_running_stats = of["track_running_stats"];
    StateDict dict;
    for (const auto& entry : of["entries"]) {
      const std::string name = entry[0];
      const bool is_counter = name.find("num_batches_tracked") != std::string::npos;
      dict.insert(name, Array::zeros(is_counter ? tn::DType::int64 : tn::DType::float32, entry[1]));
    }
    const std::string layer = of["layer"];
    const auto check = [&](auto bn) {
      CHECK(refusal(bn, dict, of["prefix"], of["strict"]) == in_our_spelling(of["says"], layer));
    };
    if (layer == "BatchNorm1d") check(used_layer<tn::BatchNorm1d<>>(options));
    if (layer == "BatchNorm2d") check(used_layer<tn::BatchNorm2d<>>(options));
    if (layer == "BatchNorm3d") check(used_layer<tn::BatchNorm3d<>>(options));
  }
}

TEST_CASE("running_var that is no variance: each channel is named") {
  CHECK(refusal("running_var", vector<float>({-0.5f, 1})) ==
        kError + "running_var should be at least 0, not -0.5 in channel 0.");
  CHECK(refusal("running_var", vector<double>({1, -0.25})) ==
        kError + "running_var should be at least 0, not -0.25 in channel 1.");
  CHECK(refusal("running_var", vector<double>({-1e-50, 1})) ==  // -0 as a float
        kError + "running_var should be at least 0, not -1e-50 in channel 0.");
  const std::string both = refusal("running_var", vector<float>({kNan, -1}));
  CHECK(has_word(both, "running_var should be at least 0, not nan in channel 0."));
  CHECK(has_word(both, "running_var should be at least 0, not -1 in channel 1."));
}

TEST_CASE("a counter that counts nothing") {
  const auto counter = [](const Array& array) { return refusal("num_batches_tracked", array); };
  CHECK(counter(Array({}, std::vector<std::int64_t>{-3})) ==
        kError + "num_batches_tracked should be at least 0, not -3.");
  CHECK(counter(Array({1}, std::vector<std::int64_t>{-1})) ==
        kError + "num_batches_tracked should be at least 0, not -1.");
  for (const Array& array : {Array({}, std::vector<float>{3}), Array({}, std::vector<std::int32_t>{3})}) {
    CHECK(counter(array) == kError + "num_batches_tracked should be a 64-bit whole number.");
  }
  const auto misshapen = [](const char* shape) {
    return kError + "size mismatch for num_batches_tracked: copying a param with shape " + shape +
           " from checkpoint, the shape in current model is [].";
  };
  CHECK(counter(vector<std::int64_t>({1, 2})) == misshapen("[2]"));
  CHECK(counter(vector<std::int64_t>({})) == misshapen("[0]"));
  CHECK(counter(Array({1, 1}, std::vector<std::int64_t>{1})) == misshapen("[1, 1]"));
}

TEST_CASE("numbers that a float layer cannot hold") {
  const std::string overflow = refusal("running_mean", vector<double>({0, 1e39}));
  CHECK(has_word(overflow, "running_mean"));
  CHECK(has_word(overflow, "1e+39"));
  CHECK(has_word(refusal("weight", vector<double>({-1e300, 0})), "-1e+300"));
  for (const Array& whole :
       {vector<std::int64_t>({1, 2}), vector<std::int32_t>({1, 2}), vector<std::uint8_t>({1, 2})}) {
    CHECK(refusal("bias", whole) == kError + "bias should hold real numbers, not whole ones.");
  }
}

TEST_CASE("all faults stand in one message: keys first, then entry by entry") {
  StateDict dict;
  dict.insert("bn.running_var", vector<float>({-1, kNan}));
  dict.insert("bn.num_batches_tracked", Array({}, std::vector<std::int64_t>{-1}));
  dict.insert("bn.weight", vector<double>({1e300, 0}));
  dict.insert("bn.running_mean", vector<float>({1, 2, 3}));
  dict.insert("bn.beta", vector<float>({1, 2}));
  dict.insert("other.gamma", vector<float>({1}));
  auto bn = used_layer();
  const std::string message = refusal(bn, dict, "bn.");
  std::size_t at = 0;
  for (const char* part :
       {"Error(s) in loading state_dict for BatchNorm2d:\n", "\tMissing key(s) in state_dict: \"bn.bias\".\n",
        "\tUnexpected key(s) in state_dict: \"bn.beta\".\n", "\tbn.weight: array holds 1e+300",
        "\tsize mismatch for bn.running_mean: copying a param with shape [3]",
        "\tbn.running_var should be at least 0, not -1 in channel 0.\n",
        "\tbn.running_var should be at least 0, not nan in channel 1.\n",
        "\tbn.num_batches_tracked should be at least 0, not -1."}) {
    CAPTURE(message);
    CAPTURE(part);
    const std::size_t found = message.find(part, at);
    CHECK(found != std::string::npos);
    if (found != std::string::npos) at = found + 1;
  }
  CHECK(message.find("gamma") == std::string::npos);
}

TEST_CASE("the last fault of all leaves the first entry unapplied") {
  for (const bool strict : {true, false}) {
    auto bn = used_layer();
    const StateDict dict = state_with(
        {{"weight", vector<float>({100, 200})}, {"num_batches_tracked", Array({}, std::vector<std::int64_t>{-1})}});
    CHECK(refusal(bn, dict, "", strict) != "loaded");
  }
  auto bn = used_layer();
  CHECK(refusal(bn, state_with({{"zzz", vector<float>({1})}})) != "loaded");
}

TEST_CASE("a layer of double takes what a float layer cannot") {
  tn::BatchNorm2d<double> bn(2);
  bn.load_state_dict(state_with({{"running_mean", vector<double>({0, 1e39})}}));
  CHECK(bn.running_mean()(1) == 1e39);
}
