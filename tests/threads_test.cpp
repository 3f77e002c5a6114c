// Threads: the same bits for any number of them, no deadlock inside a pool's own worker, layers shared where they may
// be.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <tensornorm/tensornorm.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "support/bits.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;

namespace {

/// Everything that one training step and one evaluation of a layer yield.
template <typename X>
struct Results {
  X y, dx, eval, eval_dx;
  Snapshot state;

  bool operator==(const Results& other) const {
    return same_bits(y, other.y) && same_bits(dx, other.dx) && same_bits(eval, other.eval) &&
           same_bits(eval_dx, other.eval_dx) && state == other.state;
  }
};

/// `device` is Eigen's, or nothing for the calls without one.
template <typename Layer, typename X, typename... Device>
Results<X> run(Layer bn, const X& x, const X& dy, const Device&... device) {
  X y(x.dimensions()), dx(x.dimensions()), eval(x.dimensions()), eval_dx(x.dimensions());
  bn.forward(device..., x, y);
  bn.backward(device..., x, dy, dx);
  bn.eval();
  bn.forward(device..., x, eval);
  bn.backward(device..., x, dy, eval_dx);
  return {std::move(y), std::move(dx), std::move(eval), std::move(eval_dx), Snapshot(bn)};
}

/// Shapes (N, C, H, W) of every kind, most of them large enough to be worth sharing out.
std::vector<Dims> shapes() {
  return {{8, 16, 28, 28},  {2, 3, 128, 128}, {1, 1, 300, 301}, {1, 2, 200, 199}, {16, 250, 5, 5}, {64, 256, 2, 2},
          {300, 301, 1, 1}, {30000, 3, 1, 1}, {70000, 1, 1, 1}, {2, 40000, 1, 1}, {3, 2, 1, 1},    {5, 67, 3, 1}};
}

/// body(order, layer, x, dy, name) over shapes, storage orders and channel axes.
template <typename Scalar, typename Body>
void for_each_case(Body body) {
  for_each_order([&](auto order) {
    using X = Tensor<Scalar, 4, decltype(order)::value>;
    for (const int axis : {1, -1}) {
      for (const Dims& shape : shapes()) {
        const Dims dims = with_channels_at(shape, axis);
        Random random(1);
        tn::BatchNorm2d<Scalar> bn(shape[1], on_axis(axis));
        randomise_parameters(random, bn);
        const X x = normal<X>(random, dims, 1, 3), dy = normal<X>(random, dims);
        body(bn, x, dy, to_text(dims, axis, decltype(order)::value, 1));
      }
    }
  });
}

struct Pool {
  explicit Pool(int threads) : pool(threads), device(&pool, threads) {}
  Eigen::ThreadPool pool;
  Eigen::ThreadPoolDevice device;
};

std::vector<std::unique_ptr<Pool>> pools() {
  std::vector<std::unique_ptr<Pool>> all;
  for (const int threads : {1, 2, 3, 4, 7, 16}) all.push_back(std::make_unique<Pool>(threads));
  return all;
}

/// Runs call() on another thread and says whether it came back. What it holds leaks if it did not: it is still in use.
template <typename Call>
bool finishes(std::shared_ptr<Call> call) {
  std::promise<void> promise;
  std::future<void> done = promise.get_future();
  std::thread worker([call, promise = std::move(promise)]() mutable {
    (*call)();
    promise.set_value();
  });
  const bool in_time = done.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
  if (in_time) {
    worker.join();
  } else {
    worker.detach();
  }
  return in_time;
}

}  // namespace

TEST_CASE_TEMPLATE("the same bits with a pool of 1, 2, 3, 4, 7 and 16 threads, and with none", Scalar, float, double) {
  const auto all = pools();
  for_each_case<Scalar>([&](const auto& bn, const auto& x, const auto& dy, const std::string& name) {
    const auto wanted = run(bn, x, dy);
    INFO(name);
    CHECK(run(bn, x, dy, Eigen::DefaultDevice{}) == wanted);
    for (const auto& pool : all) {
      INFO(pool->device.numThreads() << " threads");
      CHECK(run(bn, x, dy, pool->device) == wanted);
    }
  });
}

