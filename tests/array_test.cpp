// Array: values with a shape and a type known at run time, and every Eigen type they come from and go to.
#include <doctest/doctest.h>

#include <cstdint>
#include <iterator>
#include <limits>
#include <tensornorm/array.hpp>
#include <type_traits>
#include <vector>

#include "support/bits.hpp"
#include "support/layouts.hpp"
#include "support/snapshot.hpp"

using tensornorm::Array;
using tensornorm::DType;
using namespace tn_test;
using Shape = Array::Shape;

namespace {

template <typename T>
struct Stored {
  using type = T;
  DType dtype;
};

/// body(Stored<T>) for every type of value.
template <typename Body>
void for_each_type(Body body) {
  body(Stored<double>{DType::float64});
  body(Stored<float>{DType::float32});
  body(Stored<Eigen::half>{DType::float16});
  body(Stored<Eigen::bfloat16>{DType::bfloat16});
  body(Stored<std::int64_t>{DType::int64});
  body(Stored<std::int32_t>{DType::int32});
  body(Stored<std::uint8_t>{DType::uint8});
}

/// 1, 2, 3, ... in logical order.
template <typename X>
X counted(const Dims& dims) {
  X x = make<X>(dims);
  for_each_index(dims, [&](const Dims& index, std::size_t step) {
    element(x, index) = static_cast<typename X::Scalar>(static_cast<float>(step + 1));
  });
  return x;
}

template <typename T>
std::vector<T> counted(std::size_t size) {
  std::vector<T> values;
  for (std::size_t i = 1; i <= size; ++i) values.push_back(static_cast<T>(static_cast<float>(i)));
  return values;
}

/// An array of float32 values 1, 2, 3, ...
Array floats(const Shape& shape) {
  std::size_t size = 1;
  for (const std::int64_t extent : shape) size *= static_cast<std::size_t>(extent);
  return Array(shape, counted<float>(size));
}

/// Array::from counts in logical order whatever the memory's, and to<X> is its inverse.
template <typename X>
void check_both_ways(const Dims& dims) {
  const X x = counted<X>(dims);
  const Array array = Array::from(x);
  CHECK(array.shape() == Shape(dims.begin(), dims.end()));
  CHECK(array.size() == x.size());
  CHECK(array.values<typename X::Scalar>() == counted<typename X::Scalar>(static_cast<std::size_t>(x.size())));
  const X back = array.to<X>();
  CHECK(dims_of(back) == dims);
  CHECK(same_bits(back, x));
}

}  // namespace

TEST_CASE("an array knows its type, shape and values") {
  for_each_type([](auto stored) {
    using T = typename decltype(stored)::type;
    const Array array({2, 3}, counted<T>(6));
    CHECK(array.dtype() == stored.dtype);
    CHECK(array.shape() == Shape{2, 3});
    CHECK(array.size() == 6);
    CHECK(array.values<T>() == counted<T>(6));
    CHECK(array.visit([](const auto& values) {
      return std::is_same_v<decltype(values), const std::vector<T>&> ? values.size() : 0;
    }) == 6);
  });
}

TEST_CASE("zeros of every type") {
  for_each_type([](auto stored) {
    using T = typename decltype(stored)::type;
    const Array array = Array::zeros(stored.dtype, {2, 2});
    CHECK(array.dtype() == stored.dtype);
    CHECK(array.shape() == Shape{2, 2});
    CHECK(array.values<T>() == std::vector<T>(4, T{}));
  });
  CHECK(Array::zeros(DType::float32, {}).size() == 1);
  CHECK(Array::zeros(DType::float32, {3, 0}).size() == 0);
  check_throws<std::invalid_argument>({"shape", "[2, -1]"}, [] { Array::zeros(DType::float32, {2, -1}); });
  check_throws<std::invalid_argument>({"x", "[2, 3]", "null"},
                                      [] { Array::from(Eigen::TensorMap<Eigen::Tensor<float, 2>>(nullptr, 2, 3)); });
  check_throws<std::invalid_argument>({"dtype", "17"}, [] { Array::zeros(static_cast<DType>(17), {1}); });
}

TEST_CASE("zeros of which memory cannot hold the bytes") {
  check_throws<std::invalid_argument>({"shape", "[4611686018427387904]"},
                                      [] { Array::zeros(DType::float64, Array::Shape{std::int64_t{1} << 62}); });
}

TEST_CASE("a copy is an array of its own") {
  const Array numbers = floats({2});
  Array copy = numbers;
  CHECK(copy.values<float>() == counted<float>(2));
  copy = Array({1}, std::vector<std::int64_t>{7});
  CHECK(copy.dtype() == DType::int64);
  CHECK(numbers.shape() == Shape{2});
  CHECK(numbers.values<float>() == counted<float>(2));
  const Array moved = std::move(copy);
  CHECK(moved.values<std::int64_t>() == std::vector<std::int64_t>{7});
}

