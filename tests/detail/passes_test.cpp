// detail/passes.hpp: what a whole tensor is reduced to and mapped with, on 1, 2 and 5 threads; the halves and the fused
// pass give the same bits.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <tensornorm/detail/block_map.hpp>
#include <tensornorm/detail/passes.hpp>
#include <tensornorm/detail/statistics.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/channel_numbers.hpp"
#include "support/walks.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;

std::string name_of(const Shape& shape, int threads) {
  return "[" + std::to_string(shape.outer) + ", " + std::to_string(shape.channels) + ", " +
         std::to_string(shape.inner) + "] on " + std::to_string(threads) + " threads";
}

/// Small ones, ones of several blocks or chunks or both, runs and rows, folded or not, wider than a block.
std::vector<Shape> shapes() {
  return {{2, 3, 5},     {1, 1, 200001}, {8, 16, 784},  {3, 2, 70001}, {40001, 5, 1},
          {300, 301, 1}, {64, 256, 4},   {4, 1300, 25}, {200, 530, 1}, {2, 3, 40000}};
}

struct Threads {
  explicit Threads(int count) : pool(count), device(&pool, count) {}
  Eigen::ThreadPool pool;
  Eigen::ThreadPoolDevice device;
};

/// body(device, threads): without a pool, then with pools of 1, 2 and 5.
template <typename Body>
void for_each_device(Body body) {
  body(Eigen::DefaultDevice{}, 0);
  for (const int count : {1, 2, 5}) {
    const Threads threads(count);
    body(threads.device, count);
  }
}

/// Counts values, plus a half when complete, and depends on the order of its boxes: b = b*31 + the box's own number,
/// and the number of merges.
struct Counting {
  std::atomic<int>* faults;
  static double number(const Box& box) { return static_cast<double>(1 + box.outer_begin % 97 + box.inner_begin % 89); }
  void box(const Plan&, const Box& box, double* a, double* b) const {
    for (Index c = 0; c < box.channels(); ++c) {
      a[c] = static_cast<double>(box.per_channel());
      b[c] = number(box);
    }
  }
  struct Rest {
    double merges = 0;
  };
  void merge(Index before, Index count, Rest& rest, double& a, double& b, double box_a, double box_b) const {
    if (a != static_cast<double>(before) || box_a != static_cast<double>(count)) ++*faults;
    ++rest.merges;
    a += box_a;
    b = std::fmod(b * 31 + box_b, 1e9 + 7);
  }
  static void merge_rest(const Rest& rest, double&, double& b) { b += rest.merges; }
  static void complete(const Plan&, const Box& box, double* a) {
    for (Index c = 0; c < box.channels(); ++c) a[c] += 0.5;
  }
};

struct Results {
  std::vector<double> mean, m2;
  std::vector<float> y;
  bool operator==(const Results& other) const {
    return same_bits(mean, other.mean) && same_bits(m2, other.m2) && same_bits(y, other.y);
  }
};

/// Normalises with the moments as they are: scale from m2, no bias.
template <typename Device>
Results normalized(const Device& device, const Shape& shape, const std::vector<float>& x, bool fused) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  Results of{std::vector<double>(channels), std::vector<double>(channels), std::vector<float>(x.size())};
  const Plan plan = plan_reduction(shape, 4), map_plan = fused ? plan : plan_map(shape, 4);
  Scratch scratch(static_cast<std::size_t>(scratch_size(device, plan)));  // no more than what was asked for
  const MomentsReduction<float> reduction{x.data()};
  const auto numbers = in_packets([&of](Index c) {
    const auto channel = static_cast<std::size_t>(c);
    return NumbersOfOne{of.mean[channel], 1 / std::sqrt(of.m2[channel]), 0.25};
  });
  const Movement movement = movement_of(map_plan, 1, false, fused);
  NormalizeTraining<float> f;
  f.x = x.data();
  const auto map = mapping(map_plan, f, of.y.data(), movement, numbers);
  if (fused) {
    std::vector<std::atomic<int>> finished(channels);
    reduce_and_map(
        device, plan, reduction, of.mean.data(), of.m2.data(), scratch,
        [&](Index begin, Index end) {
          for (Index c = begin; c < end; ++c) ++finished[static_cast<std::size_t>(c)];
        },
        map);
    int wrong = 0;
    for (const auto& times : finished) wrong += times != 1;
    CHECK(wrong == 0);
  } else {
    reduce(device, plan, reduction, of.mean.data(), of.m2.data(), scratch);
    map_all(device, map_plan, false, map);
  }
  return of;
}

}  // namespace

