// detail/companions.hpp: what is mapped in the company of sums is what a map of its own writes, whatever is summed at
// once, and never more than has been summed. (MapAlong: beside_test.cpp.)
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <tensornorm/detail/companions.hpp>
#include <vector>

#include "support/affine_map.hpp"
#include "support/fenced.hpp"
#include "support/walks.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;

constexpr Index kMost = 20000;

template <typename T>
class Case {
 public:
  Case() {
    Integers integers(3);
    for (Index i = 0; i < kMost; ++i) values_.push_back(value_of<T>(integers()));
  }

  /// Maps what lies `distance` channels before `box`, of which `at_once` elements are summed at once. out as in
  /// elementwise_test.cpp: offset values past an aligned address, or against the fence at the end or beginning.
  void check(const Plan& plan, const Box& box, Index distance, Index at_once, Index offset) {
    const Index size = plan.shape.size(), count = box.channels() * box.per_channel();
    T* const out = offset == -1   ? out_.place_last(size)
                   : offset == -2 ? out_.place_first(size)
                                  : out_.place(size, offset);
    std::fill_n(out, size, untouched);
    const Affine<T> f{values_.data()};
    const MapInOrder<Affine<T>, T> companion{{f, table_, out, distance * plan.shape.inner}};
    auto begun = companion.begin(plan, box);
    const auto beside = begun.of_channel(0);
    bool ahead = false;
    for (Index done = 0; done < count; done += at_once) {
      beside(0, std::min(at_once, count - done));
      ahead = ahead || mapped(out, size) > done + at_once;
    }
    begun.finish();
    fence_streams();

    std::vector<T> expected(static_cast<std::size_t>(size), untouched);
    Box behind = box;
    behind.channel_begin -= distance, behind.channel_end -= distance;
    map_box(plan, behind, f, table_, expected.data(), Movement{});
    INFO(to_text(plan, box), ", ", at_once, " at once, offset ", offset);
    CHECK(std::memcmp(static_cast<const void*>(expected.data()), static_cast<const void*>(out),
                      expected.size() * sizeof(T)) == 0);
    CHECK_FALSE(ahead);
    CHECK(out_.clean());
  }

 private:
  static const T untouched;  // which f gives nowhere
  static Index mapped(const T* out, Index size) {
    return static_cast<Index>(std::count_if(out, out + size, [](T y) { return number_of(y) != number_of(untouched); }));
  }

  Fenced<T> out_{kMost};
  std::vector<T> values_;
  Coefficients<LaneOf<T>, 2> table_ = affine_table<T>();
};
template <typename T>
const T Case<T>::untouched = value_of<T>(-77.5);

}  // namespace

TEST_CASE_TEMPLATE("companions: runs of any length and place, mapped in the order of memory", T, float, double,
                   Eigen::half, Eigen::bfloat16) {
  constexpr Index W = width<LaneOf<T>>;
  Case<T> any;
  Index turn = 0;
  for (Index inner = W; inner <= 4 * W + 3; ++inner) {
    for (const Index channels : {1, 2, 5}) {
      for (const Index outer : {1, 2, 7}) {
        const Shape shape{outer, 2 * channels + 1, inner};
        const Box second{0, outer, channels, 2 * channels, 0, inner};
        for (const Index at_once : {Index{1}, W / 2 + 1, 8 * W, shape.size()}) {
          any.check(runs_of(shape), second, channels, at_once, ++turn % 18 - 2);
        }
      }
    }
  }
  // Chunks: of some rows, and of a part of one channel's runs.
  any.check(runs_of({9, 4, 2 * W + 1}), Box{3, 8, 2, 4, 0, 2 * W + 1}, 2, W, 1);
  any.check(runs_of({4, 2, 9 * W}), Box{1, 3, 1, 2, W + 3, 7 * W + 1}, 1, 3 * W, 2);
}
