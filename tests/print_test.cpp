// A layer's state as a table.
#include <doctest/doctest.h>

#include <iomanip>
#include <sstream>
#include <string>
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

namespace {

/// The first column of a table of so many channels, at most `most` of which are wanted.
std::string channels_shown(Eigen::Index channels, Eigen::Index most) {
  std::stringstream table;
  tn::print_state(table, tn::BatchNorm1d<>(channels), most);
  std::string line, first, shown;
  for (int k = 0; std::getline(table, line); ++k) {
    std::istringstream(line) >> first;
    if (k >= 2) shown += first + ' ';
  }
  return shown;
}

}  // namespace

TEST_CASE("print_state: of many channels the first and the last, of as many as are wanted all") {
  CHECK(channels_shown(100, 3) == "0 1 ... 99 ");
  CHECK(channels_shown(4, 3) == "0 1 ... 3 ");
  CHECK(channels_shown(3, 3) == "0 1 2 ");
  CHECK(channels_shown(2, 3) == "0 1 ");
}

TEST_CASE("print_state: a vector of another size is shown as far as it goes") {
  tn::BatchNorm1d<> bn(2);
  bn.weight().resize(1);
  bn.weight().setConstant(7);
  std::ostringstream out;
  tn::print_state(out, bn);
  CHECK(out.str().find("        1             -") != std::string::npos);
}
