// How far mean, invstd and y of float tensors are from the exact values where digits are easily lost: torch's errors,
// as accuracy.py measured them, and this library's on the same inputs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/bounds.hpp"
#include "support/nd_array.hpp"
#include "support/reference.hpp"
#include "torch/inputs.hpp"

namespace tn_test {

/// The largest over the channels: of mean and invstd in ulp of the exact value, of y as it is. In eval only y's.
struct Errors {
  double mean = 0, invstd = 0, y = 0;
};

struct AccuracyRow {
  Dims dims;                         // (N, C, H, W) or (N, C)
  std::string layout, mode, source;  // NCHW, NHWC or NC; training or eval; normal, constant or alternating
  double offset = 0, scale = 0;      // of x; in eval the running mean and deviation too
  unsigned seed = 0;
  std::uint64_t sum_of_bits = 0;  // of x
  Errors torch;

  float running_mean() const { return static_cast<float>(offset); }
  float running_var() const { return static_cast<float>(scale * scale); }
  bool eval() const { return mode == "eval"; }
  int channel_axis() const { return layout == "NHWC" ? -1 : 1; }
};

struct Accuracy {
  std::string torch;  // version, instructions, machine, day
  std::vector<AccuracyRow> rows;
};

inline Accuracy read_accuracy(const std::string& path) {
  std::ifstream file(path);
  Accuracy accuracy;
  if (!std::getline(file, accuracy.torch)) throw std::runtime_error("cannot read " + path);
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string sizes, mean, invstd, y;
    AccuracyRow row;
    line >> sizes >> row.layout >> row.mode >> row.source >> row.offset >> row.scale >> row.seed >> std::hex >>
        row.sum_of_bits >> mean >> invstd >> y;
    if (!line) throw std::runtime_error("not a row: " + text);
    row.dims = dims_from_text(sizes);
    row.torch.y = std::stod(y);
    if (!row.eval()) row.torch.mean = std::stod(mean), row.torch.invstd = std::stod(invstd);
    accuracy.rows.push_back(row);
  }
  return accuracy;
}

/// In logical order, whatever the layout.
inline std::vector<float> make_x(const AccuracyRow& row) {
  std::vector<float> x(static_cast<std::size_t>(size_of(row.dims)));
  const std::size_t in_a_row = x.size() / static_cast<std::size_t>(row.dims[0]);
  Uneven normal(row.seed);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = row.source == "normal" ? normal() : i / in_a_row % 2 == 0 ? -1 : 1;
    x[i] = static_cast<float>(row.offset + rounded(row.scale * value));
  }
  return x;
}

/// What the library computes of x, in logical order.
struct Computed {
  std::vector<double> mean, invstd;  // [C]
  std::vector<float> y;
};

inline Computed compute(const AccuracyRow& row, const std::vector<float>& x) {
  namespace functional = tensornorm::functional;
  using Map = Eigen::TensorMap<Eigen::Tensor<float, 3, Eigen::RowMajor>>;
  const Index channels = row.dims[1], inner = size_of(row.dims) / (row.dims[0] * channels);
  const bool last = row.channel_axis() == -1;
  const Index before = last ? row.dims[0] * inner : row.dims[0], after = last ? 1 : inner;
  const auto c = static_cast<std::size_t>(channels);
  const double eps = tensornorm::BatchNormOptions{}.eps;
  std::vector<float> values(x.size());  // of x, then of y, as they lie in memory
  for_each_place(row.dims, row.channel_axis(), [&](std::size_t from, std::size_t to) { values[to] = x[from]; });
  Map map(values.data(), before, channels, after);
  const tensornorm::ChannelView<float> y = tensornorm::channel_view(map);
  const tensornorm::ChannelView<const float> in{y.data, y.shape};
  const functional::Affine<float> affine{nullptr, nullptr};
  Computed computed{std::vector<double>(c), std::vector<double>(c), std::vector<float>(x.size())};
  if (row.eval()) {
    const std::vector<float> mean(c, row.running_mean()), var(c, row.running_var());
    functional::eval_forward(Eigen::DefaultDevice{}, in, mean.data(), var.data(), eps, affine, y);
  } else {
    std::vector<double> m2(c);
    functional::Scratch scratch(static_cast<std::size_t>(functional::scratch_doubles(Eigen::DefaultDevice{}, in)));
    functional::training_forward(Eigen::DefaultDevice{}, in, affine, eps, 0,
                                 {computed.mean.data(), m2.data(), computed.invstd.data()}, y, scratch);
  }
  for_each_place(row.dims, row.channel_axis(),
                 [&](std::size_t to, std::size_t from) { computed.y[to] = values[from]; });
  return computed;
}

