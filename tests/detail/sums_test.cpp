// detail/sums.hpp: the sums of u and of u*v over boxes of every kind. The values are small whole numbers, so that no
// sum is rounded and each must be exactly the reference's.
#include <doctest/doctest.h>

#include <cmath>
#include <tensornorm/detail/sums.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/fenced.hpp"
#include "support/walks.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;

/// u = a - centre, v = b + centre: neither is zero where a load gives zeros, beyond the end of a row.
template <typename T>
struct Terms {
  using Value = T;
  static constexpr int inputs = 2;
  static constexpr bool keeps_rest = std::is_same_v<T, double>, keeps_rest_of_u = keeps_rest;
  const T* a;
  const T* b;
  void prefetch(Index) const {}
  template <typename Extent>
  Packet<double> u(Index offset, Packet<double> centre, Extent extent) const {
    return load<double>(a + offset, extent) - centre;
  }
  template <typename Extent>
  Packet<double> v(Packet<double>, Index offset, Packet<double> centre, Extent extent) const {
    return load<double>(b + offset, extent) + centre;
  }
};

constexpr Index kMost = 64000;  // values of the largest walk
constexpr int kLargest = 4;

/// A pair of tensors between fences, of integers.
template <typename T>
struct Tensors {
  Fenced<T> memory_a{kMost}, memory_b{kMost};
  Integers integers{kLargest};
  std::vector<T> values;
  T *a = nullptr, *b = nullptr;

  Tensors() {
    for (Index i = 0; i < kMost + 4001; ++i) values.push_back(value_of<T>(integers()));
  }
  void place(Index size, Index offset) {
    a = offset < 0 ? memory_a.place_last(size) : memory_a.place(size, offset);
    b = offset < 0 ? memory_b.place_last(size) : memory_b.place(size, (5 * offset + 3) % 16);
    std::copy_n(values.begin(), size, a);
    std::copy_n(values.begin() + 4001, size, b);
  }
};

template <typename T>
void check_sums(Tensors<T>& tensors, const Plan& plan, const Box& box) {
  const Shape& shape = plan.shape;
  std::vector<double> centre(block_lanes);  // as long as the kernels' own arrays
  std::vector<double> u(static_cast<std::size_t>(box.channels())), uv = u;
  for (std::size_t c = 0; c < u.size(); ++c) centre[c] = static_cast<double>(1 + c % 4);
  for_each_element(shape, box, [&](Index c, Index at) {
    const auto channel = static_cast<std::size_t>(c);
    const double m = centre[channel], a = number_of(tensors.a[at]) - m;
    u[channel] += a;
    uv[channel] += a * (number_of(tensors.b[at]) + m);
  });
  ChannelSums sums;
  sum_box(plan, box, Terms<T>{tensors.a, tensors.b}, centre.data(), sums);
  int wrong = 0;
  for (std::size_t c = 0; c < u.size(); ++c) wrong += sums.u[c] != u[c] || sums.uv[c] != uv[c];
  CHECK_MESSAGE(wrong == 0, to_text(plan, box));
}

template <typename T>
void check_all_walks() {
  Tensors<T> tensors;
  Index offset = 0;
  const auto check = [&](const Plan& plan, const Box& box) {
    offset = (offset + 1) % 17;  // 16 offsets, and against the fence
    tensors.place(plan.shape.size(), offset == 16 ? -1 : offset);
    check_sums(tensors, plan, box);
  };
  for_each_walk<double>(check);
  for_each_long_walk_in_runs<T>(check);
}

/// Pseudo-random numbers whose sums are rounded in every lane.
std::vector<float> uneven(Index count) {
  std::vector<float> values;
  for (Index i = 0; i < count; ++i) values.push_back(std::sin(static_cast<float>(i * i % 1013)) * 3);
  return values;
}

}  // namespace

TEST_CASE("sums: float") { check_all_walks<float>(); }
TEST_CASE("sums: double") { check_all_walks<double>(); }
TEST_CASE("sums: half") { check_all_walks<Eigen::half>(); }
TEST_CASE("sums: bfloat16") { check_all_walks<Eigen::bfloat16>(); }

TEST_CASE("sums: rows of more channels than a block, part by part") {
  Tensors<float> tensors;
  for (const Index channels : {block_lanes - 1, block_lanes, block_lanes + 1, 3 * block_lanes / 2 + 3}) {
    const Shape shape{19, channels, 1};
    const Plan plan(shape, 4, true, 1, block_lanes, shape.outer, 1);
    tensors.place(shape.size(), 3);
    for (Index block = 0; block < plan.blocks; ++block) check_sums(tensors, plan, plan.box(block, 0));
  }
}

