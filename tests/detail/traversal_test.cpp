// detail/traversal.hpp: the boxes of every plan cover every element once, and stay within the limits that the kernels'
// arrays and the caches set.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <tensornorm/detail/traversal.hpp>
#include <vector>

#include "support/caches.hpp"
#include "support/walks.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;

std::string name_of(const Shape& shape, Index value_bytes) {
  return "[" + std::to_string(shape.outer) + ", " + std::to_string(shape.channels) + ", " +
         std::to_string(shape.inner) + "] of " + std::to_string(value_bytes) + " bytes";
}

/// visit(shape, value_bytes) over shapes of all kinds. Large values make many chunks of few elements.
template <typename Visit>
void for_each_shape(Visit visit) {
  for (const Index outer : {1, 2, 7, 8, 9, 15, 16, 17, 50, 129, 1000}) {
    for (const Index channels : {1, 2, 3, 16, 31, 64, 255, 511, 512, 513, 1500}) {
      for (const Index inner : {1, 2, 3, 4, 5, 9, 49, 63, 64, 65, 130, 1000, 5000}) {
        const Shape shape{outer, channels, inner};
        if (shape.size() > 400000) continue;
        for (const Index value_bytes : {2, 4, 8, 100, 1024}) visit(shape, value_bytes);
      }
    }
  }
}

void check_cover(const Plan& plan) {
  const Shape& shape = plan.shape;
  std::vector<unsigned char> visits(static_cast<std::size_t>(shape.size()));
  bool inside = true;
  for (Index block = 0; block < plan.blocks; ++block) {
    for (Index chunk = 0; chunk < plan.chunks; ++chunk) {
      const Box box = plan.box(block, chunk);
      inside = inside && 0 <= box.outer_begin && box.outer_begin < box.outer_end && box.outer_end <= shape.outer &&
               0 <= box.channel_begin && box.channel_begin < box.channel_end && box.channel_end <= shape.channels &&
               0 <= box.inner_begin && box.inner_begin < box.inner_end && box.inner_end <= shape.inner;
      if (!inside) break;
      for_each_element(shape, box, [&](Index, Index at) { ++visits[static_cast<std::size_t>(at)]; });
    }
  }
  CHECK(inside);
  CHECK(std::all_of(visits.begin(), visits.end(), [](unsigned char count) { return count == 1; }));
}

/// What the kernels take for granted.
void check_limits(const Plan& plan) {
  const Shape& shape = plan.shape;
  bool channels_of_block = true;
  for (Index block = 0; block < plan.blocks; ++block) {
    const Box first = plan.box(block, 0);
    for (Index chunk = 1; chunk < plan.chunks; ++chunk) {
      const Box box = plan.box(block, chunk);
      channels_of_block =
          channels_of_block && box.channel_begin == first.channel_begin && box.channel_end == first.channel_end;
    }
  }
  CHECK(channels_of_block);
  CHECK(plan.block_channels <= block_lanes);
  CHECK(plan.fold >= 1);
  if (!plan.rows) {
    CHECK(plan.fold == 1);
    return;
  }
  CHECK(plan.fold * plan.block_channels * shape.inner <= block_lanes);
  CHECK(plan.chunk_inner == shape.inner);
  CHECK((plan.fold == 1 || plan.blocks == 1));  // rows folded into one follow each other in memory
  CHECK((plan.fold <= 16 || plan.fold % 16 == 0));
  CHECK((plan.blocks == 1 || plan.block_channels % 16 == 0));  // every block starts where a cache line of floats does
  CHECK((plan.chunk_outer == shape.outer || plan.chunk_outer % (plan.fold * tile_rows) == 0));
}

}  // namespace

TEST_CASE("traversal: the boxes of a reduction cover every element once, within limits") {
  for_each_shape([](const Shape& shape, Index value_bytes) {
    INFO(name_of(shape, value_bytes));
    const Plan plan = plan_reduction(shape, value_bytes);
    REQUIRE(plan.shape.size() == shape.size());
    check_cover(plan);
    check_limits(plan);
  });
}

