// Eigen's matrices, arrays, vectors, maps, refs and blocks as (N, C) inputs and outputs of BatchNorm1d.
#include <doctest/doctest.h>

#include <stdexcept>
#include <tensornorm/tensornorm.hpp>
#include <type_traits>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/layouts.hpp"
#include "support/random.hpp"
#include "support/random_layer.hpp"
#include "support/reference.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using namespace tn_test;
using Eigen::Dynamic;
using Eigen::MatrixXf;
using RowMatrix = Eigen::Matrix<float, Dynamic, Dynamic, Eigen::RowMajor>;
using RowArray = Eigen::Array<float, Dynamic, Dynamic, Eigen::RowMajor>;
using Bn = tn::BatchNorm1d<>;

namespace {

/// Training, eval and backward of `in` against the reference, and against the bits of the plain matrix it stands for.
template <typename In>
void check_input(const In& in, int channel_axis = 1) {
  using Plain = typename In::PlainObject;
  const Plain x = in;
  const NdArray exact = logical(x);
  Bn bn = random_layer<Bn>(exact.dims[resolve_axis(channel_axis, exact.dims)], on_axis(channel_axis)), expected = bn;
  if (x.size() == bn.num_features()) {  // one value a channel
    bn.eval();
    expected.eval();
  }
  const Statistics statistics = bn.is_training() ? Statistics::kBatch : Statistics::kRunning;
  const Plain y = bn(in);
  CHECK(output_error(bn, exact, y, statistics) <= 1);
  CHECK(same_bits(y, expected(x)));
  const Plain dx = bn.backward(in, in);
  CHECK(gradient_error(bn, exact, exact, dx, statistics) <= 1);
  CHECK(same_bits(dx, expected.backward(x, x)));
  const Bn& shared = bn.eval();
  CHECK(output_error(bn, exact, Plain(shared(in)), Statistics::kRunning) <= 1);
}

/// forward of a plain x into `out`, an in and out of one storage order.
template <typename X, typename Out>
void check_output(const X& x, Out&& out) {
  Bn bn = random_layer<Bn>(x.cols()), expected = bn;
  const X wanted = expected(x);
  bn.forward(x, out);
  CHECK((out.derived().matrix().array() == wanted.matrix().array()).all());
  CHECK(Snapshot(bn) == Snapshot(expected));
}

template <typename X = MatrixXf>
X filled(Index rows, Index cols) {
  Random random(4);
  return normal<X>(random, {rows, cols}, 2, 3);
}

}  // namespace

TEST_CASE_TEMPLATE("matrices and arrays of either order are (N, C) inputs, on either axis", X, MatrixXf, RowMatrix,
                   Eigen::ArrayXXf, RowArray) {
  for (const int axis : {1, 0, -1, -2}) {
    for (const Dims& dims : {Dims{8, 3}, Dims{3, 8}, Dims{100, 2}, Dims{2, 67}, Dims{33, 33}}) {
      INFO(to_text(dims) << " axis " << axis);
      check_input(filled<X>(dims[0], dims[1]), axis);
    }
  }
}

TEST_CASE_TEMPLATE("double matrices", X, Eigen::MatrixXd, Eigen::ArrayXXd) {
  Random random(5);
  const X x = normal<X>(random, {9, 4}, 1, 2);
  tn::BatchNorm1d<double> bn(4);
  CHECK(output_error(bn, logical(x), bn(x), Statistics::kBatch) <= 1);
}

TEST_CASE("matrices and tensors of the same memory give the same bits") {
  for (const Dims& dims : {Dims{8, 3}, Dims{100, 5}, Dims{2, 67}}) {
    const MatrixXf col = filled(dims[0], dims[1]);
    const RowMatrix row = col;
    const Eigen::TensorMap<const Tensor<float, 2, Eigen::ColMajor>> col_tensor(col.data(), dims[0], dims[1]);
    const Eigen::TensorMap<const Tensor<float, 2, Eigen::RowMajor>> row_tensor(row.data(), dims[0], dims[1]);
    Bn a = random_layer<Bn>(dims[1]), b = a, c = a, d = a;
    CHECK(same_bits(a(col), b(col_tensor)));
    CHECK(same_bits(c(row), d(row_tensor)));
    CHECK(Snapshot(a) == Snapshot(b));
    CHECK(Snapshot(c) == Snapshot(d));
  }
}

