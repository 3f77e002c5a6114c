// detail/beside.hpp: the same bits as one block after the other, in every kind of block, run, store and value, and on
// any number of threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <tensornorm/detail/backward.hpp>
#include <tensornorm/detail/beside.hpp>
#include <tensornorm/detail/statistics.hpp>
#include <vector>

#include "support/caches.hpp"
#include "support/channel_numbers.hpp"

namespace {

using namespace tensornorm::detail;
using namespace tn_test;

/// Memory whose first value lies `offset` values beyond a cache line.
template <typename T>
class Lines {
 public:
  Lines(Index size, Index offset) : values_(static_cast<std::size_t>(size + 64), T(0)) {
    const auto address = reinterpret_cast<std::uintptr_t>(values_.data());
    const auto to_line = (cache_line - address % cache_line) % cache_line / sizeof(T);
    data_ = values_.data() + to_line + offset;
  }
  T* data() { return data_; }

 private:
  std::vector<T> values_;
  T* data_;
};

struct Results {
  std::vector<double> a, b;      // [C]: mean and m2, or the sums of backward
  std::vector<unsigned char> y;  // its bytes
};

/// What a training forward of x does.
template <typename T>
struct Forward {
  explicit Forward(const Shape&) {}

  MomentsReduction<T> reduction(const T* x) const { return {x}; }
  NormalizeTraining<T> f(const T* x) const { return {{x}}; }
  static NumbersOfOne numbers(double mean, double m2) { return {mean, 1 / std::sqrt(m2), 0.25}; }
  static Index value_bytes(const Shape&) { return sizeof(T); }
};

/// What a backward of dy does, with an x of its own. Some channels are so far from 0 that they are summed again.
template <typename T>
struct Backward {
  std::vector<T> x;
  std::vector<double> mean, m2;

  explicit Backward(const Shape& shape) : m2(static_cast<std::size_t>(shape.channels), 4.0) {
    std::mt19937 random(9);
    std::normal_distribution<float> normal(0.5f, 2.0f);
    for (Index k = 0; k < shape.size(); ++k) x.push_back(static_cast<T>(normal(random)));
    for (Index c = 0; c < shape.channels; ++c) mean.push_back(c % 3 == 2 ? 1000 : 0.5);
    for (double& m : m2) m *= static_cast<double>(shape.per_channel());
  }
  GradientReduction<T> reduction(const T* dy) const { return {x.data(), dy, mean.data(), m2.data()}; }
  GradientTraining<T> f(const T* dy) const { return {x.data(), dy}; }
  static NumbersOfOne numbers(double sum_dy, double sum_dy_dev) { return {0.5, 1.5, sum_dy * 1e-3, sum_dy_dev * 1e-3}; }
  /// Of so many bytes that mapping beside is worth it.
  static Index value_bytes(const Shape& shape) { return crowded_bytes / shape.size() + 1; }
};

/// A pass over a plan, in place or not, with blocks mapped beside sums or after their own.
template <typename T, template <typename> class Pass = Forward>
struct Case {
  Plan plan;
  std::vector<T> x;
  bool streamed = false, in_place = false;
  Index offset = 0;  // of y, in values, from a cache line
  Pass<T> pass{plan.shape};

  template <bool beside, typename Device>
  Results run(const Device& device) {
    const auto channels = static_cast<std::size_t>(plan.shape.channels);
    plan.value_bytes = Pass<T>::value_bytes(plan.shape);  // the walk stays that of T
    Results of{std::vector<double>(channels), std::vector<double>(channels), {}};
    Lines<T> y(plan.shape.size(), offset);
    if (in_place) std::copy(x.begin(), x.end(), y.data());
    const T* from = in_place ? y.data() : x.data();
    const auto numbers = in_packets([&of](Index c) {
      const auto channel = static_cast<std::size_t>(c);
      return Pass<T>::numbers(of.a[channel], of.b[channel]);
    });
    const auto map = mapping(plan, pass.f(from), y.data(), Movement{streamed}, numbers);
    Scratch scratch(static_cast<std::size_t>(scratch_size(device, plan)));
    std::vector<int> finished(channels);  // each channel's by one thread
    const auto finish = [&](Index begin, Index end) {
      for (Index c = begin; c < end; ++c) ++finished[static_cast<std::size_t>(c)];
    };
    const auto reduction = pass.reduction(from);
    if constexpr (beside) {
      reduce_and_map_beside(device, plan, reduction, of.a.data(), of.b.data(), scratch, finish, map);
    } else {
      reduce_and_map(device, plan, reduction, of.a.data(), of.b.data(), scratch, finish, map);
    }
    CHECK(finished == std::vector<int>(channels, 1));
    of.y.resize(static_cast<std::size_t>(plan.shape.size()) * sizeof(T));
    std::memcpy(of.y.data(), static_cast<const void*>(y.data()), of.y.size());
    return of;
  }

