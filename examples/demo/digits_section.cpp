// UCI digits: 1797 pictures of 8 x 8 pixels. The numbers do not depend on how a tensor lies in memory, nor on how many
// threads work on it.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "demo/csv.hpp"
#include "demo/sections.hpp"

namespace demo {
namespace {

using Nchw = Eigen::Tensor<float, 4, Eigen::RowMajor>;

/// What a training pass leaves: the output and the running statistics.
struct Result {
  Nchw y;
  Eigen::VectorXf statistics;  // running means, then running variances
};

/// The pictures as (1797, channels, height, width), the 64 pixels of each in the order of the file.
Nchw load_digits(const std::filesystem::path& data, Eigen::Index channels, Eigen::Index height, Eigen::Index width) {
  const CsvTable table = read_csv(data / "digits.csv");
  const Eigen::Index pixels = channels * height * width;
  Nchw x(table.values.rows(), channels, height, width);
  for (Eigen::Index row = 0; row < table.values.rows(); ++row)
    for (Eigen::Index pixel = 0; pixel < pixels; ++pixel)
      x.data()[row * pixels + pixel] = static_cast<float>(table.values(row, pixel));
  return x;
}

Eigen::VectorXf statistics(const tensornorm::BatchNorm2d<float>& bn) {
  Eigen::VectorXf both(2 * bn.num_features());
  both << bn.running_mean(), bn.running_var();
  return both;
}

Result row_major(const Nchw& x) {
  tensornorm::BatchNorm2d<float> bn(x.dimension(1));
  Nchw y = bn(x);
  return {y, statistics(bn)};
}

/// Calls visit(n, c, h, w) for every element of x.
template <typename Visit>
void each_index(const Nchw& x, const Visit& visit) {
  for (Eigen::Index n = 0; n < x.dimension(0); ++n)
    for (Eigen::Index c = 0; c < x.dimension(1); ++c)
      for (Eigen::Index h = 0; h < x.dimension(2); ++h)
        for (Eigen::Index w = 0; w < x.dimension(3); ++w) visit(n, c, h, w);
}

Result col_major(const Nchw& x) {
  tensornorm::BatchNorm2d<float> bn(x.dimension(1));
  Eigen::Tensor<float, 4> same(x.dimensions());  // Eigen's default order: the first index varies fastest
  each_index(x, [&](auto... index) { same(index...) = x(index...); });
  const Eigen::Tensor<float, 4> out = bn(same);
  Nchw y(x.dimensions());
  each_index(x, [&](auto... index) { y(index...) = out(index...); });
  return {y, statistics(bn)};
}

Result channels_last(const Nchw& x) {
  tensornorm::BatchNormOptions options;
  options.channel_axis = -1;
  tensornorm::BatchNorm2d<float> bn(x.dimension(1), options);
  Nchw nhwc(x.dimension(0), x.dimension(2), x.dimension(3), x.dimension(1));
  each_index(x, [&](auto n, auto c, auto h, auto w) { nhwc(n, h, w, c) = x(n, c, h, w); });
  const Nchw out = bn(nhwc);
  Nchw y(x.dimensions());
  each_index(x, [&](auto n, auto c, auto h, auto w) { y(n, c, h, w) = out(n, h, w, c); });
  return {y, statistics(bn)};
}

Result two_threads(const Nchw& x) {
  constexpr int threads = 2;
  Eigen::ThreadPool pool(threads);
  const Eigen::ThreadPoolDevice device(&pool, threads);
  tensornorm::BatchNorm2d<float> bn(x.dimension(1));
  Nchw y(x.dimensions());
  bn.forward(device, x, y);
  return {y, statistics(bn)};
}

/// The definition, in double, with plain loops and the running update by its formula (no library code).
Result by_hand(const Nchw& x) {
  constexpr double eps = 1e-5, momentum = 0.1;
  const Eigen::Index batch = x.dimension(0), channels = x.dimension(1), pixels = x.dimension(2) * x.dimension(3);
  const auto n = static_cast<double>(batch * pixels);
  Result result{Nchw(x.dimensions()), Eigen::VectorXf(2 * channels)};
  for (Eigen::Index c = 0; c < channels; ++c) {
    const auto each = [&](auto f) {
      for (Eigen::Index image = 0; image < batch; ++image)
        for (Eigen::Index pixel = 0; pixel < pixels; ++pixel) f((image * channels + c) * pixels + pixel);
    };
    double sum = 0, squares = 0;
    each([&](Eigen::Index i) { sum += static_cast<double>(x.data()[i]); });
    const double mean = sum / n;
    each([&](Eigen::Index i) { squares += std::pow(static_cast<double>(x.data()[i]) - mean, 2); });
    const double scale = 1 / std::sqrt(squares / n + eps);
    each([&](Eigen::Index i) {
      result.y.data()[i] = static_cast<float>((static_cast<double>(x.data()[i]) - mean) * scale);
    });
    result.statistics(c) = static_cast<float>(momentum * mean);
    result.statistics(channels + c) = static_cast<float>((1 - momentum) + momentum * squares / (n - 1));
  }
  return result;
}

struct Difference {
  double largest = 0;      // |a - b|
  double ulps = 0;         // |a - b| in units of float's precision at max(1, |b|)
  bool same_bits = false;  // of all a and b
};

Difference compare(const float* a, const float* b, Eigen::Index size) {
  Difference found;
  found.same_bits = std::memcmp(a, b, static_cast<std::size_t>(size) * sizeof(float)) == 0;
  for (Eigen::Index i = 0; i < size; ++i) {
    const double expected = static_cast<double>(b[i]);
    double difference = std::abs(static_cast<double>(a[i]) - expected);
    if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
    const double unit = static_cast<double>(std::numeric_limits<float>::epsilon()) * std::max(1.0, std::abs(expected));
    found.largest = std::max(found.largest, difference);
    found.ulps = std::max(found.ulps, difference / unit);
  }
  return found;
}

/// One line: the largest differences to `expected`; PASS if none exceeds `ulps`.
void check_same(Report& report, const std::string& name, const Result& result, const Result& expected, double ulps) {
  const Difference y = compare(result.y.data(), expected.y.data(), expected.y.size());
  const Difference stats = compare(result.statistics.data(), expected.statistics.data(), expected.statistics.size());
  const auto column = [](const Difference& d) {
    return d.same_bits ? right("the same bits", 23) : scientific(d.largest, 12) + fixed(d.ulps, 1, 7) + " ulp";
  };
  report.check(y.ulps <= ulps && stats.ulps <= ulps, left(name, 40) + column(y) + column(stats));
}

void one_shape(Report& report, const Nchw& x, const std::string& meaning) {
  constexpr double few_ulps = 4;
  const Result expected = row_major(x);
  std::ostringstream shape;
  shape << '(' << x.dimension(0);
  for (std::size_t axis = 1; axis < 4; ++axis) shape << ", " << x.dimension(axis);
  shape << "), " << meaning;
  report.line("");
  report.line(left(shape.str(), 42) + right("largest difference: in y", 27) + right("in statistics", 23));
  check_same(report, "RowMajor, against plain loops", expected, by_hand(x), few_ulps);
  check_same(report, "ColMajor", col_major(x), expected, few_ulps);
  check_same(report, "channels last, channel_axis = -1", channels_last(x), expected, few_ulps);
  check_same(report, "thread pool, 2 threads", two_threads(x), expected, 0);
}

/// A channel without variance must come out as exactly 0, not as rounding noise times 1/sqrt(eps).
void constant_channels(Report& report, const Nchw& x) {
  const Nchw y = row_major(x).y;
  const auto channels = static_cast<std::size_t>(x.dimension(1));
  std::vector<bool> constant(channels, true), zero(channels, true);
  each_index(x, [&](auto n, auto c, auto h, auto w) {
    const auto channel = static_cast<std::size_t>(c);
    if (x(n, c, h, w) != x(0, c, 0, 0)) constant[channel] = false;
    if (y(n, c, h, w) != 0.0f) zero[channel] = false;
  });
  const auto blank = std::count(constant.begin(), constant.end(), true);
  bool all_zero = true;
  for (std::size_t c = 0; c < channels; ++c) all_zero = all_zero && (zero[c] || !constant[c]);
  report.check(blank == 3 && all_zero,
               std::to_string(blank) + " of the 64 pixels are blank in every picture: exactly 0");
}

}  // namespace

void digits_section(Report& report, const std::filesystem::path& data) {
  report.heading("UCI digits (1797 pictures of 8 x 8 pixels), a training pass");
  one_shape(report, load_digits(data, 1, 8, 8), "one channel");
  one_shape(report, load_digits(data, 8, 8, 1), "a channel a picture row");
  const Nchw pixels = load_digits(data, 64, 1, 1);
  one_shape(report, pixels, "a channel a pixel");
  constant_channels(report, pixels);
}

}  // namespace demo
