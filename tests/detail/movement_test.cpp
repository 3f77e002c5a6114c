// detail/movement.hpp: what goes past the caches, and how far ahead memory is asked for.
#include <doctest/doctest.h>

#include <tensornorm/detail/movement.hpp>

using namespace tensornorm::detail;

TEST_CASE("movement: outputs are asked for where pieces lie far apart within the last cache") {
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

TEST_CASE("movement: what is larger than the caches is written past them, if short pieces end with a word") {
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

TEST_CASE("movement: memory is moved past the caches only where it does not fit, and not onto itself") {
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

TEST_CASE("movement: what is written in pieces far apart within the last cache is asked for a row ahead") {
  const Plan runs = plan_reduction({32, 256, 14 * 14}, 4), rows = plan_reduction({32, 512, 7 * 7}, 4);
  CHECK(movement_of(runs, 1, false, true).next_out == 256 * 14 * 14);
  CHECK(movement_of(runs, 2, false, true).next_out == -256 * 14 * 14);  // as it is walked from the last row back
  CHECK(movement_of(rows, 1, false, true).next_out == 512 * 7 * 7);
  CHECK(movement_of(rows, 2, false, true).next_out == 512 * 7 * 7);
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
  CHECK(next_input(plan_reduction({32, 512, 7 * 7}, 4), 1, false) == prefetch_rows * 512 * 7 * 7);
}