  void check() {
    INFO("[" << plan.shape.outer << ", " << plan.shape.channels << ", " << plan.shape.inner << "], blocks of "
             << plan.block_channels << std::string(streamed ? ", streamed" : "")
             << std::string(in_place ? ", in place" : ""));
    const Results expected = run<false>(Eigen::DefaultDevice{});
    check_same(run<true>(Eigen::DefaultDevice{}), expected);
    if constexpr (std::is_same_v<T, float>) {  // threads share blocks, whatever is in these
      Eigen::ThreadPool pool(2);
      for (const int threads : {2, 3}) check_same(run<true>(Eigen::ThreadPoolDevice(&pool, threads)), expected);
    }
  }

 private:
  /// Bit by bit, so that NaN equals NaN.
  static void check_same(const Results& found, const Results& expected) {
    const auto same = [](const auto& a, const auto& b) {
      return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
    };
    CHECK(same(found.a, expected.a));
    CHECK(same(found.b, expected.b));
    CHECK(same(found.y, expected.y));
  }
};

template <typename T>
std::vector<T> random_values(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.5f, 2.0f);
  std::vector<T> x(static_cast<std::size_t>(shape.size()));
  for (T& value : x) value = static_cast<T>(normal(random));
  return x;
}

/// Runs of `inner` values, in blocks of so many channels and chunks of two outer indices.
template <typename T>
Plan plan_of(const Shape& shape, Index block) {
  return {shape, sizeof(T), false, 1, block, 2, shape.inner};
}

}  // namespace

