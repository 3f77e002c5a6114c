// What must hold when a batch is permuted, and when it comes in parts whose statistics are merged between the halves of
// a pass. Over random cases; support/random_cases.hpp says how to run one of them again.
#include <doctest/doctest.h>

#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/hard_cases.hpp"
#include "support/random.hpp"
#include "support/random_cases.hpp"
#include "support/reference.hpp"

namespace tn = tensornorm;
namespace functional = tensornorm::functional;
using namespace tn_test;
using Eigen::VectorXf;
using tn::ChannelView;

namespace {

const Eigen::DefaultDevice kDevice;

/// What the halves of a training step hand to each other, [C] each, and the halves themselves.
struct Halves {
  std::vector<double> mean, m2, invstd, sum_dy, sum_dy_dev;
  functional::Scratch scratch;

  explicit Halves(Index channels) : mean(static_cast<std::size_t>(channels)) {
    m2 = invstd = sum_dy = sum_dy_dev = mean;
  }
  functional::BatchStatistics statistics() { return {mean.data(), m2.data(), invstd.data()}; }
  functional::GradientSums sums() { return {sum_dy.data(), sum_dy_dev.data()}; }

  void find_moments(const ChannelView<const float>& x) { functional::batch_moments(kDevice, x, statistics(), scratch); }
  /// n: values a channel.
  void find_invstd(Index n, const tn::BatchNormOptions& options) {
    const auto channels = static_cast<Index>(mean.size());
    functional::batch_invstd(0, channels, n, options.eps, options.correction, statistics());
  }
  void find_sums(const ChannelView<const float>& x, const ChannelView<const float>& dy) {
    functional::gradient_sums(kDevice, x, dy, statistics(), sums(), scratch);
  }
  void map(const ChannelView<const float>& x, const functional::Affine<float>& affine, const ChannelView<float>& y) {
    functional::normalize(kDevice, x, statistics(), affine, y);
  }
  /// n: values a channel of the whole batch.
  void map_back(const ChannelView<const float>& x, const ChannelView<const float>& dy,
                const functional::Affine<float>& affine, Index n, int correction, const ChannelView<float>& dx) {
    functional::input_gradient(kDevice, x, dy, statistics(), affine, n, correction, sums(), dx);
  }
  template <typename X, typename Layer>
  X output(const X& x, const Layer& bn) {
    X y = x;
    map(view(x, bn), affine(bn), view(y, bn));
    return y;
  }
  template <typename X, typename Layer>
  X gradient(const X& x, const X& dy, const Layer& bn) {
    X dx = x;
    const auto x_view = view(x, bn);
    map_back(x_view, view(dy, bn), affine(bn), x_view.shape.per_channel(), bn.options().correction, view(dx, bn));
    return dx;
  }

  template <typename X, typename Layer>
  static auto view(X& x, const Layer& bn) {
    return tn::channel_view(x, bn.options().channel_axis);
  }
  template <typename Layer>
  static functional::Affine<float> affine(const Layer& bn) {
    return {bn.weight().data(), bn.bias().data()};
  }
};

/// Adds what a part of a batch, of n values a channel, tells to what those before it told, of n_before.
void add_moments(Halves& all, Index n_before, const Halves& part, Index n) {
  for (std::size_t c = 0; c < all.mean.size(); ++c) {
    const tn::Moments both = tn::merge({static_cast<double>(n_before), all.mean[c], all.m2[c]},
                                       {static_cast<double>(n), part.mean[c], part.m2[c]});
    all.mean[c] = both.mean;
    all.m2[c] = both.m2;
  }
}

}  // namespace