TEST_CASE("a shape and a number of values that do not go together") {
  CHECK(Array({}, std::vector<float>{7}).size() == 1);
  CHECK(Array({0}, std::vector<float>{}).size() == 0);
  CHECK(Array({4, 0, 5}, std::vector<float>{}).size() == 0);
  const auto refused = [](const Shape& shape, std::size_t values, const char* text) {
    INFO(text);
    check_throws<std::invalid_argument>({text, std::to_string(values)},
                                        [&] { Array(shape, std::vector<float>(values)); });
  };
  refused({2, 3}, 5, "[2, 3]");
  refused({2, 3}, 7, "[2, 3]");
  refused({}, 0, "[]");
  refused({}, 2, "[]");
  refused({0}, 1, "[0]");
  refused({-2, -3}, 6, "[-2, -3]");
  refused({0, -1}, 0, "[0, -1]");
  const std::int64_t big = std::int64_t{1} << 32;
  refused({big, big}, 0, "[4294967296, 4294967296]");  // 2^64: 0, if it were not watched
  refused({big, big, 0}, 0, "[4294967296, 4294967296, 0]");
  refused({0, big, big}, 0, "[0, 4294967296, 4294967296]");
}

TEST_CASE("values are asked for in the type they have") {
  const Array array = floats({3});
  check_throws<std::invalid_argument>({"values", "type"}, [&] { array.values<double>(); });
  check_throws<std::invalid_argument>({"values", "type"}, [&] { array.values<std::int32_t>(); });
}

TEST_CASE("tensors of every rank and storage order, there and back") {
  for_each_order([](auto order) {
    constexpr int kOrder = decltype(order)::value;
    check_both_ways<Tensor<float, 1, kOrder>>({5});
    check_both_ways<Tensor<float, 2, kOrder>>({3, 4});
    check_both_ways<Tensor<double, 3, kOrder>>({2, 3, 4});
    check_both_ways<Tensor<float, 4, kOrder>>({2, 3, 4, 5});
    check_both_ways<Tensor<double, 5, kOrder>>({2, 1, 3, 2, 4});
    check_both_ways<Tensor<float, 3, kOrder>>({2, 0, 4});
    check_both_ways<Tensor<Eigen::half, 3, kOrder>>({2, 3, 4});
    check_both_ways<Tensor<Eigen::bfloat16, 2, kOrder>>({3, 4});
    check_both_ways<Tensor<std::int64_t, 3, kOrder>>({2, 3, 4});
    check_both_ways<Tensor<std::uint8_t, 2, kOrder>>({3, 4});
    check_both_ways<Eigen::Tensor<float, 3, kOrder, int>>({2, 3, 4});
    check_both_ways<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, kOrder>>({3, 4});
    check_both_ways<Eigen::Array<std::int32_t, Eigen::Dynamic, Eigen::Dynamic, kOrder>>({3, 4});
    check_both_ways<Eigen::Matrix<double, 3, 4, kOrder>>({3, 4});
    check_both_ways<Eigen::Matrix<float, Eigen::Dynamic, 4, kOrder>>({3, 4});

    Eigen::TensorFixedSize<float, Eigen::Sizes<2, 3>, kOrder> fixed;
    for (Index i = 0; i < 6; ++i) fixed(i / 3, i % 3) = static_cast<float>(i + 1);
    const Array array = Array::from(fixed);
    CHECK(array.values<float>() == counted<float>(6));
    CHECK(same_bits(array.to<decltype(fixed)>(), fixed));
  });
}

TEST_CASE("one number is a tensor of rank 0") {
  Tensor<float, 0> number;
  number() = 7;
  CHECK(Array::from(number).shape().empty());
  CHECK(Array::from(number).values<float>() == std::vector<float>{7});
  CHECK((Array({}, std::vector<float>{7}).to<Tensor<float, 0>>()()) == 7);
}

TEST_CASE("vectors have one axis, rows and columns alike") {
  const Eigen::VectorXf column = counted<Eigen::VectorXf>({4, 1});
  const Eigen::RowVectorXf row = column.transpose();
  const Eigen::ArrayXf array = column.array();
  for (const Array& from : {Array::from(column), Array::from(row), Array::from(array), floats({4})}) {
    CHECK(from.shape() == Shape{4});
    CHECK(from.values<float>() == counted<float>(4));
    CHECK(from.to<Eigen::VectorXf>() == column);
    CHECK(from.to<Eigen::RowVectorXf>() == row);
    CHECK((from.to<Eigen::ArrayXf>() == array).all());
    CHECK(from.to<Eigen::Vector4f>() == column);
  }
  CHECK(Array::from(Eigen::VectorXf()).shape() == Shape{0});
  CHECK(Array::from(Eigen::VectorXf()).to<Eigen::VectorXf>().size() == 0);
}

