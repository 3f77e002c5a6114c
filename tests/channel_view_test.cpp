// channel_view.hpp: for every rank, storage order and axis the element (o, c, i) of a view is the one that Eigen itself
// finds at the tensor's indices.
#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tensornorm/channel_view.hpp>
#include <vector>

namespace {

using Eigen::Index;
using tensornorm::channel_view;

/// Every element of a tensor, by its indices, is where the view has (o, c, i): o and i count the axes outside and
/// inside the channels' as they lie in memory.
template <int Rank, int Order>
void check_every_axis() {
  Eigen::array<Index, Rank> sizes;
  for (std::size_t axis = 0; axis < std::size_t{Rank}; ++axis) sizes[axis] = static_cast<Index>(2 + (axis * 2) % 5);
  Eigen::Tensor<int, Rank, Order> x(sizes);
  std::iota(x.data(), x.data() + x.size(), 0);
  for (int axis = -Rank; axis < Rank; ++axis) {
    CAPTURE(axis);
    const auto channel_axis = static_cast<std::size_t>(axis < 0 ? axis + Rank : axis);
    const auto view = channel_view(x, axis);
    REQUIRE(view.data == x.data());
    REQUIRE(view.size() == x.size());
    REQUIRE(view.shape.channels == sizes[channel_axis]);
    Eigen::array<Index, Rank> at{};
    int wrong = 0;
    for (Index step = 0; step < x.size(); ++step) {
      Index slow = 0, fast = 0;  // numbers of the axes that lie outside and inside the channels' in memory
      for (std::size_t k = 0; k < std::size_t{Rank}; ++k) {
        const std::size_t a =
            Order == Eigen::RowMajor ? k : std::size_t{Rank} - 1 - k;  // from the slowest to the fastest
        const bool outside = Order == Eigen::RowMajor ? a < channel_axis : a > channel_axis;
        if (a == channel_axis) continue;
        if (outside) {
          slow = slow * sizes[a] + at[a];
        } else {
          fast = fast * sizes[a] + at[a];
        }
      }
      wrong += view.data[view.shape.offset(slow, at[channel_axis], fast)] != x(at);
      for (std::size_t a = 0; a < std::size_t{Rank} && ++at[a] == sizes[a]; ++a) at[a] = 0;
    }
    CHECK(wrong == 0);
  }
}

template <int Rank>
void check_both_orders() {
  check_every_axis<Rank, Eigen::RowMajor>();
  check_every_axis<Rank, Eigen::ColMajor>();
}

void check_shape(const tensornorm::detail::Shape& shape, Index outer, Index channels, Index inner) {
  CHECK(shape.outer == outer);
  CHECK(shape.channels == channels);
  CHECK(shape.inner == inner);
}

template <typename Call>
std::string thrown_by(Call call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("channel_view: every axis of every rank, in both orders") {
  check_both_orders<1>();
  check_both_orders<2>();
  check_both_orders<3>();
  check_both_orders<4>();
  check_both_orders<5>();
}

TEST_CASE("channel_view: the layouts that have names") {
  Eigen::Tensor<float, 4, Eigen::RowMajor> rows(2, 3, 5, 7);
  check_shape(channel_view(rows).shape, 2, 3, 35);      // NCHW
  check_shape(channel_view(rows, -1).shape, 30, 7, 1);  // NHWC
  Eigen::Tensor<float, 4> cols(2, 3, 5, 7);
  check_shape(channel_view(cols).shape, 35, 3, 2);
  check_shape(channel_view(cols, 0).shape, 105, 2, 1);
}

TEST_CASE("channel_view: matrices, arrays, vectors, maps and references") {
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows(4, 3);
  Eigen::MatrixXf cols(4, 3);
  for (Index n = 0; n < 4; ++n) {
    for (Index c = 0; c < 3; ++c) rows(n, c) = cols(n, c) = static_cast<float>(10 * n + c);
  }
  const auto in_rows = channel_view(rows), in_cols = channel_view(cols);
  for (Index n = 0; n < 4; ++n) {
    for (Index c = 0; c < 3; ++c) {
      CHECK(in_rows.data[in_rows.shape.offset(n, c, 0)] == rows(n, c));
      CHECK(in_cols.data[in_cols.shape.offset(0, c, n)] == cols(n, c));
    }
  }
  check_shape(channel_view(rows, 0).shape, 1, 4, 3);
  check_shape(channel_view(cols, 0).shape, 3, 4, 1);

  Eigen::ArrayXXd array(5, 2);
  check_shape(channel_view(array).shape, 1, 2, 5);
  Eigen::VectorXf vector(6);
  check_shape(channel_view(vector).shape, 1, 1, 6);
  Eigen::RowVectorXf row_vector(6);
  check_shape(channel_view(row_vector).shape, 1, 6, 1);
  Eigen::Map<Eigen::MatrixXf> map(cols.data(), 6, 2);
  CHECK(channel_view(map).data == cols.data());
  check_shape(channel_view(map).shape, 1, 2, 6);
  Eigen::Ref<Eigen::MatrixXf> ref(cols);
  CHECK(channel_view(ref).data == cols.data());
}

TEST_CASE("channel_view: maps and fixed sizes of tensors, and what is const") {
  std::array<float, 24> memory{};
  const Eigen::TensorMap<Eigen::Tensor<float, 3, Eigen::RowMajor>> map(memory.data(), 2, 3, 4);
  check_shape(channel_view(map).shape, 2, 3, 4);
  static_assert(std::is_same_v<decltype(channel_view(map)), tensornorm::ChannelView<const float>>);
  const Eigen::TensorMap<const Eigen::Tensor<float, 3>> const_map(memory.data(), 2, 3, 4);
  static_assert(std::is_same_v<decltype(channel_view(const_map)), tensornorm::ChannelView<const float>>);
  check_shape(channel_view(const_map).shape, 4, 3, 2);
  Eigen::TensorFixedSize<double, Eigen::Sizes<2, 3, 4>, Eigen::RowMajor> fixed;
  static_assert(std::is_same_v<decltype(channel_view(fixed)), tensornorm::ChannelView<double>>);
  check_shape(channel_view(fixed, -1).shape, 6, 4, 1);
  const Eigen::Tensor<float, 2> constant(2, 3);
  static_assert(std::is_same_v<decltype(channel_view(constant)), tensornorm::ChannelView<const float>>);
}

TEST_CASE("channel_view: sizes of 0 leave the others as they are") {
  Eigen::Tensor<float, 4, Eigen::RowMajor> none(0, 3, 5, 7), no_channels(2, 0, 5, 7);
  check_shape(channel_view(none).shape, 0, 3, 35);
  check_shape(channel_view(no_channels).shape, 2, 0, 35);
  CHECK(channel_view(no_channels).size() == 0);
  // More than can be counted, but for the 0.
  constexpr Index most = Index{1} << 62;
  using Map = Eigen::TensorMap<Eigen::Tensor<float, 3, Eigen::RowMajor>>;
  for (const auto& sizes : {Eigen::array<Index, 3>{most, 3, 0}, {0, 3, most}, {most, 0, most}, {3, most, 0}}) {
    Map huge(nullptr, sizes);
    CHECK(channel_view(huge).shape.channels == sizes[1]);
    CHECK(channel_view(huge).size() == 0);
    CHECK(channel_view(huge, 0).size() == 0);
  }
}

TEST_CASE("channel_view: an axis outside the tensor") {
  Eigen::Tensor<float, 3> x(2, 3, 4);
  for (const int axis : {3, -4, 100, std::numeric_limits<int>::min()}) {
    const std::string message = thrown_by([&] { channel_view(x, axis); });
    CAPTURE(message);
    CHECK(message.find("channel_axis should be in [-3, 3)") != std::string::npos);
    CHECK(message.find(std::to_string(axis)) != std::string::npos);
  }
}

TEST_CASE("channel_view: memory with strides") {
  Eigen::MatrixXf x(4, 4);
  auto block = x.block(0, 0, 2, 3);
  CHECK(thrown_by([&] { channel_view(block); }) == "x should be contiguous");
  auto columns = x.middleCols(1, 2);
  CHECK(channel_view(columns).data == x.data() + 4);
  Eigen::Map<Eigen::VectorXf, 0, Eigen::InnerStride<2>> every_other(x.data(), 8);
  CHECK(thrown_by([&] { channel_view(every_other); }) == "x should be contiguous");
}

TEST_CASE("channel_view: more elements than an index can count") {
  float value = 0;
  const Index many = Index{1} << 40;
  Eigen::TensorMap<Eigen::Tensor<float, 3>> huge(&value, many, 3, many);
  CHECK(thrown_by([&] { channel_view(huge); }).find("more elements than its index type can count") !=
        std::string::npos);
  Eigen::TensorMap<Eigen::Tensor<float, 2, Eigen::RowMajor, int>> narrow(&value, 1 << 20, 1 << 20);
  CHECK(thrown_by([&] { channel_view(narrow); }).find("more elements") != std::string::npos);
}

TEST_CASE("channel_view: elements that an index can count, and more bytes than memory can have") {
  Eigen::TensorMap<Eigen::Tensor<float, 2>> wraps(nullptr, Index{1} << 62, 1);  // 2^64 bytes are 0 to a size_t
  CHECK(thrown_by([&] { channel_view(wraps); }).find("more bytes than memory can have") != std::string::npos);
  const auto most = static_cast<Index>(std::numeric_limits<Index>::max() / sizeof(float));
  Eigen::TensorMap<Eigen::Tensor<float, 2>> over(nullptr, most + 1, 1), fits(nullptr, most, 1);
  CHECK(thrown_by([&] { channel_view(over); }).find("more bytes") != std::string::npos);
  CHECK(channel_view(fits).size() == most);
}

TEST_CASE("view: tensors have a storage order, vectors of Eigen's have none") {
  CHECK(bool{tensornorm::detail::EigenTraits<Eigen::Tensor<float, 4>>::has_order});
  CHECK(bool{tensornorm::detail::EigenTraits<Eigen::MatrixXf>::has_order});
  CHECK_FALSE(bool{tensornorm::detail::EigenTraits<Eigen::VectorXf>::has_order});
}