TEST_CASE("fixed sizes and vectors") {
  check_input(Eigen::Matrix<float, 8, 3>(filled(8, 3)));
  check_input(Eigen::Matrix<float, 8, 3, Eigen::RowMajor>(filled(8, 3)));
  check_input(Eigen::Matrix<float, Dynamic, 3>(filled(8, 3)));
  check_input(Eigen::Array<float, 2, 5>(filled(2, 5)));
  check_input(Eigen::VectorXf(filled(9, 1)));
  check_input(Eigen::Vector4f(filled(4, 1)));
  check_input(Eigen::VectorXf(filled(9, 1)), 0);
  check_input(Eigen::RowVectorXf(filled(1, 9)));
  check_input(Eigen::RowVectorXf(filled(1, 9)), 0);
  check_input(Eigen::ArrayXf(filled(9, 1)));
}

TEST_CASE("maps and refs, contiguous or not") {
  MatrixXf m = filled(10, 6);
  RowMatrix r = m;
  check_input(Eigen::Map<MatrixXf>(m.data(), 20, 3));
  check_input(Eigen::Map<const MatrixXf>(m.data(), 20, 3));
  check_input(Eigen::Map<const RowMatrix>(m.data() + 1, 19, 3));  // misaligned
  check_input(Eigen::Map<const Eigen::ArrayXXf>(m.data(), 4, 15));
  check_input(Eigen::Map<Eigen::Matrix<float, 4, 3>>(m.data()));
  check_input(Eigen::Ref<MatrixXf>(m));
  check_input(Eigen::Ref<const MatrixXf>(m));
  check_input(Eigen::Ref<const RowMatrix>(r));
  check_input(Eigen::Ref<MatrixXf>(m.topRows(7)));
  check_input(Eigen::Ref<const MatrixXf>(m.block(1, 2, 6, 3)));
  check_input(Eigen::Ref<RowMatrix>(r.leftCols(4)));
  using Outer = Eigen::OuterStride<>;
  using Any = Eigen::Stride<Dynamic, Dynamic>;
  check_input(Eigen::Map<const MatrixXf, 0, Outer>(m.data(), 5, 4, Outer(7)));
  check_input(Eigen::Map<const MatrixXf, 0, Any>(m.data(), 3, 2, Any(20, 2)));
  check_input(Eigen::Map<const MatrixXf, 0, Any>(m.data(), 4, 1, Any(9, 3)));
  check_input(Eigen::Ref<const Eigen::VectorXf, 0, Eigen::InnerStride<>>(r.col(2)));
}

TEST_CASE("blocks and expressions are evaluated where they must be") {
  const MatrixXf m = filled(10, 6);
  const RowMatrix r = m;
  check_input(m.topRows(6));
  check_input(m.leftCols(3));
  check_input(m.block(2, 1, 5, 4));
  check_input(m.bottomRows<4>());
  check_input(r.topRows(6));
  check_input(r.rightCols(2));
  check_input(m.col(2));
  check_input(r.col(2));
  check_input(m.transpose());
  check_input(r.array());
  check_input(m.array().matrix());
  check_input((2.f * m).eval());
  check_input(m(Eigen::seqN(0, 4, 2), Eigen::all));
  check_input(m(Eigen::seq(1, Eigen::last, Eigen::fix<2>), Eigen::seqN(1, 3)));
  check_input(r(Eigen::all, Eigen::seqN(0, 3, 2)));
  check_input(m(std::vector<int>{7, 1, 3}, Eigen::all));
  check_input(static_cast<const Eigen::MatrixBase<MatrixXf>&>(m));
  check_input(static_cast<const Eigen::ArrayBase<Eigen::ArrayXXf>&>(Eigen::ArrayXXf(m)));
  Bn bn = random_layer<Bn>(6), expected = bn;
  CHECK(same_bits(MatrixXf(bn(m.nestByValue())), expected(m)));
  CHECK(same_bits(MatrixXf(bn(2.f * m + MatrixXf::Ones(10, 6))), expected(MatrixXf(2.f * m + MatrixXf::Ones(10, 6)))));
  CHECK(same_bits(MatrixXf(bn((m * m.transpose()).leftCols(6))), expected(MatrixXf((m * m.transpose()).leftCols(6)))));
}

