// Runs one pass over a few shapes, for instructions.sh to count: a number of instructions an element depends on neither
// the machine nor what else it does, and a loop that fell back to scalars, or reads memory once more, multiplies it.
#include <cstdio>
#include <memory>

#include "passes.hpp"

namespace {

using namespace bench;

/// A pass that has run once already, so that nothing is allocated when it is counted.
struct Row {
  std::string name;
  Index elements;
  std::function<void()> pass;
};

template <typename T>
void add_rows(std::vector<Row>& rows, const char* scalar, const Layer& layer) {
  struct Kept {
    Kept(const Layer& of, const Threads& threads) : buffers(of), passes(of, buffers, threads) {}
    Buffers<T> buffers;
    Passes<T> passes;
  };
  static const Threads one(1);
  const auto kept = std::make_shared<Kept>(layer, one);
  const auto add = [&](const char* pass, void (Passes<T>::*function)()) {
    const std::string place = std::string("/") + layer.network + "/" + scalar;
    rows.push_back({pass + place, layer.size(), [kept, function] { (kept->passes.*function)(); }});
  };
  add("statistics", &Passes<T>::statistics);
  add("training", &Passes<T>::training);
  add("eval", &Passes<T>::eval);
  add("backward", &Passes<T>::backward);
}

}  // namespace

/// The function that callgrind collects in; it writes its counts after every return from here.
extern "C" [[gnu::noinline]] void counted_pass(const std::function<void()>& pass) {
  pass();
  asm volatile("");  // not a tail call: the return is what is waited for
}

int main() {
  const Layer runs{"runs", Layout::nchw, 4, 16, 28, 28};
  const Layer rows_of_channels{"rows", Layout::nhwc, 4, 64, 14, 14};
  std::vector<Row> rows;
  add_rows<float>(rows, "float", runs);
  add_rows<float>(rows, "float", {"short_runs", Layout::nchw, 16, 64, 7, 7});
  add_rows<float>(rows, "float", {"col_major_of_4", Layout::col_major, 4, 16, 28, 28});
  add_rows<float>(rows, "float", rows_of_channels);
  add_rows<float>(rows, "float", {"rows_of_5", Layout::matrix, 8192, 5, 1, 1});
  add_rows<float>(rows, "float", {"rows_of_50", Layout::matrix, 1024, 50, 1, 1});
  // What a call and a channel cost beside the values.
  add_rows<float>(rows, "float", {"small", Layout::nchw, 1, 16, 8, 8});
  add_rows<float>(rows, "float", {"2_by_3", Layout::matrix, 2, 3, 1, 1});
  add_rows<double>(rows, "double", runs);
  add_rows<Eigen::half>(rows, "half", runs);
  add_rows<Eigen::half>(rows, "half", rows_of_channels);
  add_rows<Eigen::bfloat16>(rows, "bfloat16", runs);
  add_rows<Eigen::bfloat16>(rows, "bfloat16", rows_of_channels);
  for (const Row& row : rows) row.pass();
  for (const Row& row : rows) {
    std::printf("%s %td\n", row.name.c_str(), row.elements);
    counted_pass(row.pass);
  }
}
