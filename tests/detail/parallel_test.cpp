// detail/parallel.hpp: each item once, on any number of threads, inside a worker of the same pool, and with helpers
// that come late, never, or are still at work at the end.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <new>
#include <stdexcept>
#include <tensornorm/detail/parallel.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace tensornorm::detail;

/// How often each item was done.
struct Counts {
  std::vector<std::atomic<int>> done;
  explicit Counts(Index items) : done(static_cast<std::size_t>(items)) {}
  void operator()(Index item) { ++done.at(static_cast<std::size_t>(item)); }
  bool all(int times) const {
    for (const auto& count : done) {
      if (count != times) return false;
    }
    return true;
  }
};

/// A device whose pool keeps what is scheduled, or has no memory for it, or takes no more.
struct Pool {
  std::vector<std::function<void()>> kept;
  int accepts = 1000;
  bool has_memory = false;
  void Schedule(std::function<void()> task) {
    if (accepts-- <= 0) {
      if (has_memory) throw std::runtime_error("closed");
      throw std::bad_alloc();
    }
    kept.push_back(std::move(task));
  }
};
struct Device {
  Pool* pool;
  int threads;
  int numThreads() const { return threads; }
  Pool* getPool() const { return pool; }
};

/// What a thread does with its items: visit(item) for each.
template <typename Visit>
auto each(const Visit& visit) {
  return [visit](auto next) {
    for (Index item; next(item);) visit(item);
  };
}

void check_each_item_once(const Eigen::ThreadPoolDevice& device) {
  for (const Index items : {0, 1, 2, 3, 7, 64, 1000}) {
    for (int round = 0; round < 20; ++round) {
      Counts counts(items);
      share_items(device, items, round % 2 == 1, each([&](Index item) { counts(item); }));
      CHECK(counts.all(1));
    }
  }
}

}  // namespace

TEST_CASE("parallel: each item once, in order, without threads") {
  std::vector<Index> order;
  for_each_item(Eigen::DefaultDevice{}, 5, [&](Index item) { order.push_back(item); });
  CHECK(order == std::vector<Index>{0, 1, 2, 3, 4});
  order.clear();
  share_items(Eigen::DefaultDevice{}, 5, true, each([&](Index item) { order.push_back(item); }));
  CHECK(order == std::vector<Index>{4, 3, 2, 1, 0});
  CHECK(threads_of(Eigen::DefaultDevice{}) == 1);
}

TEST_CASE("parallel: each item once, on any number of threads") {
  for (const int threads : {1, 2, 3, 4, 7, 16}) {
    Eigen::ThreadPool pool(threads);
    const Eigen::ThreadPoolDevice device(&pool, threads);
    CHECK(threads_of(device) == threads);
    check_each_item_once(device);
  }
}

TEST_CASE("parallel: items that are loops over the same pool") {
  for (const int threads : {1, 2, 3}) {
    Eigen::ThreadPool pool(threads);
    const Eigen::ThreadPoolDevice device(&pool, threads);
    Counts counts(20 * 30);
    for_each_item(device, 20,
                  [&](Index outer) { for_each_item(device, 30, [&](Index inner) { counts(outer * 30 + inner); }); });
    CHECK(counts.all(1));
  }
}

TEST_CASE("parallel: many callers share a pool") {
  Eigen::ThreadPool pool(2);
  const Eigen::ThreadPoolDevice device(&pool, 2);
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  for (int k = 0; k < 4; ++k) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        Counts counts(40);
        for_each_item(device, 40, [&](Index item) { counts(item); });
        right += counts.all(1);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(right == 200);
}

TEST_CASE("parallel: helpers that start when all is done touch nothing") {
  Pool pool;
  const Device device{&pool, 4};
  {
    Counts counts(10);
    for_each_item(device, 10, [&](Index item) { counts(item); });
    CHECK(counts.all(1));
  }  // the work and its counts are gone: a helper that ran it would write to freed memory
  CHECK(pool.kept.size() == 3);
  for (const auto& helper : pool.kept) helper();
}

TEST_CASE("parallel: no more helpers than there are items for them") {
  for (const Index items : {0, 1, 2, 3}) {
    Pool pool;
    for_each_item(Device{&pool, 8}, items, [](Index) {});
    CHECK(static_cast<Index>(pool.kept.size()) == std::max<Index>(0, items - 1));
  }
}

TEST_CASE("parallel: when memory for helpers runs out, or the pool throws, the others do the work") {
  for (const int accepts : {0, 1, 2}) {
    for (const bool has_memory : {false, true}) {
      Pool pool;
      pool.accepts = accepts;
      pool.has_memory = has_memory;
      Counts counts(10);
      for_each_item(Device{&pool, 4}, 10, [&](Index item) { counts(item); });
      CHECK(counts.all(1));
      for (const auto& helper : pool.kept) helper();
      CHECK(counts.all(1));
    }
  }
}

TEST_CASE("parallel: finish waits for a helper in the middle of an item") {
  SharedItems items(2, 2);
  std::atomic<int> started{0};
  std::atomic<bool> may_end{false}, ended{false};
  const auto slow = each([&](Index) {
    ++started;
    while (!may_end) std::this_thread::yield();
    ended = true;
  });
  std::thread helper([&] { items.help(slow, 1); });
  while (started == 0) std::this_thread::yield();
  Index mine = 0;
  each([&](Index) { ++mine; })(SharedItems::Worker(items, 0));  // the helper holds one, the other is left
  CHECK(mine == 1);
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    may_end = true;
  });
  items.finish();
  CHECK(ended);
  Index late = 0;
  items.help(each([&](Index) { ++late; }), 1);
  CHECK(late == 0);
  helper.join();
  release.join();
}

TEST_CASE("parallel: no helper starts after finish, even if items are left") {
  SharedItems items(3, 2);
  items.finish();
  Index done = 0;
  items.help(each([&](Index) { ++done; }), 1);
  CHECK(done == 0);
}

TEST_CASE("parallel: a worker begins with its own share, either way round, then takes what is left of the others'") {
  for (const Index count : {1, 2, 3, 7, 10}) {
    for (const Index workers : {1, 2, 3, 4}) {
      for (Index worker = 0; worker < workers; ++worker) {
        std::vector<Index> forth, back, own_forth, own_back;
        SharedItems ascending(count, workers), descending(count, workers, true);
        each([&](Index item) { forth.push_back(item); })(SharedItems::Worker(ascending, worker));
        each([&](Index item) { back.push_back(item); })(SharedItems::Worker(descending, worker));
        for (Index k = 0; k < workers; ++k) {
          const Index share = (worker + k) % workers;
          const Index begin = count * share / workers, end = count * (share + 1) / workers;
          for (Index item = begin; item < end; ++item) own_forth.push_back(item);
          for (Index item = end; item > begin; --item) own_back.push_back(item - 1);
        }
        CHECK(forth == own_forth);
        CHECK(back == own_back);
      }
    }
  }
}