/// In blocks, runs, places and stores of all kinds.
template <typename T, template <typename> class Pass>
void check_all_kinds() {
  unsigned seed = 0;
  for (const Index block : {1, 2, 3}) {
    constexpr Index W = width<LaneOf<T>>, run = long_run<T>;
    for (const Index inner : {W, 2 * W + 3, run, run + 1, run + W, 3 * run - 5, piece_values<T> + 77}) {
      const Shape shape{3, 7, inner};  // the last block is narrower, or all are alike
      for (const bool in_place : {false, true}) {
        for (const bool streamed : {false, true}) {
          for (const Index offset : {Index{0}, Index{1}, width<LaneOf<T>>}) {
            const auto x = random_values<T>(shape, ++seed);
            Case<T, Pass>{plan_of<T>(shape, block), x, streamed, in_place, offset}.check();
          }
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("beside: the bits of one block after the other", T, float, double, Eigen::half, Eigen::bfloat16) {
  check_all_kinds<T, Forward>();
}

TEST_CASE_TEMPLATE("beside: those of backward", T, float, double, Eigen::half, Eigen::bfloat16) {
  check_all_kinds<T, Backward>();
}

template <template <typename> class Pass>
void check_threads() {
  for (const Shape& shape : {Shape{1, 40, 4096}, Shape{6, 33, 1000}, Shape{2, 3, 70001}}) {
    for (const Index block : {1, 4}) {
      Case<float, Pass>{plan_of<float>(shape, block), random_values<float>(shape, 1), true}.check();
      Case<float, Pass>{plan_of<float>(shape, block), random_values<float>(shape, 2), false}.check();
    }
    Case<float, Pass>{plan_reduction(shape, 4), random_values<float>(shape, 3)}.check();
  }
}

TEST_CASE("beside: enough values for threads, in one piece a channel and in many") {
  check_threads<Forward>();
  check_threads<Backward>();
}

TEST_CASE("beside: channels that lanes of float cannot compute, that are summed again, and that are not finite") {
  const Shape shape{3, 8, 400};
  std::vector<float> x = random_values<float>(shape, 5);
  for (std::size_t at = 0; at < x.size(); ++at) {
    const std::size_t channel = at / 400 % 8;
    if (channel == 1) x[at] *= 1e38f;                // overflows in x - mean
    if (channel == 3) x[at] = 1e6f + 1e-1f * x[at];  // far from 0
    if (channel == 4) x[at] *= 1e-40f;               // 1 / deviation is no float
    if (channel == 6) x[at] = 7.0f;
  }
  x[400 * 5 + 17] = std::numeric_limits<float>::quiet_NaN();
  x[400 * 7 + 399] = std::numeric_limits<float>::infinity();
  for (const Index block : {1, 2, 4}) {
    Case<float>{plan_of<float>(shape, block), x}.check();
    Case<float>{plan_of<float>(shape, block), x, true}.check();
    Case<float>{plan_of<float>(shape, block), x, false, true}.check();
  }
}

TEST_CASE_FIXTURE(NearCaches,
                  "beside: of two inputs only where they leave the last cache, or crowd it, or L2 is large") {
  const auto gains = [](const Shape& shape, auto reduction) {
    return gains_beside<decltype(reduction)>(plan_reduction(shape, 4));
  };
  const Shape in_cache{1, 64, 56 * 56}, crowded{8, 64, 56 * 56}, beyond{32, 64, 56 * 56};
  for (const Shape& shape : {in_cache, crowded, beyond}) CHECK(gains(shape, MomentsReduction<float>{}));
  CHECK_FALSE(gains(in_cache, GradientReduction<float>{}));
  CHECK(gains(crowded, GradientReduction<float>{}));
  CHECK(gains(beyond, GradientReduction<float>{}));
  const FarCaches with_large_l2;
  CHECK(gains(in_cache, GradientReduction<float>{}));
}

TEST_CASE("beside: blocks are mapped so where runs are long, and aligned if they are streamed, or in any order") {
  alignas(cache_line) static float y[32];
  const auto goes_beside = [](const Plan& plan, float* out, bool streamed) {
    const NormalizeTraining<float> f{};
    return can_map_beside(plan, mapping(plan, f, out, Movement{streamed}, 0));
  };
  const Plan aligned = plan_of<float>({4, 6, 512}, 2), odd = plan_of<float>({4, 6, 513}, 2);
  CHECK(goes_beside(aligned, y, true));
  CHECK(goes_beside(aligned, y + 1, false));
  CHECK(goes_beside(odd, y, false));
  const bool in_any_place = width<float> == 1 || maps_in_order<float>;  // packets of one value are always aligned
  CHECK(goes_beside(aligned, y + 1, true) == in_any_place);
  CHECK(goes_beside(odd, y, true) == in_any_place);
  CHECK_FALSE(goes_beside(aligned, reinterpret_cast<float*>(reinterpret_cast<char*>(y) + 1), true));
  CHECK_FALSE(goes_beside(plan_of<float>({4, 6, 512}, 6), y, false));  // one block
  const Index most = long_run<float> - 1;                              // of short runs
  CHECK_FALSE(goes_beside(plan_of<float>({4, 6, most}, 2), y, false));
  CHECK(goes_beside(plan_of<float>({4, 6, most}, 2), y, true) == maps_in_order<float>);
  CHECK(goes_beside(plan_of<float>({4, 6, width<float>}, 2), y, true) == maps_in_order<float>);
  CHECK_FALSE(goes_beside(plan_of<float>({4, 6, width<float> - 1}, 2), y, true));
  CHECK_FALSE(goes_beside(plan_reduction({4000, 1300, 1}, 4), y, false));  // rows
  CHECK(goes_beside(plan_reduction({32, 64, 56 * 56}, 4), y, true));
  CHECK(goes_beside(plan_reduction({8, 64, 112 * 112}, 4), y, true));
}
