// options.hpp: PyTorch's defaults, and the two conventions of a momentum.
#include <doctest/doctest.h>

#include <tensornorm/options.hpp>
#include <type_traits>

using tensornorm::BatchNormOptions;
using tensornorm::momentum_from_decay;

TEST_CASE("options: the defaults are those of PyTorch") {
  const BatchNormOptions options;
  CHECK(options.eps == 1e-5);
  REQUIRE(options.momentum.has_value());
  CHECK(*options.momentum == 0.1);
  CHECK(options.affine);
  CHECK(options.track_running_stats);
  CHECK(options.channel_axis == 1);
  CHECK(options.correction == 0);
  CHECK(options.running_correction == 1);
}

TEST_CASE("options: an aggregate, its members in the documented order") {
  static_assert(std::is_aggregate_v<BatchNormOptions>);
  const BatchNormOptions options{1e-3, std::nullopt, false, false, -1, 1, 0};
  CHECK(options.eps == 1e-3);
  CHECK_FALSE(options.momentum.has_value());
  CHECK_FALSE(options.affine);
  CHECK_FALSE(options.track_running_stats);
  CHECK(options.channel_axis == -1);
  CHECK(options.correction == 1);
  CHECK(options.running_correction == 0);
#if __cplusplus >= 202002L
  const BatchNormOptions named{.eps = 1e-3, .momentum = 0.5};
  CHECK(named.eps == 1e-3);
  CHECK(named.momentum == 0.5);
  CHECK(named.affine);
#endif
}

TEST_CASE("options: a decay is what a momentum leaves") {
  static_assert(momentum_from_decay(0.75) == 0.25);
  CHECK(momentum_from_decay(0.99) == 1.0 - 0.99);
  CHECK(momentum_from_decay(1) == 0);
  CHECK(momentum_from_decay(0) == 1);
}