TEST_CASE("passes: boxes are merged in their order, each once, on any number of threads") {
  for (const Shape& shape : shapes()) {
    const Plan plan = plan_reduction(shape, 4);
    std::vector<double> expected(static_cast<std::size_t>(shape.channels));
    for (Index block = 0; block < plan.blocks; ++block) {
      for (Index chunk = 0; chunk < plan.chunks; ++chunk) {
        const Box box = plan.box(block, chunk);
        for (Index c = box.channel_begin; c < box.channel_end; ++c) {
          double& b = expected[static_cast<std::size_t>(c)];
          b = chunk == 0 ? Counting::number(box) : std::fmod(b * 31 + Counting::number(box), 1e9 + 7);
        }
      }
    }
    for (double& b : expected) b += static_cast<double>(plan.chunks - 1);  // merges
    for_each_device([&](const auto& device, int threads) {
      INFO(name_of(shape, threads));
      std::vector<double> a(expected.size(), -1), b(expected.size(), -1);
      std::atomic<int> faults{0};
      Scratch scratch(static_cast<std::size_t>(scratch_size(device, plan)));
      reduce(device, plan, Counting{&faults}, a.data(), b.data(), scratch);
      CHECK(faults == 0);
      CHECK(a == std::vector<double>(a.size(), static_cast<double>(shape.per_channel()) + 0.5));
      CHECK(b == expected);
    });
  }
}

TEST_CASE("passes: threads share the chunks of a block where blocks are few, and there is enough to do") {
  const Threads two(2);
  const auto shares = [&](const Shape& shape) { return shares_chunks(two.device, plan_reduction(shape, 4)); };
  CHECK(shares({1, 1, 1 << 20}));
  CHECK(shares({1 << 18, 4, 1}));
  CHECK_FALSE(shares({16, 256, 1 << 8}));        // blocks enough
  CHECK_FALSE(shares({1, 4, chunk_bytes / 4}));  // one chunk each
  CHECK_FALSE(shares({2, 3, 1}));                // not worth a second thread
  CHECK_FALSE(shares({1, 1, parallel_bytes / 4 - 1}));
  CHECK_FALSE(shares_chunks(Eigen::DefaultDevice{}, plan_reduction({1, 1, 1 << 20}, 4)));
}

TEST_CASE("passes: every box is mapped once, on any number of threads, from either end") {
  for (const Shape& shape : shapes()) {
    const Plan plan = plan_map(shape, 4);
    for_each_device([&](const auto& device, int threads) {
      for (const bool last_to_first : {false, true}) {
        INFO(name_of(shape, threads));
        std::vector<std::atomic<unsigned char>> visits(static_cast<std::size_t>(shape.size()));
        map_all(device, plan, last_to_first, [&](const Box&) {
          return [&](const Box& box) {
            for_each_element(plan.shape, box, [&](Index, Index at) { ++visits[static_cast<std::size_t>(at)]; });
          };
        });
        int wrong = 0;
        for (const auto& count : visits) wrong += count != 1;
        CHECK(wrong == 0);
      }
    });
  }
}

namespace {

/// Finds nothing, of as many tensors.
template <int Inputs>
struct Idle {
  static constexpr int inputs = Inputs;
  void box(const Plan&, const Box&, double*, double*) const {}
  struct Rest {};
  void merge(Index, Index, Rest&, double&, double&, double, double) const {}
  static void merge_rest(const Rest&, double&, double&) {}
  static void complete(const Plan&, const Box&, double*) {}
};

/// Whether the chunks of a plan of several are mapped from the last one back once they are reduced; in order, if not.
template <int Inputs>
bool from_the_last(const Plan& plan) {
  REQUIRE(plan.blocks == 1);
  REQUIRE(plan.chunks > 2);
  std::vector<double> numbers(static_cast<std::size_t>(plan.shape.channels));
  std::vector<Index> begins;
  Scratch scratch;
  reduce_and_map(
      Eigen::DefaultDevice{}, plan, Idle<Inputs>{}, numbers.data(), numbers.data(), scratch, [](Index, Index) {},
      [&](const Box&) { return [&](const Box& box) { begins.push_back(box.outer_begin + box.inner_begin); }; });
  CHECK(begins.size() == static_cast<std::size_t>(plan.chunks));
  const bool back = begins.front() > begins.back();
  if (back) std::reverse(begins.begin(), begins.end());
  CHECK(std::is_sorted(begins.begin(), begins.end()));
  return back;
}

}  // namespace

