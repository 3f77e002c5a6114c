// Misuse of outputs and of the order of calls: each case throws the right exception and leaves the layer and the output
// as they were, byte for byte.
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <tensornorm/tensornorm.hpp>

#include "support/bad_inputs.hpp"
#include "support/bits.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Matrix = Eigen::MatrixXf;
using std::invalid_argument;
using std::logic_error;

TEST_CASE("an output of other sizes than the input's") {
  for (const bool training : {true, false}) {
    tn::BatchNorm2d<> bn = used_layer();
    bn.train(training);
    const Tensor4 x = input();
    for (const Dims& dims : {Dims{4, 3, 2, 6}, Dims{4, 3, 5, 2}, Dims{3, 3, 2, 5}, Dims{8, 3, 2, 5}}) {
      const std::string got =
          "[" + std::to_string(dims[0]) + ", 3, " + std::to_string(dims[2]) + ", " + std::to_string(dims[3]) + "]";
      Tensor4 y = input(dims);
      Map4 map(y.data(), y.dimensions());
      check_throws_untouched<invalid_argument>(bn, y, {"y", "[4, 3, 2, 5]", got}, [&] { bn.forward(x, y); });
      check_throws_untouched<invalid_argument>(bn, y, {"y", "[4, 3, 2, 5]", got}, [&] { bn.forward(x, map); });
      check_throws_untouched<invalid_argument>(bn, y, {"dx", "[4, 3, 2, 5]", got}, [&] { bn.backward(x, x, map); });
      CHECK(dims_of(y) == dims);
    }
    // An empty map owns nothing that could be resized.
    Map4 none(nullptr, 0, 3, 2, 5);
    check_throws_untouched<invalid_argument>(bn, x, {"y", "[4, 3, 2, 5]"}, [&] { bn.forward(x, none); });
  }
  tn::BatchNorm1d<> rows(3);
  Matrix x = Matrix::Random(4, 3), y = Matrix::Ones(3, 4);
  check_throws_untouched<invalid_argument>(rows, y, {"y", "[4, 3]", "[3, 4]"}, [&] { rows.forward(x, y); });
  Eigen::Matrix<float, 5, 3> fixed = Eigen::Matrix<float, 5, 3>::Ones();
  check_throws_untouched<invalid_argument>(rows, fixed, {"y", "[4, 3]", "[5, 3]"}, [&] { rows.forward(x, fixed); });
}

TEST_CASE("null maps: of some size they throw, of none they are empty batches") {
  for (const bool training : {true, false}) {
    tn::BatchNorm2d<> bn = used_layer();
    bn.train(training);
    Tensor4 x = input(), y = input();
    Map4 null(nullptr, x.dimensions());
    check_rejected(bn, null, {"x", "null"});
    check_throws_untouched<invalid_argument>(bn, x, {"y", "null"}, [&] { bn.forward(x, null); });
    check_throws_untouched<invalid_argument>(bn, y, {"x", "null"}, [&] { bn.backward(null, x, y); });
    check_throws_untouched<invalid_argument>(bn, y, {"dy", "null"}, [&] { bn.backward(x, null, y); });
    check_throws_untouched<invalid_argument>(bn, y, {"dx", "null"}, [&] { bn.backward(x, y, null); });
    Map4 empty(nullptr, 0, 3, 2, 5);
    const Snapshot before(bn);
    CHECK_NOTHROW(bn.forward(empty, empty));
    CHECK_NOTHROW(bn.backward(empty, empty, empty));
    CHECK(Snapshot(bn) == before);
  }
}

TEST_CASE("const layers only evaluate, and backward in training wants a forward before it") {
  const tn::BatchNorm2d<> training = used_layer();
  Tensor4 y = input();
  check_throws_untouched<logic_error>(training, y, {"eval"}, [&] { training(input()); });
  check_throws_untouched<logic_error>(training, y, {"eval"}, [&] { training.forward(input()); });
  check_throws_untouched<logic_error>(training, y, {"eval"}, [&] { training.forward(input(), y); });
  check_throws_untouched<logic_error>(training, y, {"eval"},
                                      [&] { training.forward(Eigen::DefaultDevice{}, input(), y); });

  tn::BatchNorm2d<> fresh(3);
  check_throws_untouched<logic_error>(fresh, y, {"forward"}, [&] { fresh.backward(input(), input(), y); });
  fresh.eval();
  fresh(input());
  fresh.train();
  check_throws_untouched<logic_error>(fresh, y, {"forward"}, [&] { fresh.backward(input(), input(), y); });
  fresh(input({0, 3, 2, 5}));
  check_throws_untouched<logic_error>(fresh, y, {"forward"}, [&] { fresh.backward(input(), input(), y); });
}

TEST_CASE("backward with an x, dy or element count of another shape") {
  for (const bool training : {true, false}) {
    tn::BatchNorm2d<> bn = used_layer();
    bn.train(training);
    const Tensor4 x = input();
    Tensor4 dx = input();
    check_throws_untouched<invalid_argument>(bn, dx, {"dy", "[4, 3, 2, 5]", "[4, 3, 2, 6]"}, [&] {
      bn.backward(x, input({4, 3, 2, 6}), dx);
    });
    for (const Dims& dims : {Dims{4, 3, 5, 2}, Dims{2, 3, 4, 5}, Dims{0, 3, 2, 5}, Dims{4, 7, 2, 5}}) {
      check_throws_untouched<invalid_argument>(bn, dx, {"dy"}, [&] { bn.backward(x, input(dims), dx); });
      check_throws_untouched<invalid_argument>(bn, dx, {}, [&] { bn.backward(input(dims), x, dx); });
    }
    check_throws_untouched<invalid_argument>(bn, dx, {"3", "7"}, [&] {
      bn.backward(input({4, 7, 2, 5}), input({4, 7, 2, 5}), dx);
    });
  }
  tn::BatchNorm2d<> bn = used_layer();  // remembers 4 * 2 * 5 values a channel
  Tensor4 dx = input({4, 3, 2, 6});
  check_throws_untouched<invalid_argument>(bn, dx, {"x"}, [&] {
    bn.backward(input({4, 3, 2, 6}), input({4, 3, 2, 6}), dx);
  });
}

TEST_CASE("a forward that threw leaves what was remembered of the one before") {
  tn::BatchNorm2d<> bn = used_layer(), other = bn;
  Tensor4 wrong = input({4, 3, 2, 6});
  check_throws<invalid_argument>({"y"}, [&] { bn.forward(input(), wrong); });
  check_throws<invalid_argument>({"y"}, [&] { bn.forward(Tensor4(input() * 3.f), wrong); });
  check_throws<invalid_argument>({"per channel"}, [&] { bn(input({1, 3, 1, 1})); });
  CHECK(same_bits(bn.backward(input(), input()), other.backward(input(), input())));
  CHECK(Snapshot(bn) == Snapshot(other));
}