TEST_CASE("property: permuting the batch permutes the outputs") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    const X x = ill_conditioned<X>(random, layout.dims, layout.axis), dy = normal<X>(random, layout.dims);
    const Places places = places_of_channels(x, layout);
    const std::vector<std::size_t> was = shuffled(random, layout.per_channel());
    const auto permuted = [&](const X& tensor) {
      return rearranged(tensor, places, [&](std::size_t c, std::size_t k) { return places[c][was[k]]; });
    };
    const X other_x = permuted(x), other_dy = permuted(dy);
    // The sums of the permuted batch are taken in another order: they keep their bounds, and the outputs theirs.
    auto bn = with_random_affine(recording_layer<float>(layout.channels(), layout.axis), random);
    const NdArray exact = logical(other_x);
    CHECK(output_error(bn, exact, bn(other_x), Statistics::kBatch) <= 1);
    CHECK(mean_error(bn.running_mean(), moments(exact, layout.axis)) <= 1);
    CHECK(variance_error(bn.running_var(), moments(exact, layout.axis), 1) <= 1);
    CHECK(gradient_error(bn, exact, logical(other_dy), bn.backward(other_x, other_dy), Statistics::kBatch) <= 1);
    // With the same sums every element is on its own: the same bits.
    Halves halves(layout.channels());
    halves.find_moments(Halves::view(x, bn));
    halves.find_invstd(layout.per_channel(), bn.options());
    halves.find_sums(Halves::view(x, bn), Halves::view(dy, bn));
    CHECK(same_bits(halves.output(other_x, bn), permuted(halves.output(x, bn))));
    CHECK(same_bits(halves.gradient(other_x, other_dy, bn), permuted(halves.gradient(x, dy, bn))));
    bn.eval();
    CHECK(same_bits(bn(other_x), permuted(bn(x))));
    CHECK(same_bits(bn.backward(other_x, other_dy), permuted(bn.backward(x, dy))));
  });
}

TEST_CASE("property: a batch split at any point and merged is the batch") {
  for_each_random_case([](auto, const Layout& layout, Random& random) {
    using X = Tensor<float, 3>;
    const Index rows = std::max<Index>(layout.shape[0], 2), channels = layout.channels();
    const Index inner = layout.shape[2] * layout.shape[3], row = channels * inner;
    const Dims dims{rows, channels, inner};
    const X x = ill_conditioned<X>(random, dims, 1), dy = normal<X>(random, dims);
    const NdArray exact = logical(x);
    const std::vector<Moments> exact_moments = moments(exact, 1);
    const auto part = [&](auto& tensor, Index begin, Index end) {  // of const values if the tensor is const
      using Value = std::remove_pointer_t<decltype(tensor.data())>;
      return ChannelView<Value>{tensor.data() + begin * row, {end - begin, channels, inner}};
    };
    const auto merged_at = [&](Index split) {
      Halves all(channels), rest(channels);
      all.find_moments(part(x, 0, split));
      rest.find_moments(part(x, split, rows));
      add_moments(all, split * inner, rest, (rows - split) * inner);
      return all;
    };
    const Index step = 1 + rows / 12;  // every point of a small batch
    for (Index split = 1 + random.below(step); split < rows; split += step) {
      Halves all = merged_at(split);
      VectorXf mean(channels), variance(channels);
      for (Index c = 0; c < channels; ++c) {
        const auto at = static_cast<std::size_t>(c);
        mean(c) = static_cast<float>(all.mean[at]);
        variance(c) = static_cast<float>(all.m2[at] / static_cast<double>(rows * inner));
      }
      INFO(to_text(dims) << " split at " << split);
      CHECK(mean_error(mean, exact_moments) <= 1);
      CHECK(variance_error(variance, exact_moments, 0) <= 1);
    }
    // A whole training step from the halves of both parts.
    const Index split = 1 + random.below(rows - 1);
    INFO(to_text(dims) << " split at " << split);
    auto bn = with_random_affine(tn::BatchNorm1d<>(channels), random);
    Halves all = merged_at(split), rest = all;
    all.find_invstd(rows * inner, bn.options());
    all.find_sums(part(x, 0, split), part(dy, 0, split));
    rest.find_sums(part(x, split, rows), part(dy, split, rows));
    for (Index c = 0; c < channels; ++c) {
      const auto at = static_cast<std::size_t>(c);
      all.sum_dy[at] += rest.sum_dy[at];
      all.sum_dy_dev[at] += rest.sum_dy_dev[at];
      bn.bias_grad()(c) = static_cast<float>(all.sum_dy[at]);
      bn.weight_grad()(c) = static_cast<float>(all.sum_dy_dev[at] * all.invstd[at]);
    }
    X y(rows, channels, inner), dx(rows, channels, inner);
    const auto affine = Halves::affine(bn);
    for (const auto& [begin, end] : {std::pair{Index{0}, split}, std::pair{split, rows}}) {
      all.map(part(x, begin, end), affine, part(y, begin, end));
      all.map_back(part(x, begin, end), part(dy, begin, end), affine, rows * inner, bn.options().correction,
                   part(dx, begin, end));
    }
    CHECK(output_error(bn, exact, y, Statistics::kBatch) <= 1);
    CHECK(gradient_error(bn, exact, logical(dy), dx, Statistics::kBatch) <= 1);
  });
}