TEST_CASE("passes: what was reduced last is mapped first, but for rows of two inputs") {
  const Plan run = plan_reduction({1, 1, 1 << 18}, 4), rows = plan_reduction({1 << 14, 16, 1}, 4);
  CHECK(from_the_last<1>(run));
  CHECK(from_the_last<2>(run));
  CHECK(from_the_last<1>(rows));
  CHECK_FALSE(from_the_last<2>(rows));
}

TEST_CASE("passes: the halves and the fused pass have the same bits, on any number of threads, and are right") {
  Uneven uneven;
  std::vector<float> values;
  for (Index i = 0; i < 800000; ++i) values.push_back(static_cast<float>(5 + uneven()));
  for (const Shape& shape : shapes()) {
    const std::vector<float> x(values.begin(), values.begin() + shape.size());
    const Results once = normalized(Eigen::DefaultDevice{}, shape, x, true);
    for_each_device([&](const auto& device, int threads) {
      INFO(name_of(shape, threads));
      CHECK(normalized(device, shape, x, true) == once);
      CHECK(normalized(device, shape, x, false) == once);
    });

    const auto channels = static_cast<std::size_t>(shape.channels);
    const auto n = static_cast<long double>(shape.per_channel());
    std::vector<long double> mean(channels), m2(channels);
    for_each_element(shape, whole(shape), [&](Index c, Index at) {
      mean[static_cast<std::size_t>(c)] += static_cast<long double>(x[static_cast<std::size_t>(at)]) / n;
    });
    for_each_element(shape, whole(shape), [&](Index c, Index at) {
      const auto channel = static_cast<std::size_t>(c);
      const long double deviation = static_cast<long double>(x[static_cast<std::size_t>(at)]) - mean[channel];
      m2[channel] += deviation * deviation;
    });
    int wrong = 0;
    for (std::size_t c = 0; c < channels; ++c) {
      wrong += !(std::abs(static_cast<long double>(once.mean[c]) - mean[c]) <= 0x1p-27L * std::sqrt(m2[c] / n));
      wrong += !(std::abs(static_cast<long double>(once.m2[c]) - m2[c]) <= 0x1p-24L * m2[c]);
    }
    for_each_element(shape, whole(shape), [&](Index c, Index at) {
      const auto channel = static_cast<std::size_t>(c), i = static_cast<std::size_t>(at);
      const long double g = (static_cast<long double>(x[i]) - mean[channel]) / std::sqrt(m2[channel]), y = g + 0.25L;
      // What the mean is off moves y by u/8 of a deviation.
      const long double allowed = 0x1p-24L * (4 * std::abs(g) + std::abs(y) + 0.125L / std::sqrt(n));
      wrong += !(std::abs(static_cast<long double>(once.y[i]) - y) <= allowed);
    });
    INFO(name_of(shape, 1));
    CHECK(wrong == 0);
  }
}

TEST_CASE("passes: a small tensor wants no scratch, and no threads") {
  const Threads threads(2);
  CHECK_FALSE(worth_threads(threads.device, plan_reduction({8, 16, 49}, 4)));
  CHECK(worth_threads(threads.device, plan_reduction({8, 16, 784}, 4)));
  CHECK(worth_threads(threads.device, plan_reduction({1, 1, parallel_bytes / 4}, 4)));
  CHECK_FALSE(worth_threads(threads.device, plan_reduction({1, 1, parallel_bytes / 4 - 1}, 4)));
  CHECK_FALSE(worth_threads(Eigen::DefaultDevice{}, plan_reduction({8, 16, 784}, 4)));
  CHECK(scratch_size(threads.device, plan_reduction({8, 16, 49}, 4)) == 0);
}
