// detail/movement.hpp: what goes past the caches, and how far ahead memory is asked for.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <tensornorm/detail/movement.hpp>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/caches.hpp"

using namespace tensornorm::detail;
using tn_test::FarCaches;
using tn_test::NearCaches;

TEST_CASE_FIXTURE(NearCaches, "movement: outputs are asked for where pieces lie far apart within the last cache") {
  const auto next = [](const Shape& shape, bool second) { return next_output(plan_reduction(shape, 4), second); };
  const Index in_page = 1024;  // floats in a page of 4 KiB
  CHECK(next({1024, 1025, 1}, false) == 1025);
  CHECK(next({1024, 1024, 1}, false) == 0);  // one block: rows follow each other
  CHECK(next({512, 2, in_page}, true) == 2 * in_page);
  CHECK(next({512, 2, in_page + 1}, true) == 0);
  CHECK(next({512, 2, in_page}, false) == 0);
  CHECK(next({64, 2, in_page}, true) == 0);       // in L2
  CHECK(next({1 << 14, 2, in_page}, true) == 0);  // beyond the last cache, where outputs are streamed
}

TEST_CASE_FIXTURE(NearCaches,
                  "movement: what is larger than the caches is written past them, if short pieces end with a word") {
  const auto streamed = [](const Shape& shape, Index value_bytes, bool in_place = false) {
    return movement_of(plan_reduction(shape, value_bytes), 1, in_place, false).streamed;
  };
  CHECK_FALSE(streamed({1 << 20, 64, 1}, 4, true));
  CHECK_FALSE(streamed({1 << 10, 64, 1}, 4));  // in cache
  for (const Index value_bytes : {2, 4, 8}) {
    const bool words = value_bytes % Index{streamed_word} == 0;
    CAPTURE(value_bytes);
    CHECK(streamed({1 << 20, 64, 1}, value_bytes));
    CHECK(streamed({1 << 20, 50, 1}, value_bytes));  // folded
    CHECK(streamed({1 << 20, 302, 1}, value_bytes));
    CHECK(streamed({1 << 20, 301, 1}, value_bytes) == words);
    CHECK(streamed({1 << 20, 1501, 1}, value_bytes) == words);  // several blocks
    CHECK(streamed({1 << 10, 1 << 10, 14 * 14}, value_bytes));
    CHECK(streamed({1 << 10, 1 << 10, 13 * 13}, value_bytes) == words);
    CHECK(streamed({1 << 10, 64, 45 * 45}, value_bytes) == words);
    CHECK(streamed({1 << 10, 64, 47 * 47}, value_bytes));  // more than a page
  }
}

TEST_CASE_FIXTURE(NearCaches,
                  "movement: memory is moved past the caches only where it does not fit, and not onto itself") {
  const Plan small = plan_reduction({8, 16, 784}, 4), large = plan_reduction({64, 64, 56 * 56}, 4);
  REQUIRE(large.beyond_cache);
  for (const bool second : {false, true}) {
    CHECK_FALSE(movement_of(small, 1, false, second).streamed);
    CHECK_FALSE(movement_of(large, 1, true, second).streamed);
    CHECK(movement_of(large, 1, false, second).streamed);
    CHECK(movement_of(small, 1, false, second).may_repeat);
    CHECK_FALSE(movement_of(small, 1, true, second).may_repeat);
    CHECK_FALSE(movement_of(large, 1, false, second).may_repeat);
  }
}

TEST_CASE_FIXTURE(FarCaches, "movement: where the last cache is far, what does not fit L2 is written past it") {
  const auto streamed = [](Index inputs, Index bytes, bool in_place = false) {
    const Movement movement = movement_of(plan_reduction({1, 1, bytes / 4}, 4), inputs, in_place, true);
    CHECK(movement.may_repeat == (!in_place && !movement.streamed));
    return movement.streamed;
  };
  constexpr Index l2 = 2 << 20, line = cache_line;
  CHECK_FALSE(streamed(1, l2 / 2));
  CHECK(streamed(1, l2 / 2 + line));
  CHECK_FALSE(streamed(1, l2 / 2 + line, true));
  CHECK_FALSE(streamed(2, l2 / 3));
  CHECK(streamed(2, l2 / 3 + line));
}

