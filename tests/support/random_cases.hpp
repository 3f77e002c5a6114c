// Random cases that a number names: shape, layout, values and layer all follow from a seed, so that what failed once is
// run again by naming it.
//
//   TENSORNORM_SEED=1234                         that case only, of every property that is run
//   TENSORNORM_CASES=200000                      so many cases a property
//   TENSORNORM_SEED=7000 TENSORNORM_CASES=1000   seeds 7000 to 7999
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <utility>
#include <vector>

#include "support/hard_cases.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"

namespace tn_test {

struct Seeds {
  std::uint64_t first, count;
};

inline Seeds seeds_to_run(std::uint64_t usual) {
  const auto number = [](const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : static_cast<std::uint64_t>(std::stoull(text));
  };
  const bool one = std::getenv("TENSORNORM_SEED") != nullptr;
  return {number("TENSORNORM_SEED", 1), number("TENSORNORM_CASES", one ? 1 : usual)};
}

/// An (N, C, H, W) and where its channels are moved to.
struct Layout {
  Dims shape;  // (N, C, H, W)
  int axis;    // of the channels, 0 to 3
  Dims dims = with_channels_at(shape, axis);

  Index channels() const { return shape[1]; }
  Index per_channel() const { return size_of(shape) / channels(); }
};

/// Most tensors are small; one in 32 has many rows, many channels or long planes, one in 512 more lanes than a block or
/// as many values a channel, one in 512 more values than a chunk of work.
inline Layout random_layout(Random& random) {
  Dims shape{1 + random.below(5), 1 + random.below(9), 1 + random.below(5), 1 + random.below(9)};
  Index& extent = shape[std::array<std::size_t, 3>{0, 1, 3}[static_cast<std::size_t>(random.below(3))]];
  const Index size = random.below(4096);
  if (size < 8) {
    extent = 70000 / (size_of(shape) / extent) + random.below(9);
  } else if (size < 16) {
    extent = 513 + random.below(600);
  } else if (size < 144) {
    extent *= 20;
  }
  if (shape[0] * shape[2] * shape[3] < 2) shape[0] = 2;
  return {shape, static_cast<int>(random.below(4))};
}

/// A number that goes with a name, the same everywhere (FNV-1a).
inline std::uint64_t number_of(const std::string& name) {
  std::uint64_t number = 14695981039346656037U;
  for (const char letter : name) number = (number ^ static_cast<unsigned char>(letter)) * 1099511628211U;
  return number;
}

/// body(Constant<Order>, layout, random) over 10 000 random cases, or those that the environment asks for: others for
/// every property.
template <typename Body>
void for_each_random_case(Body body) {
  constexpr std::uint64_t usual = 10000;
  const Seeds seeds = seeds_to_run(usual);
  const char* const property = doctest::getContextOptions()->currentTest->m_name;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    Random random(seed ^ number_of(property));
    const Layout layout = random_layout(random);
    const bool row_major = random.below(2) == 0;
    INFO("TENSORNORM_SEED=" << seed << " tensornorm_tests -tc=\"" << property << "\"  # "
                            << to_text(layout.dims, layout.axis, row_major ? Eigen::RowMajor : Eigen::ColMajor, seed));
    if (row_major) {
      body(Constant<Eigen::RowMajor>{}, layout, random);
    } else {
      body(Constant<Eigen::ColMajor>{}, layout, random);
    }
  }
}

/// A layer with random parameters, statistics and momentum.
template <typename Scalar = float>
tensornorm::BatchNorm2d<Scalar> random_layer(Random& random, const Layout& layout, double eps = 1e-5) {
  tensornorm::BatchNormOptions options = on_axis(layout.axis);
  options.eps = eps;
  options.momentum = random.uniform();
  tensornorm::BatchNorm2d<Scalar> bn(layout.channels(), options);
  randomise_parameters(random, bn);
  return bn;
}

/// Where in memory a channel's values lie, counted from x.data(), in logical order; for every channel.
using Places = std::vector<std::vector<Index>>;

template <typename X>
Places places_of_channels(const X& x, const Layout& layout) {
  Places places(static_cast<std::size_t>(layout.channels()));
  for_each_index(layout.dims, [&](const Dims& at, std::size_t) {
    places[static_cast<std::size_t>(at[static_cast<std::size_t>(layout.axis)])].push_back(&element(x, at) - x.data());
  });
  return places;
}

/// A tensor whose k-th value of channel c is what x holds at from(c, k).
template <typename X, typename From>
X rearranged(const X& x, const Places& places, From from) {
  X out = x;
  for (std::size_t c = 0; c < places.size(); ++c) {
    for (std::size_t k = 0; k < places[c].size(); ++k) out.data()[places[c][k]] = x.data()[from(c, k)];
  }
  return out;
}

/// 0, 1, ..., count - 1, shuffled.
inline std::vector<std::size_t> shuffled(Random& random, Index count) {
  std::vector<std::size_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<std::size_t>(random.below(static_cast<Index>(i)))]);
  }
  return order;
}

}  // namespace tn_test
