// The heap: a call that runs out of memory changes nothing, and one that has run before does not ask for any.
#include <doctest/doctest.h>

#include <new>
#include <optional>
#include <tensornorm/tensornorm.hpp>

#include "support/bits.hpp"
#include "support/heap.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/refusals.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;

namespace {

/// How often call() asks the heap for memory.
template <typename Call>
long allocations(Call call) {
  return watched(call).count;
}

/// What became of refused allocations.
struct Refusals {
  long reported = 0;  // by an exception
  long survived = 0;  // the call did without

  Refusals& operator+=(const Refusals& more) {
    reported += more.reported;
    survived += more.survived;
    return *this;
  }
};

/// Refuses the k-th allocation of call(), for every k it gets to, on a fresh copy of the layer and output each time:
/// both are as before then, or as if nothing had been refused.
template <typename Layer, typename Y, typename Call>
Refusals refuse_each_allocation(const Layer& layer, const Y& output, Call call) {
  Layer bn_after = layer;
  Y y_after = output;
  call(bn_after, y_after);
  const Snapshot before(layer), after(bn_after);
  Refusals refusals;
  count_refusals([&](long k) {
    Layer bn = layer;
    Y y = output;
    const bool reported = runs_out_of_memory(k, [&] { call(bn, y); });
    if (!reported && heap.count <= k) return false;
    CHECK(Snapshot(bn) == (reported ? before : after));
    CHECK(bytes_of(y) == bytes_of(reported ? output : y_after));
    CHECK(dims_of(y) == dims_of(reported ? output : y_after));
    ++(reported ? refusals.reported : refusals.survived);
    return true;
  });
  return refusals;
}

/// Shapes that take every way through memory, with the channels in axis 1 or last.
template <typename Body>
void for_each_case(Body body) {
  for_each_order([&](auto order) {
    using X = Tensor<float, 4, decltype(order)::value>;
    for (const int axis : {1, -1}) {
      for (const Dims& shape : small_shapes()) {
        const Dims dims = with_channels_at(shape, axis);
        Random random(1);
        const X x = normal<X>(random, dims), dy = normal<X>(random, dims);
        tn::BatchNorm2d<> bn(shape[1], on_axis(axis));
        INFO(to_text(dims, axis, decltype(order)::value, 1));
        body(bn, x, dy);
      }
    }
  });
}

}  // namespace

TEST_CASE("allocations are seen") {
  void* memory = nullptr;  // by a call, not a new-expression, which a compiler may leave out
  const Heap seen = watched([&] { memory = ::operator new(123); });
  ::operator delete(memory);
  CHECK(seen.count == 1);
  CHECK(seen.largest == 123);
  CHECK(allocations([] {}) == 0);
  Eigen::VectorXf vector;
  CHECK(allocations([&] { vector.resize(100); }) == (kSeesMalloc ? 1 : 0));
  CHECK(vector.size() == 100);
}

TEST_CASE("a layer that has run takes nothing from the heap for forward(x, y) and backward(x, dy, dx)") {
  for_each_case([](auto& bn, const auto& x, const auto& dy) {
    auto y = x, dx = dy;
    bn.forward(x, y);
    bn.backward(x, dy, dx);
    CHECK(allocations([&] { bn.forward(x, y); }) == 0);
    CHECK(allocations([&] { bn.backward(x, dy, dx); }) == 0);
    bn.eval();
    CHECK(allocations([&] { bn.forward(x, y); }) == 0);
    CHECK(allocations([&] { bn.backward(x, dy, dx); }) == 0);
    bn.train();
    CHECK(allocations([&] { bn.forward(x, y); }) == 0);
    CHECK(allocations([&] { bn.backward(x, dy, dx); }) == 0);
  });
}

TEST_CASE("and neither do matrices, maps, double, and half inputs") {
  const auto check = [](auto bn, const auto& x) {
    auto y = x, dx = x;
    bn.forward(x, y);
    bn.backward(x, x, dx);
    CHECK(allocations([&] { bn.forward(x, y); }) == 0);
    CHECK(allocations([&] { bn.backward(x, x, dx); }) == 0);
  };
  Random random(2);
  check(tn::BatchNorm1d<>(5), normal<Eigen::MatrixXf>(random, {30, 5}));
  check(tn::BatchNorm1d<double>(70), normal<Eigen::ArrayXXd>(random, {9, 70}));
  check(tn::BatchNorm2d<double>(3), normal<Tensor<double, 4>>(random, {4, 3, 9, 11}));
  check(tn::BatchNorm3d<>(3), normal<Tensor<Eigen::half, 5>>(random, {4, 3, 2, 9, 11}));
  check(tn::BatchNorm2d<>(70), normal<Tensor<Eigen::bfloat16, 4>>(random, {40, 70, 1, 1}));
  auto x = normal<Tensor<float, 4>>(random, {4, 3, 9, 11}), y = x;
  tn::BatchNorm2d<> bn(3);
  Eigen::TensorMap<Tensor<float, 4>> map(y.data(), y.dimensions());
  bn.forward(x, map);
  CHECK(allocations([&] { bn.forward(x, map); }) == 0);
  tn::BatchNorm2d<> fresh(3);
  const Tensor<float, 4> empty(0, 3, 9, 11);
  Tensor<float, 4> empty_dx = empty;
  CHECK(allocations([&] { fresh.backward(empty, empty, empty_dx); }) == 0);
}

