// One real layer against the least that any layer must do: read its input once and write its output once. The limit is
// the faster of two ways to copy the tensor, in the same run.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "demo/sections.hpp"

namespace demo {
namespace {

using Clock = std::chrono::steady_clock;

/// Microseconds of one call.
double time_of(const std::function<void()>& call) {
  const auto start = Clock::now();
  call();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// A copy with the stores that the library uses for tensors larger than the caches. (A program of yours is better off
/// without what is in tensornorm::detail: it may change.)
void streaming_copy(const float* from, float* to, Eigen::Index size) {
  namespace detail = tensornorm::detail;
  detail::for_each_packet_of<float>(to, size, true, [&](Eigen::Index l, auto extent) {
    detail::Streamed{}(to + l, detail::load<float>(from + l, extent), extent);
  });
  detail::fence_streams();
}

}  // namespace

void timing_section(Report& report) {
  constexpr int rounds = 31;
  constexpr Eigen::Index batch = 32, channels = 64, side = 56;  // ResNet-50, after its first pooling
  using Tensor = Eigen::Tensor<float, 4, Eigen::RowMajor>;
  Tensor x(batch, channels, side, side), y(batch, channels, side, side);
  x.setRandom();
  y.setZero();
  const std::size_t bytes = static_cast<std::size_t>(x.size()) * sizeof(float);

  tensornorm::BatchNorm2d<float> training(channels), eval(channels);
  eval.eval();
  struct Contender {
    std::string name;
    std::function<void()> call;
    std::vector<double> microseconds;
  };
  std::vector<Contender> all{
      {"memcpy of the same bytes", [&] { std::memcpy(y.data(), x.data(), bytes); }, {}},
      {"the same past the caches", [&] { streaming_copy(x.data(), y.data(), x.size()); }, {}},
      {"training forward", [&] { training.forward(x, y); }, {}},
      {"eval forward", [&] { eval.forward(x, y); }, {}},
  };
  // In turns, so that whatever else the machine does meets all of them alike. The first round warms up.
  for (int round = 0; round <= rounds; ++round) {
    for (Contender& contender : all) {
      const double microseconds = time_of(contender.call);
      if (round > 0) contender.microseconds.push_back(microseconds);
    }
  }

  report.heading("Time: a layer of ResNet-50, 32 x 64 x 56 x 56 float, one thread (median of " +
                 std::to_string(rounds) + ")");
  const double limit = std::min(median(all[0].microseconds), median(all[1].microseconds));
  for (const Contender& contender : all) {
    const double time = median(contender.microseconds);
    const double gigabytes = 2 * static_cast<double>(bytes) / time / 1e3;  // read and written, a second
    report.line(left(contender.name, 28) + fixed(time, 0, 8) + " us" + fixed(gigabytes, 1, 8) + " GB/s" +
                fixed(100 * limit / time, 0, 8) + " % of the limit");
  }
}

}  // namespace demo
