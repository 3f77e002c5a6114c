// What must hold to the bit wherever the values stand: channels permuted, equal values in many places, calls repeated.
// Over random cases; support/random_cases.hpp says how to run one of them again.
#include <doctest/doctest.h>

#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/bits.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/random_cases.hpp"

namespace tn = tensornorm;
using namespace tn_test;

namespace {

template <typename T, typename Order>
void check_permuted_channels(Order, const Layout& layout, Random& random) {
  using Scalar = std::conditional_t<std::is_same_v<T, double>, double, float>;
  using X = TensorOf<T, Order>;
  using Vector = typename tn::BatchNorm2d<Scalar>::Vector;
  tn::BatchNorm2d<Scalar> bn = random_layer<Scalar>(random, layout), other = bn;
  const bool narrow = sizeof(T) == 2;
  const X x = narrow ? normal<X>(random, layout.dims, 3, 2) : ill_conditioned<X>(random, layout.dims, layout.axis);
  const X dy = normal<X>(random, layout.dims);
  const Places places = places_of_channels(x, layout);
  const std::vector<std::size_t> was = shuffled(random, layout.channels());  // channel c of the new is was[c] of x
  const auto permuted = [&](const X& tensor) {
    return rearranged(tensor, places, [&](std::size_t c, std::size_t k) { return places[was[c]][k]; });
  };
  const auto permuted_vector = [&](const Vector& v) {
    Vector out(v.size());
    for (Index c = 0; c < v.size(); ++c) out(c) = v(static_cast<Index>(was[static_cast<std::size_t>(c)]));
    return out;
  };
  other.weight() = permuted_vector(bn.weight());
  other.bias() = permuted_vector(bn.bias());
  other.running_mean() = permuted_vector(bn.running_mean());
  other.running_var() = permuted_vector(bn.running_var());
  const X other_x = permuted(x), other_dy = permuted(dy);
  for (const bool training : {true, false}) {
    bn.train(training);
    other.train(training);
    CHECK(same_bits(other(other_x), permuted(bn(x))));
    CHECK(same_bits(other.backward(other_x, other_dy), permuted(bn.backward(x, dy))));
  }
  CHECK(same_bits(other.running_mean(), permuted_vector(bn.running_mean())));
  CHECK(same_bits(other.running_var(), permuted_vector(bn.running_var())));
  CHECK(same_bits(other.weight_grad(), permuted_vector(bn.weight_grad())));
  CHECK(same_bits(other.bias_grad(), permuted_vector(bn.bias_grad())));
}

}  // namespace

TEST_CASE("property: permuting the channels permutes everything") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    switch (random.below(5)) {
      case 0:
        return check_permuted_channels<double>(order, layout, random);
      case 1:
        return check_permuted_channels<Eigen::half>(order, layout, random);
      case 2:
        return check_permuted_channels<Eigen::bfloat16>(order, layout, random);
      default:
        return check_permuted_channels<float>(order, layout, random);
    }
  });
}

TEST_CASE("property: equal values of x give equal values of y wherever they stand") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    constexpr std::size_t kValues = 5;  // each of them in many places
    X x = make<X>(layout.dims), dy = x;
    std::vector<std::size_t> which(static_cast<std::size_t>(x.size()));
    for (std::size_t i = 0; i < which.size(); ++i) {
      which[i] = static_cast<std::size_t>(random.below(kValues));
      x.data()[i] = static_cast<float>(100 + 0.1 * static_cast<double>(which[i] * which[i]));
      dy.data()[i] = static_cast<float>(0.3 * static_cast<double>(which[i]));
    }
    const Places places = places_of_channels(x, layout);
    const auto one_y_for_each_x = [&](const X& y) {
      for (const std::vector<Index>& channel : places) {
        Index first[kValues] = {-1, -1, -1, -1, -1};  // where a value was met first
        for (const Index at : channel) {
          Index& seen = first[which[static_cast<std::size_t>(at)]];
          if (seen < 0) seen = at;
          if (bits(y.data()[at]) != bits(y.data()[seen])) return false;
        }
      }
      return true;
    };
    tn::BatchNorm2d<> bn = random_layer(random, layout);
    for (const bool training : {true, false}) {
      bn.train(training);
      CHECK(one_y_for_each_x(bn(x)));
      CHECK(one_y_for_each_x(bn.backward(x, dy)));
    }
  });
}

TEST_CASE("property: repeated or in place the bits are the same") {
  for_each_random_case([](auto order, const Layout& layout, Random& random) {
    using X = TensorOf<float, decltype(order)>;
    const tn::BatchNorm2d<> prototype = random_layer(random, layout);
    const X x = ill_conditioned<X>(random, layout.dims, layout.axis), dy = normal<X>(random, layout.dims);
    tn::BatchNorm2d<> bn = prototype;
    const X y = bn(x), dx = bn.backward(x, dy);
    const int repeats = random.below(100) == 0 ? 20 : 2;
    int equal = 0;
    for (int repeat = 0; repeat < repeats; ++repeat) {
      tn::BatchNorm2d<> again = prototype;
      X in_place = x, gradient = dy;
      again.forward(in_place, in_place);
      again.backward(x, gradient, gradient);
      const bool same =
          same_bits(in_place, y) && same_bits(gradient, dx) && same_bits(again.running_mean(), bn.running_mean()) &&
          same_bits(again.running_var(), bn.running_var()) && same_bits(again.weight_grad(), bn.weight_grad()) &&
          same_bits(again.bias_grad(), bn.bias_grad());
      equal += same ? 1 : 0;
    }
    CHECK(equal == repeats);
  });
}
