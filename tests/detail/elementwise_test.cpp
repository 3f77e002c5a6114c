// detail/elementwise.hpp: out = f over boxes of every kind, every element by its own channel's numbers and once; what
// lies outside the box, and outside the tensor, keeps its bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <tensornorm/detail/elementwise.hpp>
#include <vector>

#include "support/affine_map.hpp"
#include "support/bits.hpp"
#include "support/fenced.hpp"
#include "support/walks.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

constexpr Index kMost = 40000;

template <typename T>
class Case {
 public:
  using Lane = LaneOf<T>;

  Case() {
    Integers integers(7);
    for (Index i = 0; i < kMost; ++i) values_.push_back(value_of<T>(integers()));
  }

  /// out apart from x: offset values past an aligned address, or against the fence at the end (-1) or beginning (-2).
  void check(const Plan& plan, const Box& box, const Movement& movement, Index offset) {
    const Index size = plan.shape.size();
    T* const x = offset < 0 ? x_.place_last(size) : x_.place(size, (3 * offset + 1) % 16);
    T* const out = offset == -1   ? out_.place_last(size)
                   : offset == -2 ? out_.place_first(size)
                                  : out_.place(size, offset);
    std::copy_n(values_.begin(), size, x);
    std::fill_n(out, size, value_of<T>(-77));
    map_box(plan, box, Affine<T>{x}, table_, out, movement);
    int wrong = std::equal(x, x + size, values_.begin()) ? 0 : 1;
    wrong += faults(plan, box, out, [](Index) { return value_of<T>(-77); });
    CHECK_MESSAGE(wrong == 0, to_text(plan, box), ", offset ", offset, movement.streamed ? ", streamed" : ", cached");
    CHECK(out_.clean());
  }

  /// out is x: an element that were mapped twice would show.
  void check_in_place(const Plan& plan, const Box& box, const Movement& movement, Index offset) {
    const Index size = plan.shape.size();
    T* const x = out_.place(size, offset);
    std::copy_n(values_.begin(), size, x);
    map_box(plan, box, Affine<T>{x}, table_, x, movement);
    const int wrong = faults(plan, box, x, [&](Index at) { return values_[static_cast<std::size_t>(at)]; });
    CHECK_MESSAGE(wrong == 0, to_text(plan, box), ", in place at offset ", offset);
    CHECK(out_.clean());
  }

 private:
  /// How many elements are not what they should be; outside the box that is what was there before.
  template <typename Before>
  int faults(const Plan& plan, const Box& box, const T* out, Before before) {
    expected_.resize(static_cast<std::size_t>(plan.shape.size()));
    for (std::size_t at = 0; at < expected_.size(); ++at) expected_[at] = before(static_cast<Index>(at));
    for_each_element(plan.shape, box, [&](Index c, Index at) {
      const double scale = static_cast<double>(table_.values[0][c]), shift = static_cast<double>(table_.values[1][c]);
      const double x = number_of(values_[static_cast<std::size_t>(at)]);
      expected_[static_cast<std::size_t>(at)] = value_of<T>(x * scale + shift);
    });
    int wrong = 0;
    for (std::size_t at = 0; at < expected_.size(); ++at) wrong += number_of(out[at]) != number_of(expected_[at]);
    return wrong;
  }

  Fenced<T> x_{kMost}, out_{kMost};
  std::vector<T> values_, expected_;
  Coefficients<LaneOf<T>, 2> table_ = affine_table<T>();
};

template <typename T>
void check_all_walks() {
  Case<T> any;
  Index turn = 0;
  for_each_walk<LaneOf<T>>([&](const Plan& plan, const Box& box) {
    ++turn;
    const Index offset = turn % 18 - 2;
    const bool streamed = turn / 18 % 2 == 0;  // at every offset, odd and even
    const Movement movement{streamed, turn % 4 < 2, false, turn % 3 == 0 ? 0 : 1000 * (turn % 5)};
    any.check(plan, box, movement, offset);
    any.check(plan, box, {!streamed}, (offset + 7) % 16);
    if (turn % 2 == 0) any.check(plan, box, {false, false, true}, offset);
    if (turn % 5 == 0) any.check_in_place(plan, box, {false, turn % 2 == 0}, turn % 16);
  });
}

/// Notes where it was called; computes nothing.
struct Trace {
  static constexpr int coefficients = 1;
  std::vector<Index>* offsets;
  std::vector<Index>* prefetched;

  template <typename Extent>
  Packet<float> operator()(Index offset, const std::array<Packet<float>, 1>& c, Extent) const {
    offsets->push_back(offset);
    return c[0];
  }
  void prefetch(Index offset) const { prefetched->push_back(offset); }
};

}  // namespace

