// Under an emulator or a sanitizer, where every instruction is slow, the environment asks for some of the cases:
//
//   TENSORNORM_ONE_IN=5   one case in five
#pragma once

#include <algorithm>
#include <cstdlib>

namespace tn_test {

/// next() says of one case after the other whether it is to be run: all are, unless the environment says otherwise.
class SomeOf {
 public:
  bool next() { return case_++ % one_in_ == 0; }

 private:
  static int asked_for() {
    const char* const text = std::getenv("TENSORNORM_ONE_IN");
    return text == nullptr ? 1 : std::max(1, std::atoi(text));
  }

  int one_in_ = asked_for(), case_ = 0;
};

}  // namespace tn_test
