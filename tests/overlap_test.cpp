// Memory that is given twice: the same range in and out is legal, everything in between throws and changes nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Tensor4 = Tensor<float, 4>;
using Map4 = Eigen::TensorMap<Tensor4>;
using ConstMap4 = Eigen::TensorMap<const Tensor4>;
using std::invalid_argument;

namespace {

constexpr Index kSize = 4 * 3 * 2 * 5;

/// Room for three tensors in a row, filled with noise.
std::vector<float> room() {
  Random random(1);
  std::vector<float> values(3 * kSize);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

template <typename Map = Map4>
Map at(std::vector<float>& values, Index offset) {
  return Map(values.data() + offset, 4, 3, 2, 5);
}

tn::BatchNorm2d<> used_layer(bool training, std::vector<float>& values) {
  tn::BatchNorm2d<> bn(3);
  Random random(2);
  randomise_parameters(random, bn);
  bn(at(values, kSize));
  bn.train(training);
  return bn;
}

/// Offsets, in elements, at which two tensors share some of their memory and not all.
const Index kPartial[] = {1, 2, 5, 60, kSize - 1, -1, -30, 1 - kSize};

}  // namespace

TEST_CASE("y may be x, or touch it, and not overlap it in part") {
  for (const bool training : {true, false}) {
    std::vector<float> values = room();
    tn::BatchNorm2d<> bn = used_layer(training, values);
    for (const Index offset : kPartial) {
      INFO("training " << training << ", y " << offset << " elements after x");
      check_throws_untouched<invalid_argument>(
          bn, values, {"y", "x"}, [&] { bn.forward(at<ConstMap4>(values, kSize), at(values, kSize + offset)); });
    }
    tn::BatchNorm2d<> other = bn;
    const Tensor4 wanted = other(at(values, kSize));
    for (const Index offset : {-kSize, kSize, Index{0}}) {
      std::vector<float> copy = values;
      tn::BatchNorm2d<> same = bn;
      same.forward(at<ConstMap4>(copy, kSize), at(copy, kSize + offset));
      CHECK(same_bits(at(copy, kSize + offset), wanted));
      CHECK(Snapshot(same) == Snapshot(other));
    }
  }
}

TEST_CASE("dx may be dy, not overlap it in part, and not touch x at all") {
  for (const bool training : {true, false}) {
    std::vector<float> values = room(), apart = room();
    tn::BatchNorm2d<> bn = used_layer(training, values);
    for (const Index offset : kPartial) {
      INFO("training " << training << ", dx " << offset << " elements further");
      check_throws_untouched<invalid_argument>(bn, values, {"dx", "dy"}, [&] {
        bn.backward(at(apart, kSize), at(values, kSize), at(values, kSize + offset));
      });
      check_throws_untouched<invalid_argument>(
          bn, values, {"dx", "x"}, [&] { bn.backward(at(values, kSize), at(apart, 0), at(values, kSize + offset)); });
    }
    check_throws_untouched<invalid_argument>(bn, values, {"dx", "x"},
                                             [&] { bn.backward(at(values, kSize), at(apart, 0), at(values, kSize)); });
    check_throws_untouched<invalid_argument>(  // x, dy and dx all one
        bn, values, {"dx", "x"}, [&] { bn.backward(at(values, kSize), at(values, kSize), at(values, kSize)); });

    const Tensor4 wanted = tn::BatchNorm2d<>(bn).backward(at(values, kSize), at(values, 0));
    std::vector<float> copy = values;
    bn.backward(at(copy, kSize), at(copy, 0), at(copy, 0));
    CHECK(same_bits(at(copy, 0), wanted));
    CHECK(std::equal(copy.begin() + kSize, copy.end(), values.begin() + kSize));
  }
}

TEST_CASE("x and dy may be the same tensor, or overlap") {
  for (const bool training : {true, false}) {
    std::vector<float> values = room();
    tn::BatchNorm2d<> bn = used_layer(training, values), other = bn;
    const Tensor4 x = at(values, kSize), dy = at(values, kSize + 7);
    CHECK(same_bits(bn.backward(at(values, kSize), at(values, kSize + 7)), other.backward(x, dy)));
    CHECK(same_bits(bn.backward(at(values, kSize), at(values, kSize)), other.backward(x, x)));
  }
}

TEST_CASE("an empty output whose index type cannot count the input's sizes is not resized") {
  Tensor<float, 2> x(32768, 1);
  x.setConstant(1);
  Eigen::Tensor<float, 2, Tensor<float, 2>::Layout, short> y;
  tn::BatchNorm1d<> bn(1);
  check_throws<invalid_argument>({"y", "[32768, 1]", "[0, 0]"}, [&] { bn.forward(x, y); });
  CHECK(y.size() == 0);
  bn.forward(Tensor<float, 2>(x.slice(Eigen::array<Index, 2>{0, 0}, Eigen::array<Index, 2>{32767, 1})), y);
  CHECK(y.size() == 32767);
}

TEST_CASE("neither y nor dx may be a vector that the layer has not got") {
  tn::BatchNormOptions options;
  options.affine = options.track_running_stats = false;
  const Eigen::VectorXf x = Eigen::VectorXf::LinSpaced(4, 1, 4), none;
  tn::BatchNorm1d<> bn(1, options);
  bn(x);
  const auto check = [&](const char* name, Eigen::VectorXf& vector) {
    INFO(name);
    check_throws_untouched<invalid_argument>(bn, none, {"y", name}, [&] { bn.forward(x, vector); });
    check_throws_untouched<invalid_argument>(bn, none, {"dx", name}, [&] { bn.backward(x, x, vector); });
    CHECK(vector.size() == 0);
  };
  check("weight", bn.weight());
  check("bias", bn.bias());
  check("running_mean", bn.running_mean());
  check("running_var", bn.running_var());
  check("weight_grad", bn.weight_grad());
  check("bias_grad", bn.bias_grad());
}

TEST_CASE("neither y nor dx may lie over what the layer holds") {
  const char* const names[] = {"weight", "bias", "running_mean", "running_var", "weight_grad", "bias_grad"};
  using RowMap = Eigen::TensorMap<Tensor<float, 2>>;
  for (std::size_t which = 0; which < 6; ++which) {
    tn::BatchNorm1d<> bn(8);
    Random random(3);
    randomise_parameters(random, bn);
    bn.eval();  // so that one row, as long as a parameter, is a batch
    Eigen::VectorXf* const held[] = {&bn.weight(),      &bn.bias(),        &bn.running_mean(),
                                     &bn.running_var(), &bn.weight_grad(), &bn.bias_grad()};
    const Tensor<float, 2> x = normal<Tensor<float, 2>>(random, {1, 8}), dy = normal<Tensor<float, 2>>(random, {1, 8});
    INFO(names[which]);
    RowMap over(held[which]->data(), 1, 8);
    check_throws_untouched<invalid_argument>(bn, x, {"y", names[which]}, [&] { bn.forward(x, over); });
    check_throws_untouched<invalid_argument>(bn, x, {"dx", names[which]}, [&] { bn.backward(x, dy, over); });
    RowMap behind(held[which]->data() + 7, 1, 8);  // its first element is the last of what is held, here and maybe next
    check_throws_untouched<invalid_argument>(bn, x, {"y", "overlaps"}, [&] { bn.forward(x, behind); });

    // Six floats of a parameter, for a layer of two channels in training: a part of what is held is enough.
    tn::BatchNorm1d<> narrow(2);
    narrow(Tensor<float, 2>(normal<Tensor<float, 2>>(random, {3, 2})));
    Eigen::VectorXf* const narrow_held[] = {&narrow.weight(),      &narrow.bias(),        &narrow.running_mean(),
                                            &narrow.running_var(), &narrow.weight_grad(), &narrow.bias_grad()};
    static float far_from_the_heap[6] = {1, 2, 3, 5, 4, 6};
    const RowMap rows(far_from_the_heap, 3, 2);
    RowMap reaching(narrow_held[which]->data() - 5, 3, 2);  // its last element is the first of what is held
    check_throws_untouched<invalid_argument>(narrow, rows, {"y", names[which]},
                                             [&] { narrow.forward(rows, reaching); });
    check_throws_untouched<invalid_argument>(narrow, rows, {"dx", names[which]},
                                             [&] { narrow.backward(rows, rows, reaching); });
  }
}

TEST_CASE("overlap: ranges share a byte or not, and an empty one shares none, wherever it is") {
  const char bytes[10] = {};
  const auto overlap = [&](int a, std::size_t a_bytes, int b, std::size_t b_bytes) {
    return tn::detail::overlap({"a", bytes + a, a_bytes}, {"b", bytes + b, b_bytes});
  };
  CHECK(overlap(0, 5, 4, 5));
  CHECK(overlap(4, 5, 0, 5));
  CHECK(overlap(2, 3, 0, 9));
  CHECK_FALSE(overlap(0, 5, 5, 5));
  CHECK_FALSE(overlap(5, 5, 0, 5));
  CHECK_FALSE(overlap(0, 9, 5, 0));
  CHECK_FALSE(overlap(5, 0, 0, 9));
}