TEST_CASE("the same bits over 20 runs of every pool") {
  const auto all = pools();
  using X = Tensor<float, 4>;
  for (const Dims& dims : {Dims{4, 16, 28, 28}, Dims{1, 1, 200, 301}, Dims{20000, 3, 1, 1}, Dims{32, 256, 2, 2}}) {
    Random random(2);
    const X x = normal<X>(random, dims), dy = normal<X>(random, dims);
    const tn::BatchNorm2d<> bn(dims[1]);
    const auto wanted = run(bn, x, dy);
    INFO(to_text(dims));
    for (const auto& pool : all) {
      int equal = 0;
      for (int repeat = 0; repeat < 20; ++repeat) equal += run(bn, x, dy, pool->device) == wanted ? 1 : 0;
      CHECK(equal == 20);
    }
  }
}

TEST_CASE("half inputs, matrices, maps and the const layer on a pool") {
  Pool pool(3);
  Random random(3);
  {
    using X = Tensor<Eigen::half, 4>;
    const X x = normal<X>(random, {8, 16, 28, 28}), dy = normal<X>(random, {8, 16, 28, 28});
    CHECK(run(tn::BatchNorm2d<>(16), x, dy, pool.device) == run(tn::BatchNorm2d<>(16), x, dy));
  }
  const auto m = normal<Eigen::MatrixXf>(random, {3000, 40});
  tn::BatchNorm1d<> bn(40), other(40);
  Eigen::MatrixXf y = m, dx = m;
  bn.forward(pool.device, y, y);  // in place
  CHECK(same_bits(y, other(m)));
  bn.backward(pool.device, m, dx, dx);
  CHECK(same_bits(dx, other.backward(m, m)));
  const tn::BatchNorm1d<>& shared = bn.eval();
  shared.forward(pool.device, Eigen::Map<const Eigen::MatrixXf>(m.data(), 3000, 40), y);
  CHECK(same_bits(y, other.eval()(m)));
}

TEST_CASE("an empty batch on a pool") {
  Pool pool(3);
  for (const Dims& dims : {Dims{0, 3, 2, 5}, Dims{4, 3, 0, 5}, Dims{4, 3, 2, 0}}) {
    for (const bool training : {true, false}) {
      tn::BatchNorm2d<> bn(3);
      bn.train(training);
      const Snapshot before(bn);
      const auto empty = make<Tensor<float, 4>>(dims);
      Tensor<float, 4> y, dx;
      bn.forward(pool.device, empty, y);
      bn.backward(pool.device, empty, empty, dx);
      CHECK(dims_of(y) == dims);
      CHECK(dims_of(dx) == dims);
      CHECK(Snapshot(bn) == before);
    }
  }
}

TEST_CASE("called from a worker of the same pool: no deadlock, the same bits") {
  using X = Tensor<float, 4>;
  // One thread, which is the caller; two, both of them callers at the same time; more callers than threads.
  for (const auto& [pool_threads, pool_callers] : {std::pair{1, 1}, {2, 2}, {2, 5}, {4, 4}}) {
    const int threads = pool_threads, callers = pool_callers;
    for (const Dims& dims : {Dims{8, 16, 28, 28}, Dims{1, 2, 200, 199}, Dims{30000, 3, 1, 1}}) {
      struct State {
        std::unique_ptr<Pool> pool;
        X x, dy;
        tn::BatchNorm2d<> bn;
        std::vector<std::unique_ptr<Results<X>>> results;
      };
      Random random(4);
      auto state = std::make_shared<State>(State{
          std::make_unique<Pool>(threads), normal<X>(random, dims), normal<X>(random, dims), tn::BatchNorm2d<>(dims[1]),
          std::vector<std::unique_ptr<Results<X>>>(static_cast<std::size_t>(callers))});
      const auto call = [state] {
        Eigen::Barrier all_done(static_cast<unsigned>(state->results.size()));
        for (auto& result : state->results) {
          state->pool->pool.Schedule([&] {
            result = std::make_unique<Results<X>>(run(state->bn, state->x, state->dy, state->pool->device));
            all_done.Notify();
          });
        }
        all_done.Wait();
      };
      INFO(threads << " threads, " << callers << " callers, " << to_text(dims));
      REQUIRE(finishes(std::make_shared<decltype(call)>(call)));
      const auto wanted = run(state->bn, state->x, state->dy);
      for (const auto& result : state->results) CHECK(*result == wanted);
    }
  }
}

