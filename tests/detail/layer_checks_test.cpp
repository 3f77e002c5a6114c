// detail/layer_checks.hpp: options that no layer can have, each refused in words that name it and what was given.
#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <tensornorm/tensornorm.hpp>

namespace {

using tensornorm::BatchNormOptions;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

/// What a layer of these options says instead of being made; "made" if it is.
std::string answer(const BatchNormOptions& options) {
  try {
    tensornorm::BatchNorm1d<> bn(3, options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "made";
}

/// The same, of the defaults with one changed.
template <typename Member, typename Value>
std::string answer(Member member, Value value) {
  BatchNormOptions options;
  options.*member = value;
  return answer(options);
}

bool names(const std::string& message, const std::string& words) { return message.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("layer checks: an eps below 0 or not a number is none, 0 and what is above are") {
  CHECK(names(answer(&BatchNormOptions::eps, -1e-5), "eps should be at least 0, not -1e-05"));
  CHECK(names(answer(&BatchNormOptions::eps, kNaN), "eps should be at least 0, not nan"));
  CHECK(answer(&BatchNormOptions::eps, 0.0) == "made");
  CHECK(answer(&BatchNormOptions::eps, 2.0) == "made");
}

TEST_CASE("layer checks: a momentum that is not finite is none, any other and its absence are") {
  for (const double momentum : {kNaN, kInfinity, -kInfinity}) {
    CHECK(names(answer(&BatchNormOptions::momentum, momentum), "momentum should be finite, or absent"));
  }
  CHECK(answer(&BatchNormOptions::momentum, -0.5) == "made");
  CHECK(answer(&BatchNormOptions::momentum, std::nullopt) == "made");
}

TEST_CASE("layer checks: corrections below 0 are none, 0 and what is above are") {
  CHECK(names(answer(&BatchNormOptions::correction, -1), "correction should be at least 0, not -1"));
  CHECK(names(answer(&BatchNormOptions::running_correction, -2), "running_correction should be at least 0, not -2"));
  CHECK(answer(&BatchNormOptions::correction, 0) == "made");
  CHECK(answer(&BatchNormOptions::correction, 7) == "made");
  CHECK(answer(&BatchNormOptions::running_correction, 0) == "made");
}

TEST_CASE("layer checks: another axis that has the channels is named, the last one as -1") {
  const auto said = [](const auto& x, int channel_axis) -> std::string {
    BatchNormOptions options;
    options.channel_axis = channel_axis;
    try {
      tensornorm::BatchNorm2d<> bn(3, options);
      bn(x);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "passed";
  };
  const Eigen::Tensor<float, 4, Eigen::RowMajor> nchw(2, 3, 5, 5), nhwc(2, 5, 5, 3), neither(2, 4, 5, 5);
  CHECK(names(said(nhwc, 1), "; did you mean channel_axis = -1?"));
  CHECK(names(said(nchw, -1), "; did you mean channel_axis = 1?"));
  CHECK_FALSE(names(said(neither, 1), "did you mean"));
}