TEST_CASE("forward(x) returns x's own plain type") {
  Bn* bn = nullptr;
  using Fixed = Eigen::Matrix<float, 8, 3>;
  const auto returns = [&](auto x, auto plain) {
    return std::is_same_v<decltype(bn->forward(x)), decltype(plain)> &&
           std::is_same_v<decltype((*bn)(x)), decltype(plain)> &&
           std::is_same_v<decltype(bn->backward(x, x)), decltype(plain)> &&
           std::is_same_v<decltype(static_cast<const Bn*>(bn)->forward(x)), decltype(plain)>;
  };
  MatrixXf m = filled(8, 3);
  CHECK(returns(m, MatrixXf()));
  CHECK(returns(RowMatrix(), RowMatrix()));
  CHECK(returns(Eigen::ArrayXXf(), Eigen::ArrayXXf()));
  CHECK(returns(Fixed(), Fixed()));
  CHECK(returns(Eigen::VectorXf(), Eigen::VectorXf()));
  CHECK(returns(Eigen::RowVectorXf(), Eigen::RowVectorXf()));
  CHECK(returns(Eigen::Map<MatrixXf>(m.data(), 8, 3), MatrixXf()));
  CHECK(returns(Eigen::Map<const Eigen::ArrayXXf>(m.data(), 8, 3), Eigen::ArrayXXf()));
  CHECK(returns(Eigen::Map<const Fixed>(m.data()), Fixed()));
  CHECK(returns(Eigen::Ref<const MatrixXf>(m), MatrixXf()));
  static_assert(std::is_same_v<decltype(bn->forward(m.topRows(4))), MatrixXf>);
  static_assert(std::is_same_v<decltype(bn->forward(2.f * m)), MatrixXf>);
}

TEST_CASE("outputs: matrices, arrays, maps, refs, contiguous blocks, empty and resized, in place") {
  const MatrixXf x = filled(8, 3);
  const RowMatrix r = x;
  MatrixXf same(8, 3), empty, wide = MatrixXf::Zero(8, 7);
  Eigen::ArrayXXf array(8, 3);
  Eigen::Matrix<float, 8, 3> fixed;
  RowMatrix tall = RowMatrix::Zero(20, 3), row_empty;
  std::vector<float> memory(40);
  check_output(x, same);
  check_output(x, empty);
  check_output(x, array);
  check_output(x, fixed);
  check_output(r, row_empty);
  check_output(x, Eigen::Map<MatrixXf>(memory.data() + 3, 8, 3));
  check_output(r, Eigen::Map<RowMatrix>(memory.data() + 5, 8, 3));
  check_output(x, Eigen::Ref<MatrixXf>(same));
  check_output(x, wide.middleCols(2, 3));  // whole columns of a ColMajor matrix lie in one piece
  check_output(r, tall.middleRows(5, 8));
  CHECK(wide.leftCols(2).isZero(0));
  CHECK(wide.rightCols(2).isZero(0));
  CHECK(tall.topRows(5).isZero(0));
  CHECK(tall.bottomRows(7).isZero(0));
  CHECK(dims_of(empty) == Dims{8, 3});
  CHECK(dims_of(row_empty) == Dims{8, 3});

  Bn bn = random_layer<Bn>(3), expected = bn;
  MatrixXf in_place = x;
  bn.forward(in_place, in_place);
  CHECK(same_bits(in_place, expected(x)));
  Eigen::VectorXf v = filled(9, 1), w;
  Bn one = random_layer<Bn>(1), other = one;
  one.forward(v, w);
  CHECK(same_bits(w, other(v)));
  const RowMatrix table = filled<RowMatrix>(9, 4);
  one.forward(table.col(2), w);  // a vector has no storage order
  CHECK(same_bits(w, other(Eigen::VectorXf(table.col(2)))));
}