TEST_CASE("eval of one const layer from many threads at once: the same bits") {
  using X = Tensor<float, 4>;
  Random random(5);
  tn::BatchNorm2d<> trained(16);
  const X x = normal<X>(random, {4, 16, 14, 14});
  trained(x);
  tn::BatchNormOptions options;
  options.track_running_stats = false;
  tn::BatchNorm2d<> untracked(16, options);  // in eval it computes the batch's statistics, and must keep them to itself
  for (tn::BatchNorm2d<>* layer : {&trained, &untracked}) {
    const tn::BatchNorm2d<>& bn = layer->eval();
    const X wanted = bn(x);
    std::vector<int> equal(8, 0);
    std::vector<std::thread> threads;
    for (int& count : equal) {
      threads.emplace_back([&bn, &x, &wanted, &count] {
        X y(x.dimensions());
        for (int repeat = 0; repeat < 50; ++repeat) {
          y.setZero();
          bn.forward(x, y);
          count += same_bits(y, wanted) && same_bits(bn(x), wanted) ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const int count : equal) CHECK(count == 50);
  }
}

TEST_CASE("eval of one const layer on one pool, from many threads and from the pool's own: the same bits") {
  using X = Tensor<float, 4>;
  struct State {
    Pool pool{2};
    X x;
    tn::BatchNorm2d<> bn{16};
    std::array<std::atomic<int>, 8> equal{};
  };
  Random random(7);
  auto state = std::make_shared<State>();
  state->x = normal<X>(random, {8, 16, 28, 28});
  state->bn(state->x);
  const X wanted = state->bn.eval()(state->x);
  const auto call = [state, wanted] {
    const auto evaluate = [&](std::atomic<int>& count) {
      X y(wanted.dimensions());
      for (int repeat = 0; repeat < 20; ++repeat) {
        y.setZero();
        std::as_const(state->bn).forward(state->pool.device, state->x, y);
        count += same_bits(y, wanted) ? 1 : 0;
      }
    };
    Eigen::Barrier workers_done(4);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < state->equal.size(); ++i) {
      std::atomic<int>& count = state->equal[i];
      if (i % 2 == 0) {
        threads.emplace_back([&] { evaluate(count); });
      } else {
        state->pool.pool.Schedule([&] {
          evaluate(count);
          workers_done.Notify();
        });
      }
    }
    for (std::thread& thread : threads) thread.join();
    workers_done.Wait();
  };
  REQUIRE(finishes(std::make_shared<decltype(call)>(call)));
  for (const auto& count : state->equal) CHECK(count == 20);
}

TEST_CASE("distinct layers train in parallel, each by itself or all on one pool: the same bits") {
  using X = Tensor<float, 4>;
  Random random(6);
  const X x = normal<X>(random, {8, 16, 28, 28}), dy = normal<X>(random, {8, 16, 28, 28});
  tn::BatchNorm2d<> prototype(16);
  randomise_parameters(random, prototype);
  const auto wanted = run(prototype, x, dy);
  Pool pool(2);
  std::vector<int> equal(6, 0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 10; ++repeat) {
        const bool on_pool = i % 2 == 0;
        equal[i] += (on_pool ? run(prototype, x, dy, pool.device) : run(prototype, x, dy)) == wanted ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : equal) CHECK(count == 10);
}