TEST_CASE("traversal: the boxes of a map cover every element once, within limits") {
  for_each_shape([](const Shape& shape, Index value_bytes) {
    INFO(name_of(shape, value_bytes));
    const Plan plan = plan_map(shape, value_bytes);
    REQUIRE(plan.shape.size() == shape.size());
    check_cover(plan);
    check_limits(plan);
    CHECK(plan.rows == (walks_rows(plan.shape, value_bytes) && !maps_runs(plan.shape, value_bytes, false)));
  });
}

/// In blocks of runs, all of one channel's chunk, or within bounds: wider ones where whole lines want them.
void check_boxes_of_runs() {
  for_each_shape([](const Shape& shape, Index value_bytes) {
    const Plan plan = plan_reduction(shape, value_bytes);
    if (plan.rows) return;
    INFO(name_of(shape, value_bytes));
    const Box box = plan.box(0, 0);
    const Index least = plan.shape.inner <= chunk_bytes / value_bytes ? plan.shape.inner : 1;  // one run
    CHECK(box.per_channel() * value_bytes <= std::max(chunk_bytes, least * value_bytes));
    const bool whole_lines = box.channels() * plan.shape.inner * value_bytes % Index{cache_line} == 0;
    const Index most = whole_lines && gains_by_lines(shape, value_bytes) ? block_of_lines_bytes : block_bytes;
    CHECK((box.channels() == 1 || box.channels() * box.per_channel() * value_bytes <= most));
    CHECK((plan.chunks == 1 || plan.block_channels == 1));
  });
}

TEST_CASE_FIXTURE(NearCaches, "traversal: boxes of runs fit in the cache, or are one channel's chunk") {
  check_boxes_of_runs();
}
TEST_CASE_FIXTURE(FarCaches, "traversal: boxes of runs fit in a large L2 where the last cache is far") {
  check_boxes_of_runs();
}

TEST_CASE("traversal: boxes that are only mapped are no larger than a chunk") {
  for_each_shape([](const Shape& shape, Index value_bytes) {
    const Plan plan = plan_map(shape, value_bytes);
    if (plan.rows) return;
    INFO(name_of(shape, value_bytes));
    const Box box = plan.box(0, 0);
    CHECK(box.channels() * box.per_channel() * value_bytes <= chunk_bytes);
  });
  CHECK(plan_map({2, 64, 6400}, 4).block_channels == 10);  // 64 Ki floats
}

TEST_CASE("traversal: short inner dimensions are walked as rows, if there are enough rows, or few channels a block") {
  const auto rows = [](Index outer, Index channels, Index inner, Index value_bytes = 4) {
    const Shape shape{outer, channels, inner};
    const bool reduction = plan_reduction(shape, value_bytes).rows;
    CHECK(walks_rows(shape, value_bytes) == reduction);
    return reduction;
  };
  CHECK(rows(32 * 56 * 56, 64, 1));  // NHWC
  CHECK(rows(128, 1000, 1));         // (N, C)
  CHECK(rows(2, 3, 1));
  CHECK(rows(1, 2, 4));
  CHECK_FALSE(rows(1, 2, 5));
  CHECK_FALSE(rows(7, 16, 32));
  CHECK(rows(8, 16, 32));
  CHECK_FALSE(rows(8, 16, 33));
  CHECK(rows(8, 16, 64, 2));
  CHECK_FALSE(rows(8, 16, 65, 2));
  CHECK_FALSE(rows(32, 64, 56 * 56));  // NCHW
  CHECK_FALSE(rows(32, 512, 7 * 7));
  CHECK_FALSE(rows(32, 512, 7 * 7, 8));
  CHECK(rows(32, 512, 7 * 7, 2));
  CHECK_FALSE(rows(64, 128, 64));  // eight channels a block
  CHECK(rows(65, 128, 64));        // seven
  CHECK_FALSE(rows(1000, 1, 1));   // one channel is one run
  CHECK_FALSE(rows(10, 1, 3));
}