TEST_CASE("sums: the same values have the same sums in whichever channel, and at whichever address") {
  const std::vector<float> values = uneven(23 * 37);
  // 37 values a run leave a remainder in every width of packet; 107 channels are a strip, half of one, a packet and a
  // part with AVX-512, and folded by 2 they leave a row over.
  const Plan plans[] = {runs_of({23, 21, 37}), rows_of({23 * 37, 21, 1}, 1), rows_of({23 * 37, 107, 1}, 1),
                        rows_of({23 * 37, 107, 1}, 2), rows_of({23 * 37, 64, 1}, 1)};
  for (const Plan& plan : plans) {
    const Shape& of = plan.shape;
    Fenced<float> memory(of.size());
    const std::vector<double> centre(block_lanes, 0.3);
    ChannelSums first{};
    for (Index offset = 0; offset < 16; ++offset) {
      float* const x = memory.place(of.size(), offset);
      std::vector<std::size_t> seen(static_cast<std::size_t>(of.channels));
      for_each_element(of, whole(of), [&](Index c, Index at) { x[at] = values[seen[static_cast<std::size_t>(c)]++]; });
      ChannelSums sums;
      sum_box(plan, whole(of), Terms<float>{x, x}, centre.data(), sums);
      if (offset == 0) first = sums;
      int wrong = 0;
      for (Index c = 0; c < of.channels; ++c) {
        wrong += bits(sums.u[c]) != bits(first.u[0]) || bits(sums.uv[c]) != bits(first.uv[0]);
      }
      CHECK_MESSAGE(wrong == 0, to_text(plan, whole(of)));
    }
  }
}

TEST_CASE("sums: products of floats are exact, and added as doubles") {
  const Index count = 1 << 15;
  const float value = 1 + 0x1p-20f;  // of which a float holds neither the square nor a sum of 16
  const std::vector<float> x(static_cast<std::size_t>(count), value);
  const std::vector<double> zero(block_lanes, 0);
  for (const Shape shape : {Shape{1, 1, count}, Shape{count, 1, 1}, Shape{count / 4, 4, 1}}) {
    const Plan plan = shape.channels > 1 ? rows_of(shape, 1) : runs_of(shape);
    ChannelSums sums;
    sum_box(plan, whole(shape), Terms<float>{x.data(), x.data()}, zero.data(), sums);
    for (Index c = 0; c < shape.channels; ++c) {
      const auto n = static_cast<double>(shape.per_channel()), exact = static_cast<double>(value);
      CHECK(sums.u[c] == n * exact);
      CHECK(sums.uv[c] == n * (exact * exact));
    }
  }
}

TEST_CASE("sums: the order follows from the sizes of a box, not from where it lies: the same bits") {
  constexpr Index rows = 5, run = 40, far = 300;  // short runs, far from their channel's beginning
  const Shape shape{rows, 1, far + run}, alone{rows, 1, run};
  std::vector<double> a(static_cast<std::size_t>(shape.size())), b(a.size()), a_alone, b_alone;
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = std::sin(static_cast<double>(i));
    b[i] = std::cos(static_cast<double>(i));
  }
  for (Index o = 0; o < rows; ++o) {
    for (Index i = far; i < far + run; ++i) {
      a_alone.push_back(a[static_cast<std::size_t>(shape.offset(o, 0, i))]);
      b_alone.push_back(b[static_cast<std::size_t>(shape.offset(o, 0, i))]);
    }
  }
  const double centre = 0.1;
  ChannelSums sums, wanted;
  sum_box(runs_of(shape), Box{0, rows, 0, 1, far, far + run}, Terms<double>{a.data(), b.data()}, &centre, sums);
  sum_box(runs_of(alone), whole(alone), Terms<double>{a_alone.data(), b_alone.data()}, &centre, wanted);
  CHECK(bits(sums.u[0]) == bits(wanted.u[0]));
  CHECK(bits(sums.uv[0]) == bits(wanted.uv[0]));
}

namespace {

/// Counts the lines of memory that are read without having been asked for, those asked for more than once, and those
/// asked for after a later one.
struct Asked {
  using Value = float;
  static constexpr int inputs = 1;
  static constexpr bool keeps_rest = false;
  std::vector<bool>* asked;  // of each line
  Index* unasked;
  Index* again;
  Index* late;
  std::size_t* latest;
  static std::size_t line_of(Index offset) { return static_cast<std::size_t>(offset / line_values<Asked>); }

