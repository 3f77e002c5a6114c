// Boxes of tensors for the kernels to walk: both traversals, every remainder, parts of a tensor; and the elements of a
// box found by indices of our own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <tensornorm/detail/sums.hpp>

#include "support/some_of.hpp"

namespace tn_test {

using tensornorm::detail::Box;
using tensornorm::detail::Index;
using tensornorm::detail::Plan;
using tensornorm::detail::Shape;

inline std::string to_text(const Plan& plan, const Box& box) {
  const auto range = [](Index begin, Index end) { return std::to_string(begin) + ".." + std::to_string(end) + " "; };
  return std::string(plan.rows ? "rows of [" : "runs of [") + std::to_string(plan.shape.outer) + ", " +
         std::to_string(plan.shape.channels) + ", " + std::to_string(plan.shape.inner) + "], fold " +
         std::to_string(plan.fold) + ", box " + range(box.outer_begin, box.outer_end) +
         range(box.channel_begin, box.channel_end) + range(box.inner_begin, box.inner_end);
}

/// visit(channel of the box, where the element lies) for every element of the box.
template <typename Visit>
void for_each_element(const Shape& shape, const Box& box, Visit visit) {
  for (Index o = box.outer_begin; o < box.outer_end; ++o) {
    for (Index c = box.channel_begin; c < box.channel_end; ++c) {
      const Index run = o * shape.channels * shape.inner + c * shape.inner;
      for (Index i = box.inner_begin; i < box.inner_end; ++i) visit(c - box.channel_begin, run + i);
    }
  }
}

inline Box whole(const Shape& shape) { return {0, shape.outer, 0, shape.channels, 0, shape.inner}; }

/// Every other plan is that of a tensor beyond all caches, for which memory is asked for ahead.
inline Index value_bytes_of(const Shape& shape) { return shape.outer % 2 == 0 ? tensornorm::detail::cache_bytes : 4; }
inline Plan runs_of(const Shape& shape) {
  return {shape, value_bytes_of(shape), false, 1, shape.channels, shape.outer, shape.inner};
}
inline Plan rows_of(const Shape& shape, Index fold) {
  return {shape, value_bytes_of(shape), true, fold, shape.channels, shape.outer, shape.inner};
}

/// visit(plan, box) over runs of every length up to four packets plus 3, alone and many, and parts of such runs.
template <typename Lane, typename Visit>
void for_each_walk_in_runs(Visit visit) {
  constexpr Index W = tensornorm::detail::width<Lane>;
  for (Index inner = 1; inner <= 4 * W + 3; ++inner) {
    for (const Index outer : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 20}) {
      const Shape shape{outer, 1 + (inner + outer) % 3, inner};
      visit(runs_of(shape), whole(shape));
    }
    const Shape shape{5, 4, inner + 5};
    visit(runs_of(shape), Box{1, 4, 1, 3, 3, 3 + inner});
  }
}

/// visit(plan, box) over runs that are summed in pieces: longer than a piece, or so many that they fill several. Value:
/// what is summed.
template <typename Value, typename Visit>
void for_each_long_walk_in_runs(Visit visit) {
  constexpr Index W = tensornorm::detail::width<double>, piece = tensornorm::detail::piece_values<Value>;
  constexpr Index long_run = tensornorm::detail::long_run<Value>;
  for (const Index inner :
       {long_run - 1, long_run, long_run + W + 3, piece - 1, piece, piece + 1, 2 * piece + 9 * W + 5}) {
    for (const Index outer : {1, 2, 3}) visit(runs_of({outer, 2, inner}), whole({outer, 2, inner}));
  }
  for (const Index outer : {piece - 1, piece, 2 * piece + 13}) visit(runs_of({outer, 2, 1}), whole({outer, 2, 1}));
  visit(runs_of({600, 1, W + 1}), whole({600, 1, W + 1}));
}

/// visit(plan, box) over rows of 1 to 40 channels, folded or not, with rows left over, and parts of wider rows; then
/// over more rows of as many lanes as some target sums or maps side by side.
template <typename Visit>
void for_each_walk_in_rows(Visit visit) {
  for (Index channels = 1; channels <= 40; ++channels) {
    for (const Index inner : {1, 2, 3, 5}) {
      for (const Index outer : {1, 2, 3, 4, 7, 8, 9, 15, 16, 20}) {
        for (const Index fold : {Index{1}, Index{2}, Index{3}, Index{5}, outer}) {
          if ((fold <= 5 && fold == outer && fold > 1) || fold > outer) continue;  // seen, or more than there are
          if (fold * channels * inner > tensornorm::detail::block_lanes) continue;
          visit(rows_of({outer, channels, inner}, fold), whole({outer, channels, inner}));
        }
      }
      const Shape shape{11, channels + 3, inner};
      visit(rows_of(shape, 1), Box{2, 11, 1, 1 + channels, 0, inner});
      visit(rows_of(shape, 1), Box{0, 9, 3, 3 + channels, 0, inner});
    }
  }
  for (const Index channels : {4, 8, 16, 32, 64, 80}) {
    for (const Index fold : {1, 2}) {
      for (const Index outer : {33, 75, 76, 151, 152}) {
        visit(rows_of({outer, channels, 1}, fold), whole({outer, channels, 1}));
      }
    }
  }
}

/// All of these, or some_of.hpp's some.
template <typename Lane, typename Visit>
void for_each_walk(Visit visit) {
  SomeOf walks;
  const auto visit_some = [&](const Plan& plan, const Box& box) {
    if (walks.next()) visit(plan, box);
  };
  for_each_walk_in_runs<Lane>(visit_some);
  for_each_walk_in_rows(visit_some);
}

/// Whole numbers from -most to most, the same every time.
class Integers {
 public:
  explicit Integers(int most, unsigned seed = 1) : engine_(seed), most_(static_cast<unsigned>(most)) {}
  int operator()() { return static_cast<int>(engine_() % (2 * most_ + 1)) - static_cast<int>(most_); }

 private:
  std::mt19937 engine_;
  unsigned most_;
};

/// Numbers of mean 0 and variance 1, near enough to normal, that fill all their digits; the same every time.
class Uneven {
 public:
  explicit Uneven(unsigned seed = 1) : engine_(seed) {}
  double operator()() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(engine_()) * 0x1p-32;
    return sum;
  }

 private:
  std::mt19937 engine_;
};

/// A number as memory of type T holds it.
template <typename T, typename Number>
T value_of(Number number) {
  return static_cast<T>(static_cast<tensornorm::detail::LaneOf<T>>(number));
}
template <typename T>
double number_of(T value) {
  return static_cast<double>(value);
}

}  // namespace tn_test
