// verify_probe: an input and an output beside the weights, checked when they are loaded.
#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <tensornorm/probe.hpp>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/layouts.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using tn::Array;
using tn::StateDict;
using tn::verify_probe;
using namespace tn_test;
using Row = Eigen::VectorXd;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Array vector(std::vector<double> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return Array({size}, std::move(values));
}

/// A probe whose output should be its input, but is said to be this.
StateDict probe(std::vector<double> input, std::vector<double> output) {
  StateDict dict;
  dict.insert("probe.input", vector(std::move(input)));
  dict.insert("probe.output", vector(std::move(output)));
  return dict;
}

Row same(const Row& x) { return x; }

void refused(const StateDict& dict, double tolerance, std::initializer_list<std::string> words) {
  check_throws<std::runtime_error>(words, [&] { verify_probe<Row>(dict, same, tolerance); });
}

}  // namespace

TEST_CASE("a dict without a probe says nothing, and forward is not run") {
  bool ran = false;
  const auto forward = [&](const Row& x) {
    ran = true;
    return x;
  };
  StateDict dict;
  dict.insert("input", vector({1}));
  dict.insert("probe.output", vector({1}));
  CHECK_FALSE(verify_probe<Row>(dict, forward, 0).has_value());
  CHECK_FALSE(ran);
}

TEST_CASE("the largest difference, as long as it is in tolerance") {
  CHECK(verify_probe<Row>(probe({1, 2}, {1, 2}), same, 0) == 0.0);
  CHECK(verify_probe<Row>(probe({1, 2, 3}, {1.25, 1.5, 3}), same, 0.5) == 0.5);
  CHECK(verify_probe<Row>(probe({1, 2, 3}, {0.5, 2.25, 3}), same, 1) == 0.5);
  CHECK(verify_probe<Row>(probe({}, {}), same, 0) == 0.0);
}

TEST_CASE("a difference past the tolerance: by how much, where, and between what") {
  refused(probe({1, 2, 3}, {1, 2.5, 3.25}), 0.25,
          {"probe.output", "differs by 0.5", "by more than 0.25", "element 1 is 2, not 2.5"});
  refused(probe({1, 2, 3}, {1, 2, 2}), 0, {"differs by 1", "element 2 is 3, not 2"});
  refused(probe({1e-300}, {0}), 0, {"element 0"});
  refused(probe({1, 2, 3}, {1, 3, 4}), 0, {"element 1 is 2, not 3"});  // the first of several
}

TEST_CASE("NaN and infinity agree with themselves alone") {
  CHECK(verify_probe<Row>(probe({kNan, kInfinity, -kInfinity}, {kNan, kInfinity, -kInfinity}), same, 0) == 0.0);
  refused(probe({0, kNan, 5}, {0, 1, 0}), 10, {"differs by nan", "element 1 is nan, not 1"});
  refused(probe({9, 1}, {0, kNan}), 10, {"element 1 is 1, not nan"});
  refused(probe({kInfinity}, {-kInfinity}), 1e300, {"element 0 is inf, not -inf"});
  refused(probe({1e300}, {kInfinity}), 1e300, {"differs by inf"});
  refused(probe({kNan}, {0}), kInfinity, {"differs by nan"});
}

TEST_CASE("an output of another shape") {
  refused(probe({1, 2}, {1, 2, 3}), 1, {"expected the shape [3], got [2]"});
  StateDict dict;
  dict.insert("probe.input", vector({1, 2}));
  dict.insert("probe.output", Array({2, 1}, std::vector<double>{1, 2}));
  refused(dict, 1, {"expected the shape [2, 1], got [2]"});
}

TEST_CASE("a probe that is not whole, not of the type asked for, or asked for with no tolerance") {
  const auto wrong = [](std::initializer_list<std::string> words, const StateDict& dict, double tolerance = 0) {
    check_throws<std::invalid_argument>(words, [&] { verify_probe<Row>(dict, same, tolerance); });
  };
  StateDict input, matrix;
  input.insert("probe.input", vector({1}));
  wrong({"\"probe.output\""}, input);
  matrix.insert("probe.input", Array({2, 2}, std::vector<double>(4)));
  matrix.insert("probe.output", vector({1}));
  wrong({"1 axis", "[2, 2]"}, matrix);
  for (const double tolerance : {-1.0, kNan}) {
    wrong({"tolerance"}, probe({1}, {1}), tolerance);
    wrong({"tolerance"}, probe({}, {}), tolerance);
  }
}

TEST_CASE("other prefixes, other types of value, and a forward that gives an expression or a tensor") {
  StateDict dict;
  dict.insert("check.input", Array({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}));
  dict.insert("check.output", Array({2, 3}, std::vector<float>{2, 4, 6, 8, 10, 12}));
  using X = Tensor<double, 2, Eigen::ColMajor>;
  CHECK(verify_probe<X>(
            dict, [](const X& x) -> X { return x * 2.0; }, 0, "check.") == 0.0);
  CHECK(verify_probe<Eigen::MatrixXf>(
            dict, [](const auto& x) { return (2 * x).eval(); }, 0, "check.") == 0.0);
  CHECK(verify_probe<Tensor<Eigen::half, 2>>(
            dict, [](const auto& x) -> Tensor<Eigen::half, 2> { return x + x; }, 0, "check.") == 0.0);
  CHECK_FALSE(verify_probe<X>(
                  dict, [](const X& x) { return x; }, 0)
                  .has_value());
}

TEST_CASE("a layer's probe finds an eps that is not the file's") {
  tn::BatchNorm1d<> bn(3), other(3, {1e-1});
  bn.running_var() << 1, 2, 3;
  bn.eval();
  const Eigen::MatrixXf x = Eigen::MatrixXf::Constant(2, 3, 5);
  StateDict dict = bn.state_dict();
  dict.insert("probe.input", Array::from(x));
  dict.insert("probe.output", Array::from(bn(x)));
  for (auto* layer : {&bn, &other}) {
    layer->load_state_dict(bn.state_dict());
    layer->eval();
  }
  CHECK(verify_probe<Eigen::MatrixXf>(dict, bn, 0) == 0.0);
  check_throws<std::runtime_error>({"differs"}, [&] { verify_probe<Eigen::MatrixXf>(dict, other, 1e-3); });
}