TEST_CASE("an output that does not lie in one piece throws and keeps its bytes") {
  const MatrixXf x = filled(8, 3);
  const RowMatrix r = x;
  MatrixXf tall = filled(10, 3), big = filled(20, 20);
  RowMatrix wide = filled<RowMatrix>(8, 5);
  for (const bool training : {true, false}) {
    Bn bn = random_layer<Bn>(3);
    bn(x);
    bn.train(training);
    const auto throws = [&](const auto& in, auto&& out, const auto& whole) {
      check_throws_untouched<std::invalid_argument>(bn, whole, {"y", "contiguous"}, [&] { bn.forward(in, out); });
      check_throws_untouched<std::invalid_argument>(bn, whole, {"dx", "contiguous"}, [&] { bn.backward(in, in, out); });
    };
    throws(x, tall.topRows(8), tall);
    throws(x, big.block(1, 2, 8, 3), big);
    throws(r, wide.leftCols(3), wide);
    throws(x, Eigen::Ref<MatrixXf>(tall.topRows(8)), tall);
    using Outer = Eigen::OuterStride<>;
    throws(x, Eigen::Map<MatrixXf, 0, Outer>(big.data(), 8, 3, Outer(9)), big);
    using Any = Eigen::Stride<Dynamic, Dynamic>;
    throws(x, Eigen::Map<MatrixXf, 0, Any>(big.data(), 8, 3, Any(16, 2)), big);
  }
}

TEST_CASE("maps of a fixed size that is too large for Eigen's own matrices") {
  using Fixed = Eigen::Matrix<float, 1024, 64>;
  const MatrixXf x = filled(1024, 64);
  MatrixXf y(1024, 64);
  tn::BatchNorm1d<float> bn(64);
  bn.forward(Eigen::Map<const Fixed>(x.data()), Eigen::Map<Fixed>(y.data()));
  CHECK(y == tn::BatchNorm1d<float>(64)(x));
}

TEST_CASE("an empty output of another fixed size is refused, not cut") {
  tn::BatchNorm1d<> bn(4);
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(5, 4);
  Eigen::Matrix<float, Eigen::Dynamic, 3> narrow;
  CHECK_THROWS_WITH_AS(bn.forward(x, narrow), "y should have the shape [5, 4] of the input, not [0, 3]",
                       std::invalid_argument);
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor, 2, 4> bounded;
  CHECK_THROWS_AS(bn.forward(x, bounded), std::invalid_argument);
  CHECK(bn.num_batches_tracked() == 0);
  Eigen::Matrix<float, Eigen::Dynamic, 4> fitting;
  bn.forward(x, fitting);
  CHECK(fitting.rows() == 5);
}

TEST_CASE("matrix types: what is contiguous, and what only looks as if it were not") {
  using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  using Strided = Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Strides>;
  float values[32] = {};
  const auto contiguous = [&](Eigen::Index rows, Eigen::Index cols, Eigen::Index outer, Eigen::Index inner) {
    return tensornorm::detail::is_contiguous(Strided(values, rows, cols, Strides(outer, inner)));
  };
  CHECK(contiguous(5, 3, 3, 1));
  CHECK(contiguous(5, 1, 1, 3));  // no two values in a row are three apart
  CHECK(contiguous(1, 3, 9, 1));  // there is no second row
  CHECK_FALSE(contiguous(5, 2, 2, 3));
  CHECK_FALSE(contiguous(5, 3, 4, 1));
}