  void prefetch(Index offset) const {
    if (line_of(offset) >= asked->size()) return;  // beyond the tensor
    if ((*asked)[line_of(offset)]) ++*again;
    if (line_of(offset) < *latest) ++*late;
    *latest = line_of(offset);
    (*asked)[line_of(offset)] = true;
  }
  template <typename Extent>
  Packet<double> u(Index offset, Packet<double> centre, Extent) const {
    const bool first_of_line = offset % line_values<Asked> == 0;
    if (first_of_line && !(*asked)[line_of(offset)]) ++*unasked;
    return centre;
  }
  template <typename Extent>
  Packet<double> v(Packet<double> u, Index, Packet<double>, Extent) const {
    return u;
  }
};

/// The share of lines that sums over a tensor beyond all caches find unasked for. Where they lie in runs, none is asked
/// for twice but those that the last channel takes for the next one's. Rows are asked for in the order of memory.
double unasked_for(const Plan& plan) {
  std::vector<bool> asked(static_cast<std::size_t>(plan.shape.size() / line_values<Asked>));
  Index unasked = 0, again = 0, late = 0;
  std::vector<double> centre(block_lanes);
  ChannelSums sums;
  for (Index block = 0; block < plan.blocks; ++block) {
    std::size_t latest = 0;
    sum_box(plan, plan.box(block, 0), Asked{&asked, &unasked, &again, &late, &latest}, centre.data(), sums);
  }
  const bool lines_a_tile = tile_rows * width<double> >= line_values<Asked>;  // at least one
  if (!plan.rows && lines_a_tile) CHECK(again <= run_ahead[1] / line_values<Asked>);
  if (plan.rows) CHECK(late == 0);
  return static_cast<double>(unasked) / static_cast<double>(asked.size());
}

}  // namespace

TEST_CASE(
    "sums: beyond the caches, long runs are asked for before they are read, across the ends of runs and channels") {
  const auto plan = [](const Shape& shape, Index value_bytes) {
    return Plan{shape, value_bytes, false, 1, 1, shape.outer, shape.inner};
  };
  const Shape shape{6, 5, 4096 + 64};  // whole lines; a run is longer than what is asked for ahead
  const double first = static_cast<double>(run_ahead[1]) / static_cast<double>(shape.size());
  CHECK(unasked_for(plan(shape, cache_bytes)) == doctest::Approx(first));
  const Shape shorter{20, 9, 640};
  CHECK(unasked_for(plan(shorter, cache_bytes)) == doctest::Approx(640.0 / static_cast<double>(shorter.size())));
  CHECK(unasked_for(plan(shape, 4)) == 1);  // in cache nothing is asked for
}

TEST_CASE("sums: rows in cache are summed by strips where they are narrow, and two inputs where they lie pages apart") {
  const auto in_cache = [](Index lanes, bool two) {
    const Plan plan{{16, lanes, 1}, 4, true, 1, lanes, 16, 1};
    return two ? sums_by_strips<Terms<float>>(plan) : sums_by_strips<Asked>(plan);
  };
  for (const bool two : {false, true}) {
    CHECK(in_cache(64, two));
    CHECK(in_cache(narrow_lanes, two));
    CHECK_FALSE(in_cache(narrow_lanes + 1, two));
    CHECK_FALSE(in_cache(512, two));
    CHECK(in_cache(1024, two) == two);  // 4 KiB
  }
}

TEST_CASE("sums: beyond the caches, rows are asked for a tile or more before they are read") {
  const auto unasked = [](const Shape& shape, Index block, Index fold = 1) {
    const Plan plan{shape, cache_bytes, true, fold, block, shape.outer, shape.inner};
    return unasked_for(plan) * static_cast<double>(shape.size());
  };
  const auto ahead = static_cast<double>(tiles_ahead<Asked>(64));
  CHECK(ahead == rows_ahead_bytes[1] / 4);
  CHECK(unasked({800, 64, 1}, 64) == ahead);
  CHECK(unasked({800, 16, 4}, 16) == ahead);
  CHECK(unasked({800, 16, 1}, 16, 4) == ahead);
  CHECK(unasked({800, 128, 1}, 128) == ahead);
  // A tile is more than what is otherwise asked for. Blocks are columns of such rows, and ask for their own lines.
  CHECK(tiles_ahead<Asked>(1024) == tile_rows * 1024);
  CHECK(unasked({800, 1024, 1}, 1024) == tile_rows * 1024);
  CHECK(unasked({800, 1024, 1}, 512) == tile_rows * 1024);
  CHECK(unasked({800, 160, 8}, 80) == tile_rows * 1280);
}
