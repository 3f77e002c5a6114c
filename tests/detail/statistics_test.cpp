// detail/statistics.hpp: mean and m2 of boxes of every kind against two passes in long double, and of boxes merged.
#include <doctest/doctest.h>

#include <vector>

#include "support/fenced.hpp"
#include "support/moments.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;
using Eigen::bfloat16;
using Eigen::half;

constexpr Index kMost = 64000;

/// Fills a tensor, its channels of different means and deviations.
template <typename T>
class Tensors {
 public:
  Tensors() {
    Uneven uneven;
    for (Index i = 0; i < kMost; ++i) values_.push_back(uneven());
  }
  T* fill(const Shape& shape, Index offset) {
    T* const x = offset < 0 ? memory_.place_last(shape.size()) : memory_.place(shape.size(), offset);
    for_each_element(shape, whole(shape), [&](Index c, Index at) {
      const double sd = 0.5 + static_cast<double>(c % 3), mean = static_cast<double>(c % 7) * 5 - 12;
      x[at] = value_of<T>(mean + sd * values_[static_cast<std::size_t>(at)]);
    });
    return x;
  }

 private:
  Fenced<T> memory_{kMost};
  std::vector<double> values_;
};

template <typename T>
void check_all_walks() {
  Tensors<T> tensors;
  Index turn = 0;
  const auto check = [&](const Plan& plan, const Box& box) {
    if (box.per_channel() == 1) return;
    check_moments(plan, box, tensors.fill(plan.shape, turn++ % 17 - 1));
  };
  for_each_walk<LaneOf<T>>(check);
  for_each_long_walk_in_runs<T>(check);
  for (const Shape& shape : {Shape{1024, 3, 1}, Shape{1025, 40, 1}, Shape{1031, 7, 2}, Shape{300, 5, 4},
                             Shape{61, 9, 33}, Shape{2003, 17, 1}, Shape{1023, 5, 1}, Shape{9, block_lanes, 1}}) {
    for (const Index fold : {1, 2, 7, 16}) {
      if (fold * shape.channels * shape.inner <= block_lanes) check(rows_of(shape, fold), whole(shape));
    }
  }
}

}  // namespace

TEST_CASE("statistics: float") { check_all_walks<float>(); }
TEST_CASE("statistics: double") { check_all_walks<double>(); }
TEST_CASE("statistics: half") { check_all_walks<half>(); }
TEST_CASE("statistics: bfloat16") { check_all_walks<bfloat16>(); }

TEST_CASE("statistics: boxes merge into the moments of all their values, whose mean costs no digits") {
  const Shape shape{90, 5, 1};
  const Plan plan = rows_of(shape, 1);
  for (const double mean : {4.0, -1e7}) {
    const std::vector<double> x = normal_tensor<double>(shape, mean, 2);
    const std::vector<Exact> exact = reference(shape, whole(shape), x.data());
    const MomentsReduction<double> reduction{x.data()};
    for (Index split = 1; split < shape.outer; ++split) {
      Found first, second;
      reduction.box(plan, Box{0, split, 0, 5, 0, 1}, first.mean, first.m2);
      reduction.box(plan, Box{split, 90, 0, 5, 0, 1}, second.mean, second.m2);
      for (std::size_t c = 0; c < 5; ++c) {
        MomentsReduction<double>::Rest none;
        reduction.merge(split, 90 - split, none, first.mean[c], first.m2[c], second.mean[c], second.m2[c]);
      }
      reduction.complete(plan, whole(shape), first.mean);
      for (std::size_t c = 0; c < 5; ++c) CHECK(right<double>(exact[c], first.mean[c], first.m2[c]));
    }
  }
}
