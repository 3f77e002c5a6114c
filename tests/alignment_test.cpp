// Where the data lies: every offset from an aligned address gives the same bits, and nothing around it is touched.
#include <doctest/doctest.h>

#include <algorithm>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;

using RowTensor = Tensor<float, 4, Eigen::RowMajor>;
using ColTensor = Tensor<float, 4, Eigen::ColMajor>;
using DoubleTensor = Tensor<double, 4, Eigen::RowMajor>;
using LowTensor = Tensor<Eigen::bfloat16, 4, Eigen::RowMajor>;

namespace {

/// A tensor at an offset from an aligned address, between two stretches of one value.
template <typename X>
class Placed {
 public:
  using Scalar = typename X::Scalar;
  Placed(const X& x, Index offset) : offset_(offset), size_(x.size()), memory_(x.size() + 2 * kMargin) {
    memory_.setConstant(sentinel());
    std::copy(x.data(), x.data() + size_, memory_.data() + kMargin + offset);
    dims_ = x.dimensions();
  }
  Eigen::TensorMap<X> map() { return Eigen::TensorMap<X>(memory_.data() + kMargin + offset_, dims_); }
  bool margins_are_clean() const {
    const Index first = kMargin + offset_;
    const auto untouched = [&](Index i) { return bits(memory_(i)) == bits(sentinel()); };
    for (Index i = 0; i < first; ++i) {
      if (!untouched(i)) return false;
    }
    for (Index i = first + size_; i < memory_.size(); ++i) {
      if (!untouched(i)) return false;
    }
    return true;
  }

 private:
  static constexpr Index kMargin = 64;  // a multiple of every packet, and room for the largest offset behind
  static Scalar sentinel() { return static_cast<Scalar>(-1234.5f); }
  Index offset_, size_;
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> memory_;
  typename X::Dimensions dims_;
};

/// Everything a layer does to x and dy at these offsets is bitwise what it does to the tensors themselves.
template <typename X>
void check_offsets(const Dims& dims, int axis, const std::vector<Index>& offsets) {
  using Scalar = std::conditional_t<std::is_same_v<typename X::Scalar, double>, double, float>;
  Random random(1);
  const X x = normal<X>(random, dims, 3, 2), dy = normal<X>(random, dims);
  LayerOf<Scalar, 4> prototype(dims[resolve_axis(axis, dims)], on_axis(axis));
  randomise_parameters(random, prototype);
  auto plain = prototype;
  const X y = plain(x), dx = plain.backward(x, dy), eval = plain.eval()(x);
  for (const Index offset : offsets) {
    auto bn = prototype;
    // The three tensors are out of step with each other too.
    Placed<X> in(x, offset), grad(dy, (offset * 5 + 3) % 16), out(x, (offset * 3 + 1) % 16), in_place(x, offset);
    INFO(to_text(dims) << " axis " << axis << " offset " << offset);
    bn.forward(in.map(), out.map());
    CHECK(same_bits(out.map(), y));
    bn.backward(in.map(), grad.map(), out.map());
    CHECK(same_bits(out.map(), dx));
    bn.backward(in.map(), grad.map(), grad.map());
    CHECK(same_bits(grad.map(), dx));
    bn.eval().forward(in.map(), out.map());
    CHECK(same_bits(out.map(), eval));
    bn.forward(in_place.map(), in_place.map());
    CHECK(same_bits(in_place.map(), eval));
    CHECK(same_bits(in.map(), x));
    CHECK(same_bits(bn.running_mean(), plain.running_mean()));
    CHECK(same_bits(bn.running_var(), plain.running_var()));
    const bool clean =
        in.margins_are_clean() && grad.margins_are_clean() && out.margins_are_clean() && in_place.margins_are_clean();
    CHECK(clean);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("every plane of 1 to 67 values, at offsets 0 to 15", X, RowTensor, ColTensor, DoubleTensor,
                   LowTensor) {
  for (Index size = 1; size <= 67; ++size) {
    // A few offsets a size, every offset within any sixteen sizes.
    check_offsets<X>({2, 2, 1, size}, 1, {size % 16, (size + 5) % 16, 15 - size % 16});
    check_offsets<X>({2, 1, 3, size}, -1, {size % 16, 15 - size % 16});
  }
}

TEST_CASE_TEMPLATE("every way through memory, at offsets 0 to 15", X, RowTensor, ColTensor) {
  std::vector<Index> offsets;
  for (Index offset = 0; offset < 16; ++offset) offsets.push_back(offset);
  for (const Dims& shape : small_shapes()) {
    for (const int axis : {1, -1}) check_offsets<X>(with_channels_at(shape, axis), axis, offsets);
  }
}