TEST_CASE("elementwise: float") { check_all_walks<float>(); }
TEST_CASE("elementwise: double") { check_all_walks<double>(); }
TEST_CASE("elementwise: half") { check_all_walks<half>(); }
TEST_CASE("elementwise: bfloat16") { check_all_walks<bfloat16>(); }

TEST_CASE_TEMPLATE("elementwise: every offset of runs and rows, streamed and cached", T, float, half, bfloat16) {
  Case<T> any;
  for (Index inner = 1; inner <= 4 * width<float> + 3; ++inner) {
    for (Index offset = -2; offset < 16; ++offset) {
      for (const bool streamed : {false, true}) {
        const Shape runs{3, 2, inner}, rows{5, inner, 1};
        any.check(runs_of(runs), whole(runs), {streamed, true}, offset);
        any.check(rows_of(rows, 1), whole(rows), {streamed, true}, offset);
        any.check(rows_of(rows, 2), whole(rows), {streamed}, offset);
      }
    }
  }
}

TEST_CASE("elementwise: rows of more channels than a block, part by part") {
  Case<float> any;
  for (const Index channels : {block_lanes - 1, block_lanes, block_lanes + 1, 3 * block_lanes / 2 + 3}) {
    const Shape shape{19, channels, 1};
    const Plan plan(shape, 4, true, 1, block_lanes, 16, 1);
    for (Index block = 0; block < plan.blocks; ++block) {
      for (Index chunk = 0; chunk < plan.chunks; ++chunk)
        any.check(plan, plan.box(block, chunk), {true, true, false, 64}, 5);
    }
  }
}

TEST_CASE("elementwise: runs and rows end in whole packets where results may be computed twice") {
  constexpr Index W = width<float>, length = 2 * W + 1;
  const Shape runs{2, 1, length}, rows{2, length, 1};
  for (const bool again : {false, true}) {
    const Index last = W == 1 ? 2 : again ? W + 1 : 2 * W;
    for (const Plan& plan : {runs_of(runs), rows_of(rows, 1)}) {
      std::vector<float> out(2 * length);
      const Coefficients<float, 1> table{};
      std::vector<Index> offsets, prefetched;
      map_box(plan, whole(plan.shape), Trace{&offsets, &prefetched}, table, out.data(), {false, false, again});
      std::sort(offsets.begin(), offsets.end());  // rows may be mapped side by side
      std::vector<Index> expected{0, W, last, length, length + W, length + last};
      std::sort(expected.begin(), expected.end());
      CHECK(offsets == expected);
    }
  }
}

TEST_CASE("elementwise: runs that follow each other are mapped in whole packets, wherever they end") {
  constexpr Index W = width<float>, line = packets_a_line<float> * W;
  const Shape shape{1, 4, 3 * W / 2};
  Fenced<float> out(shape.size());
  const Coefficients<float, 1> table{};
  for (const bool streamed : {false, true}) {
    std::vector<Index> offsets, prefetched, expected, ahead;
    map_box(runs_of(shape), whole(shape), Trace{&offsets, &prefetched}, table, out.place(shape.size(), 0),
            {streamed, false, false, 12});
    for (Index at = 0; at < shape.size(); at += W) expected.push_back(at);
    for (Index at = 0; at + line <= shape.size(); at += line) ahead.push_back(at + 12);
    CHECK(offsets == expected);
    if (W > 1) CHECK(prefetched == ahead);
  }
}

TEST_CASE("elementwise: runs are walked from the last outer index back when asked to, and their lines prefetched") {
  constexpr Index line = std::min<Index>(16, 4 * width<float>);  // of memory, but at most four packets
  const Shape shape{5, 2, 2 * line};
  std::vector<float> out(static_cast<std::size_t>(shape.size()));
  const Coefficients<float, 1> table{};
  for (const bool last_to_first : {false, true}) {
    std::vector<Index> offsets, prefetched, expected, ahead;
    map_box(runs_of(shape), whole(shape), Trace{&offsets, &prefetched}, table, out.data(),
            {false, last_to_first, false, 12});
    for (Index k = 0; k < shape.outer; ++k) {
      const Index o = last_to_first ? shape.outer - 1 - k : k;
      for (Index c = 0; c < shape.channels; ++c) {
        const Index run = (o * 2 + c) * shape.inner;
        for (Index i = 0; i < shape.inner; i += width<float>) expected.push_back(run + i);
        for (Index i = 0; i < shape.inner; i += line) ahead.push_back(run + i + 12);
      }
    }
    CHECK(offsets == expected);
    CHECK(prefetched == ahead);
  }
}
