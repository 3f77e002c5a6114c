// torch's results beside ours, both measured against the exact ones: on tensors of real networks and of torch's own
// tests, our error is at most torch's plus 1 ulp.
//
// The error of a tensor is the largest of its elements'. In float the ulp is that of the tensor's largest value. In
// double, where torch sums in double as we do and a sum that cancels is as good as its terms in either, the ulp of a
// gradient is that of its terms: of the largest sum of magnitudes that makes an element. Element by element nothing of
// the kind holds: a value near zero has an ulp far below the rounding of what it is computed from, in torch as here.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "support/bits.hpp"
#include "support/nd_array.hpp"
#include "support/snapshot.hpp"
#include "torch/fixtures.hpp"
#include "torch/inputs.hpp"
#include "torch/results.hpp"

using namespace tn_test;

namespace {

const std::vector<std::string> kFamilies{"ResNet-50", "DenseNet-121", "MobileNetV2",
                                         "GoogLeNet", "MLP",          "torch's tests"};

std::vector<TorchCase> cases() {
  const std::string here = __FILE__;
  return read_torch_cases(here.substr(0, here.rfind('/') + 1) + "torch/fixtures.txt");
}

long double error_of(long double value, long double exact) {
  return std::isnan(value) ? std::numeric_limits<long double>::infinity() : std::abs(value - exact);
}

template <typename Scalar>
void compare(const std::vector<long double>& ours, const std::vector<Stored>& torch, const Exact& exact) {
  REQUIRE(ours.size() == exact.values.size());
  REQUIRE(!torch.empty());
  long double our_error = 0, torch_error = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) our_error = std::max(our_error, error_of(ours[i], exact.values[i]));
  for (const Stored& element : torch) {
    torch_error = std::max(torch_error, error_of(element.value, exact.values.at(element.at)));
  }
  const bool in_double = std::is_same_v<Scalar, double>;
  const long double unit = ulp<Scalar>(in_double ? exact.terms : largest(exact.values));
  INFO("error in ulp: ours " << static_cast<double>(our_error / unit) << ", torch's "
                             << static_cast<double>(torch_error / unit));
  CHECK(our_error <= torch_error + unit);
  CHECK(torch_error <= 64 * ulp<Scalar>(exact.terms));  // or torch computed something else
}

template <typename Scalar, int Rank>
void check_case(const TorchCase& of) {
  const TorchInputs<Scalar, Rank> inputs(of.seed, of.dims);
  INFO(of.line);
  if (!of.throws.empty()) {
    auto bn = layer(of, inputs, 1);
    check_throws<std::invalid_argument>({of.throws.substr(0, of.throws.find(','))}, [&] { bn(inputs.x); });
    return;
  }
  REQUIRE(sum_of_bits(inputs.x) == of.sum_of_bits[0]);
  REQUIRE(sum_of_bits(inputs.dy) == of.sum_of_bits[1]);
  const std::map<std::string, Exact> exact = exact_results(of, inputs);
  CHECK(of.results.size() == exact.size());
  for (const int channel_axis : {1, -1}) {
    const Values ours = our_results(of, inputs, channel_axis);
    for (const auto& result : exact) {
      INFO(result.first << ", channel_axis " << channel_axis);
      compare<Scalar>(ours.at(result.first), of.results.at(result.first), result.second);
    }
  }
}

template <typename Scalar>
void check_case(const TorchCase& of) {
  switch (of.dims.size()) {
    case 2:
      return check_case<Scalar, 2>(of);
    case 3:
      return check_case<Scalar, 3>(of);
    case 4:
      return check_case<Scalar, 4>(of);
    case 5:
      return check_case<Scalar, 5>(of);
    default:
      FAIL("no layer takes " << of.line);
  }
}

void check_family(const std::string& family) {
  for (const TorchCase& of : cases()) {
    if (of.family != family || size_of(of.dims) == 0) continue;
    of.scalar == "float64" ? check_case<double>(of) : check_case<float>(of);
  }
}

}  // namespace

TEST_CASE("torch: every case is some test's, and has results of torch's") {
  std::map<std::string, int> of_family;
  for (const TorchCase& of : cases()) {
    INFO(of.line);
    CHECK(of.throws.empty() == !of.results.empty());
    ++of_family[of.family];
  }
  CHECK(of_family.size() == kFamilies.size());
  for (const std::string& family : kFamilies) CHECK(of_family[family] > 0);
}

TEST_CASE("torch: ResNet-50") { check_family("ResNet-50"); }
TEST_CASE("torch: DenseNet-121") { check_family("DenseNet-121"); }
TEST_CASE("torch: MobileNetV2") { check_family("MobileNetV2"); }
TEST_CASE("torch: GoogLeNet") { check_family("GoogLeNet"); }
TEST_CASE("torch: widths of a perceptron") { check_family("MLP"); }
TEST_CASE("torch: shapes of torch's own tests") { check_family("torch's tests"); }

TEST_CASE_TEMPLATE("torch: a batch of nothing", Scalar, float, double) {
  const auto check = [](const TorchCase& of) {
    const TorchInputs<Scalar, 3> inputs(of.seed, of.dims);
    auto bn = layer(of, inputs, 1);
    for (const bool training : {false, true}) {
      bn.train(training);
      CHECK(dims_of(bn(inputs.x)) == of.dims);
      CHECK(dims_of(bn.backward(inputs.x, inputs.dy)) == of.dims);
    }
    for (const auto& [name, values] : Values{{"running_mean", long_doubles(bn.running_mean())},
                                             {"running_var", long_doubles(bn.running_var())},
                                             {"training_dweight", long_doubles(bn.weight_grad())},
                                             {"training_dbias", long_doubles(bn.bias_grad())}}) {
      REQUIRE(of.results.at(name).size() == values.size());
      for (const Stored& element : of.results.at(name)) CHECK(values[element.at] == element.value);
    }
    CHECK(bn.num_batches_tracked() == kBatchesBefore);  // torch counts it
  };
  int seen = 0;
  for (const TorchCase& of : cases()) {
    if (size_of(of.dims) != 0 || of.scalar != (std::is_same_v<Scalar, float> ? "float32" : "float64")) continue;
    check(of);
    ++seen;
  }
  CHECK(seen == 1);
}
