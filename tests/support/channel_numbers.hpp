// The numbers that channels are mapped with, one channel at a time.
#pragma once

#include <doctest/doctest.h>

#include <tensornorm/detail/block_map.hpp>

namespace tn_test {

using tensornorm::detail::ChannelNumbers;
using tensornorm::detail::Index;
using tensornorm::detail::Packet;

/// As ChannelNumbers, of one channel.
struct NumbersOfOne {
  double mean, scale, shift, slope = 0, reach = 0;
};

inline Index lanes_of(tensornorm::detail::Whole) { return tensornorm::detail::width<double>; }
inline Index lanes_of(tensornorm::detail::Part part) { return part.count; }

/// numbers(c, extent), as BlockMap wants it, of a function that gives a channel's: which is called for no channel
/// outside the extent.
template <typename OfChannel>
auto in_packets(const OfChannel& of_channel) {
  return [of_channel](Index c, auto extent) {
    constexpr auto W = static_cast<std::size_t>(tensornorm::detail::width<double>);
    double mean[W] = {}, scale[W] = {}, shift[W] = {}, slope[W] = {}, reach[W] = {};
    for (Index lane = 0; lane < lanes_of(extent); ++lane) {
      const NumbersOfOne numbers = of_channel(c + lane);
      mean[lane] = numbers.mean, scale[lane] = numbers.scale;
      shift[lane] = numbers.shift, slope[lane] = numbers.slope, reach[lane] = numbers.reach;
    }
    using tensornorm::detail::load;
    return ChannelNumbers{load<double>(mean), load<double>(scale), load<double>(shift), load<double>(slope),
                          load<double>(reach)};
  };
}

/// That numbers(c, extent), asked for packets and for what is left of one, are exact(c), but for roundings of products.
template <typename Numbers, typename Exact>
void check_numbers(const Numbers& numbers, Index channels, const Exact& exact) {
  constexpr Index W = tensornorm::detail::width<double>;
  for (Index c = 0; c < channels; c += W) {
    const Index lanes = std::min(W, channels - c);
    const ChannelNumbers some =
        lanes == W ? numbers(c, tensornorm::detail::Whole{}) : numbers(c, tensornorm::detail::Part{lanes});
    for (Index lane = 0; lane < lanes; ++lane) {
      const NumbersOfOne of = exact(static_cast<std::size_t>(c + lane));
      CHECK(some.mean[lane] == of.mean);
      CHECK(some.scale[lane] == doctest::Approx(of.scale).epsilon(1e-15));
      CHECK(some.shift[lane] == doctest::Approx(of.shift).epsilon(1e-15));
      CHECK(some.slope[lane] == doctest::Approx(of.slope).epsilon(1e-15));
      CHECK(some.reach[lane] == doctest::Approx(of.reach).epsilon(1e-15));
    }
  }
}

/// The map of a block of channels with these numbers.
template <typename F, typename Lane, typename OfChannel>
auto block_map(const F& f, Index first, Index count, const OfChannel& of_channel) {
  const auto numbers = in_packets(of_channel);
  return tensornorm::detail::BlockMap<F, Lane, std::decay_t<decltype(numbers)>>(f, numbers, first, count);
}

/// Whether float lanes can compute a channel of these numbers, by what an operation F says.
template <typename F>
bool fits(const NumbersOfOne& numbers) {
  const auto all = [](double number) { return Packet<double>::all(number); };
  return tensornorm::detail::all_of(
      F::fits({all(numbers.mean), all(numbers.scale), all(numbers.shift), all(numbers.slope), all(numbers.reach)}));
}

}  // namespace tn_test
