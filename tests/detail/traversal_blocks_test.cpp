// detail/traversal.hpp: how large blocks and chunks are, and how many rows count as one.
#include <doctest/doctest.h>

#include <tensornorm/detail/traversal.hpp>

#include "support/caches.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;

Index block(Index outer, Index channels, Index inner, Index value_bytes) {
  return plan_reduction({outer, channels, inner}, value_bytes).block_channels;
}

}  // namespace

TEST_CASE_FIXTURE(NearCaches,
                  "traversal: several blocks of runs are alike, and whole cache lines each if they can be") {
  CHECK(block(32, 256, 14 * 14, 4) == 4);  // not five, of 784 bytes a run
  CHECK(block(32, 256, 14 * 14, 2) == 8);  // not ten, of 392
  CHECK(block(32, 256, 14 * 14, 8) == 2);
  CHECK(block(32, 256, 15 * 15, 4) == 4);  // sixteen would be whole lines
  CHECK(block(4, 32, 28 * 28, 4) == 8);    // not 10, 10, 10 and 2
  CHECK(block(8, 256, 14 * 14, 4) == 20);
  CHECK(block(8, 100, 14 * 14, 4) == 20);
  CHECK(block(8, 105, 14 * 14, 4) == 20);  // 18, and lines
  CHECK(block(10, 5, 14 * 14, 4) == 5);    // the only block
}

TEST_CASE_FIXTURE(FarCaches, "traversal: blocks of runs are larger for whole lines where outputs leave the caches") {
  CHECK(block(64, 256, 14 * 14, 2) == 8);  // not five
  CHECK(block(64, 128, 14 * 14, 4) == 4);  // not two
  CHECK(block(64, 65, 14 * 14, 4) == 4);   // the last one is narrower
  CHECK(block(32, 64, 15 * 15, 4) == 16);  // 460 KB, and not four
  CHECK(block(48, 64, 15 * 15, 4) == 3);   // 690 KB would be too much
  CHECK(block(32, 16, 15 * 15, 4) == 4);   // all of it would be one block
  CHECK(block(64, 20, 14 * 14, 4) == 2);   // 1 MB, in and out, stay in L2
  CHECK(block(32, 256, 14 * 14, 4) == 4);  // within block_bytes
  const Index beyond = width<float> >= 16 ? 4 : 2;
  CHECK(block(64, 256, 14 * 14, 4) == beyond);
  const NearCaches elsewhere;
  CHECK(block(64, 128, 14 * 14, 4) == 2);
  CHECK(block(64, 256, 14 * 14, 4) == beyond);
}

TEST_CASE("traversal: a chunk of rows is as large as its bound allows, in whole tiles") {
  const auto rows = [](Index outer, Index lanes, Index fold) { return rows_of_chunk({outer, 1, 1}, lanes, fold, 4); };
  const Index most = chunk_bytes / 4;
  CHECK(rows(most / 64, 64, 1) == most / 64);
  CHECK(rows(4, most / 4, 1) == 4);
  CHECK(rows(most / 64 + 1, 64, 1) == most / 64);
  CHECK(rows(1 << 20, 100, 1) == round_down(most / 100, tile_rows));
  CHECK(rows(1 << 20, 100, 10) == round_down(most / 100, 10 * tile_rows));
  CHECK(rows(1 << 20, most, 3) == 3 * tile_rows);
}

TEST_CASE("traversal: one channel is one run") {
  for (const Shape shape : {Shape{1000, 1, 1}, Shape{10, 1, 300}, Shape{1, 1, 7}}) {
    const Plan plan = plan_reduction(shape, 4);
    CHECK(plan.shape.outer == 1);
    CHECK(plan.shape.inner == shape.outer * shape.inner);
  }
}

TEST_CASE("traversal: rows are folded to whole lines, or as long as whole tiles are left") {
  const auto fold = [](Index outer, Index channels, Index inner) {
    return plan_reduction({outer, channels, inner}, 4).fold;
  };
  CHECK(fold(15, 3, 1) == 1);  // not two tiles
  CHECK(fold(16, 3, 1) == 2);  // a tile is left
  CHECK(fold(87, 3, 1) == 10);
  CHECK(fold(10000, 1, 3) == 1);  // one channel is one run
  CHECK(fold(10000, 2, 1) == 32);
  CHECK(fold(10000, 3, 1) == 16);  // whole lines,
  CHECK(fold(10000, 7, 1) == 16);  // also where they take more than 64 lanes
  CHECK(fold(10000, 8, 1) == 8);
  CHECK(fold(10000, 9, 1) == 16);
  CHECK(fold(10000, 18, 1) == 8);
  CHECK(fold(10000, 10, 1) == 8);
  CHECK(fold(10000, 16, 1) == 4);
  CHECK(fold(10000, 32, 1) == 2);
  CHECK(fold(10000, 33, 1) == 16);
  CHECK(fold(10000, 50, 1) == 8);
  CHECK(fold(10000, 100, 1) == 4);
  CHECK(fold(10000, 64, 1) == 1);
  CHECK(fold(10000, 8, 4) == 2);
  CHECK(fold(128, 50, 1) == 8);  // 16 folded rows are enough, fewer are not:
  CHECK(fold(255, 9, 1) == 7);   // then about 64 lanes,
  CHECK(fold(255, 5, 1) == 16);
  CHECK(fold(255, 33, 1) == 7);  // or what is narrow
  CHECK(fold(223, 33, 1) == 1);
  CHECK(fold(127, 50, 1) == 1);
  CHECK(fold(10000, 65, 1) == 3);  // as where lines would be more than a block
  CHECK(fold(10000, 99, 1) == 2);
  CHECK(fold(10000, 300, 1) == 1);
  CHECK(fold(10000, 100, 10) == 1);  // several blocks
}

TEST_CASE("traversal: what no cache holds is known from its size") {
  const Index many = cache_bytes / 4;
  CHECK_FALSE(plan_reduction({1, 1, many}, 4).beyond_cache);
  CHECK(plan_reduction({1, 1, many + 1}, 4).beyond_cache);
  CHECK_FALSE(plan_reduction({1, 1, many + 1}, 2).beyond_cache);
  CHECK(plan_map({many / 64 + 1, 64, 1}, 4).beyond_cache);
}

TEST_CASE("traversal: a large tensor is many items of work") {
  // A single long channel, NHWC of few channels, and one plane a channel: threads need something to share.
  for (const Shape shape : {Shape{1, 1, 1 << 20}, Shape{1 << 18, 4, 1}, Shape{16, 256, 1 << 8}}) {
    const Plan plan = plan_reduction(shape, 4);
    CHECK(plan.blocks * plan.chunks >= 16);
  }
}

TEST_CASE("traversal: a map of runs takes as many whole planes at a time as a chunk has room for") {
  const Plan plan = plan_map({100, 64, 10 * 10}, 4);
  REQUIRE_FALSE(plan.rows);
  CHECK(plan.block_channels == 64);
  CHECK(plan.chunk_outer == chunk_bytes / 4 / (64 * 10 * 10));
}
