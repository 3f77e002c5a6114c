// tensornorm_accuracy FILE: docs/numerics_table.md on standard output, torch's errors being those in FILE.
#include <cstdio>
#include <exception>

#include "torch/accuracy_table.hpp"

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s tests/torch/accuracy.txt > docs/numerics_table.md\n", argv[0]);
    return 2;
  }
  std::fputs(tn_test::table_text(tn_test::read_accuracy(argv[1])).c_str(), stdout);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