TEST_CASE("traversal: short runs are mapped one by one from 16 values on, if their ends cost no more than the rest") {
  const auto runs = [](Index inner, Index value_bytes, bool in_place = false) {
    const Shape shape{128, 128, inner};
    const bool mapped = maps_runs(shape, value_bytes, in_place);
    CHECK(plan_map(shape, value_bytes, in_place).rows == !mapped);
    return mapped;
  };
  CHECK_FALSE(runs(15, 4));
  for (const Index value_bytes : {2, 4}) {
    CHECK(runs(16, value_bytes));
    CHECK(runs(16, value_bytes, true));
    CHECK(runs(49, value_bytes));
  }
  CHECK(runs(49, 4, true));
  CHECK(runs(49, 2, true) == (width<float> == 1 || width<float> == 16));
  // Larger than the last cache, they are runs if they are whole cache lines.
  CHECK(maps_runs({512, 512, 48}, 4, false));
  CHECK_FALSE(maps_runs({512, 512, 49}, 4, false));
  CHECK_FALSE(maps_runs({512, 512, 40}, 2, false));
}

TEST_CASE_FIXTURE(NearCaches,
                  "traversal: what is reduced by blocks is mapped apart where that is faster, within the last cache") {
  const auto apart = [](Index outer, Index channels, Index inner, bool in_place = false) {
    return maps_apart(plan_reduction({outer, channels, inner}, 4), in_place);
  };
  // Rows that are mapped as runs.
  CHECK(apart(128, 128, 64));
  CHECK_FALSE(apart(128, 128, 64, true));
  CHECK_FALSE(apart(32, 512, 9));
  CHECK_FALSE(apart(32 * 56 * 56, 64, 1));
  CHECK_FALSE(apart(cache_bytes / 4 / (512 * 64) + 1, 512, 64));
  // Runs that are short pieces of a large tensor.
  const Index page = 1024;  // floats
  CHECK(apart(9, 128, page));
  CHECK_FALSE(apart(9, 128, page, true));
  CHECK_FALSE(apart(8, 128, page));  // not large
  CHECK_FALSE(apart(9, 128, page + 1));
  CHECK_FALSE(apart(1, 9 * 128, page));  // blocks follow each other in memory
  CHECK_FALSE(apart(24 * 128, 1, page));
  CHECK_FALSE(apart(25, 128, page));  // beyond the cache
  // Beyond it, channels of such pieces that are large themselves.
  CHECK(apart(513, 8, page));
  CHECK(apart(513, 8, page, true));
  CHECK_FALSE(apart(512, 8, page));
  CHECK_FALSE(apart(513, 8, page + 1));
  CHECK_FALSE(apart(8, 3, 256 * page));
  CHECK_FALSE(apart(513 * page, 8, 1));
}

TEST_CASE_FIXTURE(FarCaches,
                  "traversal: where the last cache is far, blocks of runs are mapped apart if they end in lines") {
  const auto apart = [](Index outer, Index channels, Index inner, bool in_place = false) {
    return maps_apart(plan_reduction({outer, channels, inner}, 4), in_place);
  };
  CHECK(apart(128, 128, 64));        // rows
  CHECK_FALSE(apart(9, 128, 1024));  // whole lines
  CHECK_FALSE(apart(32, 256, 14 * 14));
  CHECK_FALSE(apart(128, 32, 14 * 14));  // as they may be larger for it
  CHECK_FALSE(apart(128, 32, 14 * 14, true));
  CHECK(apart(256, 32, 14 * 14));  // a run a block
  CHECK_FALSE(apart(256, 32, 14 * 14, true));
  CHECK(apart(512, 32, 14 * 14));  // beyond the last cache
  CHECK_FALSE(apart(32, 32, 14 * 14));
}
