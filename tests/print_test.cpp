// A layer's state as a table.
#include <doctest/doctest.h>

#include <iomanip>
#include <sstream>
#include <tensornorm/tensornorm.hpp>

namespace tn = tensornorm;

TEST_CASE("print_state: a row a channel, a column for what the layer has") {
  tn::BatchNorm2d<> bn(2);
  bn.weight()[1] = 0.25f;
  bn.running_mean() << -1.5f, 1e-7f;
  bn.set_num_batches_tracked(3);
  bn.eval();
  std::ostringstream out;
  tn::print_state(out, bn);
  CHECK(out.str() ==
        "BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True), eval, 3 batches tracked\n"
        "  channel        weight          bias  running_mean   running_var\n"
        "        0             1             0          -1.5             1\n"
        "        1          0.25             0         1e-07             1\n");
}

TEST_CASE("print_state: the same whatever the stream had been told") {
  const tn::BatchNorm2d<> bn(20);
  std::ostringstream plain, told;
  tn::print_state(plain, bn);
  told << std::left << std::hex << std::setprecision(2) << std::showpoint;
  tn::print_state(told, bn);
  CHECK(told.str() == plain.str());
}

TEST_CASE("print_state: what the layer has not got is left out") {
  tn::BatchNormOptions options;
  options.affine = false;
  options.track_running_stats = false;
  std::ostringstream out;
  tn::print_state(out, tn::BatchNorm1d<double>(1, options));
  CHECK(out.str() ==
        "BatchNorm1d(1, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False), training\n"
        "  channel\n"
        "        0\n");
}

TEST_CASE("print_state: of many channels the first and the last") {
  std::ostringstream out;
  tn::print_state(out, tn::BatchNorm1d<>(100), 3);
  const std::string text = out.str();
  for (const char* shown : {"        0 ", "        1 ", "      ...\n", "       99 "}) {
    CAPTURE(shown);
    CHECK(text.find(shown) != std::string::npos);
  }
  for (const char* left_out : {"        2 ", "       98 "}) {
    CAPTURE(left_out);
    CHECK(text.find(left_out) == std::string::npos);
  }
}

TEST_CASE("print_state: of as many channels as are wanted all") {
  std::ostringstream out;
  tn::print_state(out, tn::BatchNorm1d<>(3), 3);
  for (const char* shown : {"        0 ", "        1 ", "        2 "}) {
    CAPTURE(shown);
    CHECK(out.str().find(shown) != std::string::npos);
  }
}

TEST_CASE("print_state: a vector of another size is shown as far as it goes") {
  tn::BatchNorm1d<> bn(2);
  bn.weight().resize(1);
  bn.weight().setConstant(7);
  std::ostringstream out;
  tn::print_state(out, bn);
  CHECK(out.str().find("        1             -") != std::string::npos);
}