TEST_CASE_FIXTURE(FarCaches, "movement: what goes past the caches is not asked for to be written") {
  CHECK(movement_of(plan_reduction({128, 128, 7 * 7}, 4), 1, false, true).next_out == 0);
}

TEST_CASE_FIXTURE(NearCaches,
                  "movement: what is written in pieces far apart within the last cache is asked for a row ahead") {
  const Plan runs = plan_reduction({32, 256, 14 * 14}, 4), rows = plan_reduction({128, 128, 7 * 7}, 4);
  CHECK(movement_of(runs, 1, false, true).next_out == 256 * 14 * 14);
  CHECK(movement_of(runs, 2, false, true).next_out == -256 * 14 * 14);  // as it is walked from the last row back
  CHECK(movement_of(rows, 1, false, true).next_out == 128 * 7 * 7);
  CHECK(movement_of(rows, 2, false, true).next_out == 128 * 7 * 7);
  CHECK(movement_of(runs, 1, false, false).next_out == 0);  // eval walks memory in order
  CHECK(movement_of(runs, 1, true, true).next_out == 0);
  CHECK(movement_of(plan_reduction({4, 32, 28 * 28}, 4), 1, false, true).next_out == 0);    // in L2
  CHECK(movement_of(plan_reduction({32, 32, 16 * 16}, 4), 1, false, true).next_out == 0);   // just so
  CHECK(movement_of(plan_reduction({32, 64, 56 * 56}, 4), 1, false, true).next_out == 0);   // past the caches
  CHECK(movement_of(plan_reduction({1, 64, 112 * 112}, 4), 1, false, true).next_out == 0);  // long pieces
}

TEST_CASE(
    "movement: inputs are asked for a block ahead if two blocks fit, else not, and a page ahead where none was read") {
  const Plan small = plan_reduction({32, 64, 56 * 56}, 4), large = plan_reduction({8, 64, 200 * 200}, 4);
  CHECK(next_input(small, 1, true) == 56 * 56);
  CHECK(next_input(small, 2, true) == 0);
  CHECK(next_input(large, 1, true) == 0);
  CHECK(next_input(large, 1, false) == prefetch_bytes / 4);
  CHECK(next_input(plan_reduction({4, 32, 28 * 28}, 4), 1, true) == 0);
  CHECK(next_input(plan_reduction({128, 128, 7 * 7}, 4), 1, false) == prefetch_rows * 128 * 7 * 7);
}

TEST_CASE("movement: results have the same bits wherever the last cache is") {
  using Tensor = Eigen::Tensor<float, 3, Eigen::RowMajor>;
  const auto results = [](const Tensor& x, const Tensor& dy) {
    tensornorm::BatchNorm1d<float> bn(x.dimension(1));
    std::vector<Tensor> all;
    all.push_back(bn(x));
    all.push_back(bn.backward(x, dy));
    bn.eval();
    all.push_back(bn(x));
    return all;
  };
  // [N, C, L]: long runs, short ones that end anywhere, some in larger blocks where the last cache is far, rows.
  const std::array<Index, 3> shapes[] = {{2, 40, 4096}, {16, 128, 196}, {64, 33, 196},
                                         {16, 401, 49}, {64, 100, 49},  {1300, 257, 1}};
  for (const auto& [n, c, l] : shapes) {
    Tensor x(n, c, l), dy(n, c, l);
    x.setRandom();
    dy.setRandom();
    std::vector<Tensor> near, far;
    {
      const NearCaches caches;
      near = results(x, dy);
    }
    {
      const FarCaches caches;
      far = results(x, dy);
    }
    for (std::size_t k = 0; k < near.size(); ++k) CHECK(tn_test::same_bits(near[k], far[k]));
  }
}
