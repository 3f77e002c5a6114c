// Where the data lies: every offset from an aligned address gives the same bits, and a layer reads and writes its
// tensors and nothing beside them. Each tensor lies between two pages that cannot be touched, as near either of them as
// its offset allows. What room is left is filled with NaN: a value read from there shows in a result, one written there
// is seen.
//
// Memory that nobody has written is Valgrind's to find: valgrind --error-exitcode=1 tensornorm_tests -tc="memory:*"
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <vector>

#include "support/bits.hpp"
#include "support/fenced.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;

namespace {

/// Where a tensor lies in its room.
struct Place {
  bool near_end;
  Index offset;
};

/// Room for the three tensors of a pass, all out of step with each other.
template <typename X>
class Room {
 public:
  using Scalar = typename X::Scalar;
  using Map = Eigen::TensorMap<X>;

  explicit Room(Index most) : x_(most), dy_(most), out_(most) {}

  Map put_x(const X& x, Place at) { return put(x_, x, at); }
  Map put_dy(const X& dy, Place at) { return put(dy_, dy, {at.near_end, (5 * at.offset + 3) % 16}); }
  /// Of the sizes of x, its values NaN.
  Map put_out(const X& x, Place at) {
    return Map(place(out_, x.size(), {at.near_end, (3 * at.offset + 1) % 16}), x.dimensions());
  }
  bool clean() const { return x_.clean() && dy_.clean() && out_.clean(); }

 private:
  static Scalar* place(Fenced<Scalar>& memory, Index count, Place at) {
    return at.near_end ? memory.place_near_end(count, at.offset) : memory.place_near_begin(count, at.offset);
  }
  static Map put(Fenced<Scalar>& memory, const X& values, Place at) {
    Map map(place(memory, values.size(), at), values.dimensions());
    std::copy_n(values.data(), values.size(), map.data());
    return map;
  }

  Fenced<Scalar> x_, dy_, out_;
};

/// Forward and backward of one mode, into memory of their own and in place. x has this mean, and a deviation of 2.
template <typename X>
void check_pass(Room<X>& room, const Dims& dims, int axis, bool training, double mean = 3) {
  using Scalar = std::conditional_t<std::is_same_v<typename X::Scalar, double>, double, float>;
  Random random(static_cast<std::uint64_t>(size_of(dims)));
  LayerOf<Scalar, 4> prototype(dims[resolve_axis(axis, dims)], on_axis(axis));
  randomise_parameters(random, prototype);
  prototype.train(training);
  const X x = normal<X>(random, dims, mean, 2), dy = normal<X>(random, dims);
  auto plain = prototype;
  const X y = plain(x), dx = plain.backward(x, dy);
  const Snapshot after(plain);
  int right = 0, clean = 0;
  for (const bool near_end : {false, true}) {
    for (Index offset = 0; offset < 16; ++offset) {
      const Place at{near_end, offset};
      auto bn = prototype;
      auto x_at = room.put_x(x, at), dy_at = room.put_dy(dy, at), out = room.put_out(x, at);
      bn.forward(x_at, out);
      bool same = same_bits(out, y);
      auto gradient = room.put_out(x, at);
      bn.backward(x_at, dy_at, gradient);
      same = same && same_bits(gradient, dx) && same_bits(x_at, x) && same_bits(dy_at, dy) && Snapshot(bn) == after;
      bn.backward(x_at, dy_at, dy_at);
      bn.forward(x_at, x_at);
      right += same && same_bits(dy_at, dx) && same_bits(x_at, y) ? 1 : 0;
      clean += room.clean() ? 1 : 0;
    }
  }
  INFO(to_text(dims) << " channel_axis " << axis << std::string(training ? " training" : " eval"));
  CHECK(right == 32);
  CHECK(clean == 32);
}

template <typename Scalar>
using RowMajor = Tensor<Scalar, 4, Eigen::RowMajor>;

}  // namespace

TEST_CASE_TEMPLATE("memory: sizes 1 to 67 in runs and in rows", X, RowMajor<float>, RowMajor<double>,
                   RowMajor<Eigen::half>, RowMajor<Eigen::bfloat16>) {
  Room<X> room(3 * 67);
  for (Index size = 1; size <= 67; ++size) {
    for (const bool training : {true, false}) {
      if (size > 1 || !training) check_pass(room, {1, 1, 1, size}, 1, training);  // one run
      check_pass(room, {2, size, 1, 1}, 1, training);                             // rows of that many channels
      if (size > 1 || !training) check_pass(room, {size, 3, 1, 1}, 1, training);  // that many rows, folded or not
      if (size > 4) check_pass(room, {1, 3, 1, size}, 1, training);               // a run a channel
    }
  }
}

TEST_CASE("memory: a mean so large that channels are summed again") {
  Room<RowMajor<float>> room(3 * 67);
  for (Index size = 2; size <= 67; size += 5) {
    check_pass(room, {1, 3, 1, size}, 1, true, 1e6);
    check_pass(room, {3, size, 1, 1}, 1, true, 1e6);
  }
}

TEST_CASE_TEMPLATE("memory: every way through memory", X, RowMajor<float>, RowMajor<double>, RowMajor<Eigen::half>,
                   Tensor<float, 4, Eigen::ColMajor>) {
  Room<X> room(2 * 2 * 40 * 50);  // the largest of them
  for (const Dims& shape : small_shapes()) {
    for (const int axis : {1, -1}) {
      for (const bool training : {true, false}) check_pass(room, with_channels_at(shape, axis), axis, training);
    }
  }
}

namespace {

/// Maps of the same values, one of aligned memory, the other beginning between two values.
template <typename X>
struct BetweenValues {
  X aligned;
  std::vector<char> bytes;

  explicit BetweenValues(const X& x)
      : aligned(x), bytes(static_cast<std::size_t>(x.size()) * sizeof(typename X::Scalar) + 1) {
    std::memcpy(bytes.data() + 1, x.data(), bytes.size() - 1);
  }
  Eigen::TensorMap<X> map() { return {reinterpret_cast<typename X::Scalar*>(bytes.data() + 1), aligned.dimensions()}; }
  bool same() const { return std::memcmp(bytes.data() + 1, aligned.data(), bytes.size() - 1) == 0; }
};

}  // namespace

TEST_CASE_TEMPLATE("memory: maps that begin between two values, as a file's may", T, float, double) {
  using X = Tensor<T, 4, Eigen::RowMajor>;
  Random random(1);
  const Dims in_cache{6, 64, 5, 7}, in_rows{40, 64, 1, 1};
  std::vector<Dims> cases{in_cache, in_rows};
  if (std::is_same_v<T, float>) cases.insert(cases.end(), {{16, 64, 57, 57}, {60000, 64, 1, 1}});  // beyond the caches
  for (const Dims& dims : cases) {
    X values = normal<X>(random, dims, 3, 2);
    values.chip(1, 1).setConstant(T(0.1));                                          // summed twice
    values.chip(2, 1) = values.chip(2, 1) * std::numeric_limits<T>::max() / T(20);  // wide
    BetweenValues<X> x(values), dy(normal<X>(random, dims)), y(values), dx(values);
    INFO(to_text(dims));
    for (const bool training : {true, false}) {
      tn::BatchNorm<T, 2> bn(64);
      bn.running_var()(3) = 0;
      bn.train(training);
      auto same = bn;
      same.forward(x.aligned, y.aligned);
      bn.forward(x.map(), y.map());
      CHECK(y.same());
      same.backward(x.aligned, dy.aligned, dx.aligned);
      bn.backward(x.map(), dy.map(), dx.map());
      CHECK(dx.same());
    }
  }
}