/// The values of a channel, from those of all channels in logical order.
template <typename T>
std::vector<T> channel_of(const AccuracyRow& row, const std::vector<T>& all, std::size_t c) {
  const auto channels = static_cast<std::size_t>(row.dims[1]), rows = static_cast<std::size_t>(row.dims[0]);
  const std::size_t inner = all.size() / (rows * channels);
  std::vector<T> values;
  values.reserve(rows * inner);
  for (std::size_t n = 0; n < rows; ++n) {
    const auto run = all.begin() + static_cast<std::ptrdiff_t>((n * channels + c) * inner);
    values.insert(values.end(), run, run + static_cast<std::ptrdiff_t>(inner));
  }
  return values;
}

struct Measured {
  Errors errors;
  double of_promise = 0;  // the largest error of mean and y over what numerics_forward_test.cpp holds them to
};

/// all: the row's x, in logical order.
inline Measured measure(const AccuracyRow& row, const std::vector<float>& all) {
  constexpr long double u = unit_roundoff<float>;
  const auto eps = static_cast<long double>(tensornorm::BatchNormOptions{}.eps);
  const Computed ours = compute(row, all);
  Worst mean_error, invstd_error, y_error, of_promise;
  for (std::size_t c = 0; c < ours.mean.size(); ++c) {
    const std::vector<float> x = channel_of(row, all, c), y = channel_of(row, ours.y, c);
    long double mean = static_cast<long double>(row.running_mean()), var = static_cast<long double>(row.running_var());
    if (!row.eval()) {
      const NdArray wide{{static_cast<Index>(x.size()), 1}, std::vector<long double>(x.begin(), x.end())};
      const Moments exact = moments(wide, 1)[0];
      mean = exact.mean, var = exact.variance(0);
    }
    const long double invstd = 1 / std::sqrt(var + eps);
    if (!row.eval()) {
      const auto float_of = [](double value) { return static_cast<long double>(static_cast<float>(value)); };
      const long double error = std::abs(float_of(ours.mean[c]) - mean);
      mean_error.add(error, ulp<float>(mean));
      of_promise.add(error, 0.51L * ulp<float>(mean) + u * std::sqrt(var) / 8);
      invstd_error.add(std::abs(float_of(ours.invstd[c]) - invstd), ulp<float>(invstd));
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double exact = (static_cast<long double>(x[i]) - mean) * invstd, size = std::abs(exact);
      const long double error = std::abs(static_cast<long double>(y[i]) - exact);
      y_error.add(error, 1);
      of_promise.add(error, row.eval() ? u * 4 * size : u * (5 * size + 0.25L) + u * u * invstd * std::abs(mean));
    }
  }
  return {{mean_error.ratio(), invstd_error.ratio(), y_error.ratio()}, of_promise.ratio()};
}

/// visit(i, measured) for every row that is wanted(row); rows of one seed, next to each other, share their x.
template <typename Wanted, typename Visit>
void for_each_measured(const std::vector<AccuracyRow>& rows, Wanted wanted, Visit visit) {
  std::vector<float> x;
  unsigned seed = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!wanted(rows[i])) continue;
    if (rows[i].seed != seed) x = make_x(rows[i]);
    seed = rows[i].seed;
    if (sum_of_bits(x) != rows[i].sum_of_bits) throw std::runtime_error("these are not the inputs of accuracy.py");
    visit(i, measure(rows[i], x));
  }
}

}  // namespace tn_test