TEST_CASE("maps, blocks with strides and expressions are copied as the values they stand for") {
  const Eigen::MatrixXf matrix = counted<Eigen::MatrixXf>({3, 4});  // 1 2 3 4 | 5 6 7 8 | 9 10 11 12
  CHECK(Array::from(Eigen::Map<const Eigen::MatrixXf>(matrix.data(), 3, 4)).values<float>() == counted<float>(12));
  CHECK(Array::from(matrix.block(1, 1, 2, 2)).values<float>() == std::vector<float>{6, 7, 10, 11});
  CHECK(Array::from(matrix.row(1)).values<float>() == std::vector<float>{5, 6, 7, 8});
  CHECK(Array::from(matrix.row(1)).shape() == Shape{4});
  CHECK(Array::from(matrix.transpose()).shape() == Shape{4, 3});
  CHECK(Array::from(matrix.transpose()).values<float>()[1] == 5);
  CHECK(Array::from(2 * matrix).values<float>()[11] == 24);

  const Tensor<float, 2, Eigen::ColMajor> tensor = counted<Tensor<float, 2, Eigen::ColMajor>>({3, 4});
  const Eigen::TensorMap<const Tensor<float, 2, Eigen::ColMajor>> map(tensor.data(), 3, 4);
  CHECK(Array::from(map).values<float>() == counted<float>(12));
  CHECK(Array::from(tensor * 2.f).values<float>()[11] == 24);
}

TEST_CASE("a type that does not come in the array's shape") {
  const Array array = floats({3, 4});
  const auto refused = [](std::initializer_list<std::string> words, auto call) {
    check_throws<std::invalid_argument>(words, call);
  };
  refused({"3 axes", "[3, 4]"}, [&] { array.to<Tensor<float, 3>>(); });
  refused({"1 axis", "[3, 4]"}, [&] { array.to<Eigen::VectorXf>(); });
  refused({"2 axes", "[3]"}, [] { floats({3}).to<Eigen::MatrixXf>(); });
  refused({"1 axis", "[]"}, [] { floats({}).to<Eigen::VectorXf>(); });
  refused({"0 axes", "[1]"}, [] { floats({1}).to<Tensor<float, 0>>(); });
  refused({"[4, 3]", "[3, 4]"}, [&] { array.to<Eigen::Matrix<float, 4, 3>>(); });
  refused({"[3, 4]"}, [&] { array.to<Eigen::Matrix<float, Eigen::Dynamic, 3>>(); });
  refused({"[3, 4]"}, [&] { array.to<Eigen::TensorFixedSize<float, Eigen::Sizes<4, 3>>>(); });
  refused({"[5, 1]", "[4]"}, [] { floats({4}).to<Eigen::Matrix<float, 5, 1>>(); });
}

TEST_CASE("a type of bounded size: up to there, and not past its memory") {
  using Bounded = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor, 3, 4>;
  CHECK(floats({3, 4}).to<Bounded>()(2, 3) == 12);
  CHECK(floats({2, 1}).to<Bounded>().rows() == 2);
  check_throws<std::invalid_argument>({"[4, 3]"}, [] { floats({4, 3}).to<Bounded>(); });
  check_throws<std::invalid_argument>({"[3, 5]"}, [] { floats({3, 5}).to<Bounded>(); });
}

TEST_CASE("numbers of another type: reals are rounded, whole numbers come out exact") {
  const Array array({2}, std::vector<double>{0.1, -1e-60});
  CHECK(array.as<float>() == std::vector<float>{0.1f, 0});
  CHECK(array.to<Eigen::VectorXf>()(0) == 0.1f);
  CHECK(floats({2}).as<double>() == std::vector<double>{1, 2});
  CHECK(floats({2}).as<Eigen::half>() == counted<Eigen::half>(2));
  CHECK(Array({2}, counted<Eigen::bfloat16>(2)).as<float>() == counted<float>(2));
  CHECK(Array({2}, counted<std::int32_t>(2)).as<std::uint8_t>() == counted<std::uint8_t>(2));
  CHECK(Array({2}, counted<std::uint8_t>(2)).as<double>() == counted<double>(2));
  // Where a long double is no more than a double, as in Valgrind whatever its type says, no more can be asked.
  const volatile long double beyond_double = 0x1p63L;
  if (beyond_double - 1 != beyond_double) {
    constexpr std::int64_t wide[] = {(std::int64_t{1} << 53) + 1, std::numeric_limits<std::int64_t>::max()};
    const Array whole({2}, std::vector<std::int64_t>(std::begin(wide), std::end(wide)));
    CHECK(whole.as<long double>() == std::vector<long double>{0x1p53L + 1, 0x1p63L - 1});
  }
}

TEST_CASE("the first number that does not fit is named") {
  const auto refused = [](const Array& array, const char* number, auto as) {
    check_throws<std::invalid_argument>({"array", number}, [&] { array.as<decltype(as)>(); });
  };
  refused(Array({3}, std::vector<double>{1, -1e300, 1e301}), "-1e+300", float{});
  refused(Array({1}, std::vector<float>{70000}), "70000", Eigen::half{});
  refused(Array({2}, std::vector<std::int64_t>{5, 256}), "256", std::uint8_t{});
  refused(Array({1}, std::vector<std::int64_t>{-1}), "-1", std::uint8_t{});
  refused(Array({1}, std::vector<std::int32_t>{16777217}), "16777217", float{});
  refused(floats({1}), "real number", std::int64_t{});
  refused(Array({1}, counted<Eigen::half>(1)), "real number", std::uint8_t{});
}