TEST_CASE("out of memory at any allocation: parameters, statistics, gradients and outputs as they were") {
  Refusals refused;
  for_each_case([&](auto& bn, const auto& x, const auto& dy) {
    using X = std::decay_t<decltype(x)>;
    const auto fresh = bn;
    const X full = x, none;
    refused += refuse_each_allocation(fresh, full, [&](auto& layer, auto& y) { layer.forward(x, y); });
    refused += refuse_each_allocation(fresh, none, [&](auto& layer, auto& y) { layer.forward(x, y); });
    refused += refuse_each_allocation(fresh, full, [&](auto& layer, auto&) { layer.forward(x); });
    refused += refuse_each_allocation(fresh, full, [&](auto& layer, auto& y) { layer.forward(x * 2.f, y); });
    bn(x);
    refused += refuse_each_allocation(bn, full, [&](auto& layer, auto& dx) { layer.backward(x, dy, dx); });
    refused += refuse_each_allocation(bn, none, [&](auto& layer, auto& dx) { layer.backward(x, dy, dx); });
    refused += refuse_each_allocation(bn, full, [&](auto& layer, auto&) { layer.backward(x, dy); });
    bn.eval();
    refused += refuse_each_allocation(bn, full, [&](auto& layer, auto& y) { layer.forward(x, y); });
    refused += refuse_each_allocation(bn, none, [&](auto& layer, auto& y) { layer.forward(x, y); });
    refused += refuse_each_allocation(bn, full, [&](auto& layer, auto& dx) { layer.backward(x, dy, dx); });
  });
  CHECK((refused.reported > 0 || !kSeesMalloc));
  CHECK(refused.survived == 0);
}

TEST_CASE("out of memory in a forward leaves what was remembered of the one before") {
  Random random(3);
  const auto x = normal<Tensor<float, 4>>(random, {4, 3, 9, 11}),
             other = normal<Tensor<float, 4>>(random, {4, 3, 9, 11});
  tn::BatchNorm2d<> bn(3);
  bn(x);
  const Tensor<float, 4> wanted = tn::BatchNorm2d<>(bn).backward(x, other);
  const long refused = count_refusals([&](long k) {
    tn::BatchNorm2d<> copy = bn;
    Tensor<float, 4> y;
    if (!runs_out_of_memory(k, [&] { copy.forward(other, y); })) return false;
    CHECK(same_bits(copy.backward(x, other), wanted));
    return true;
  });
  CHECK((refused > 0 || !kSeesMalloc));  // y at least had to be made
}

TEST_CASE("out of memory in an assignment: the layer that was to be overwritten is as it was, and can be used") {
  Random random(5);
  const auto x = normal<Tensor<float, 4>>(random, {4, 3, 9, 11}), dy = normal<Tensor<float, 4>>(random, {4, 3, 9, 11});
  tn::BatchNorm2d<> trained(3);
  trained(x);
  const Tensor<float, 4> wanted = tn::BatchNorm2d<>(trained).backward(x, dy);
  const tn::BatchNorm2d<> large(300);
  const long refused =
      refuse_each_allocation(trained, dy, [&](auto& layer, auto&) { layer = large, layer.zero_grad(); }).reported;
  CHECK((refused > 1 || !kSeesMalloc));
  for (long k = 0; k < refused; ++k) {
    tn::BatchNorm2d<> bn = trained;
    REQUIRE(runs_out_of_memory(k, [&] { bn = large; }));
    CHECK(same_bits(bn.backward(x, dy), wanted));
  }
}

TEST_CASE("out of memory while a layer is reset: vectors of another size are as they were") {
  tn::BatchNorm1d<> bn(1000);
  bn.bias().setOnes(5);
  bn.running_mean().setConstant(7);
  bn.running_var().resize(0);
  const Eigen::VectorXf none;
  Refusals refused = refuse_each_allocation(bn, none, [](auto& layer, auto&) { layer.reset_parameters(); });
  CHECK((refused.reported > 1 || !kSeesMalloc));
  refused = refuse_each_allocation(bn, none, [](auto& layer, auto&) { layer.reset_running_stats(); });
  CHECK((refused.reported > 0 || !kSeesMalloc));
  bn.reset_parameters();
  CHECK(bn.bias().size() == 1000);
  CHECK(bn.running_var().size() == 1000);
  CHECK(allocations([&] { bn.reset_parameters(); }) == 0);
}

TEST_CASE("out of memory with a thread pool: the same, or the same bits from fewer threads") {
  Refusals refused;
  Eigen::ThreadPool pool(3);
  Eigen::ThreadPoolDevice device(&pool, 3);
  Random random(4);
  for (const Dims& dims : {Dims{8, 16, 28, 28}, Dims{2, 3, 100, 100}, Dims{3000, 3, 1, 1}}) {
    const auto x = normal<Tensor<float, 4>>(random, dims), dy = normal<Tensor<float, 4>>(random, dims);
    tn::BatchNorm2d<> bn(dims[1]);
    INFO(to_text(dims));
    refused += refuse_each_allocation(bn, x, [&](auto& layer, auto& y) { layer.forward(device, x, y); });
    bn(x);
    refused += refuse_each_allocation(bn, dy, [&](auto& layer, auto& dx) { layer.backward(device, x, dy, dx); });
    bn.eval();
    refused += refuse_each_allocation(bn, x, [&](auto& layer, auto& y) { layer.forward(device, x, y); });
  }
  CHECK((refused.reported > 0 || !kSeesMalloc));
  CHECK(refused.survived > 0);
}
