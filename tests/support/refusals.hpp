// Calls whose allocations are refused, one after the other, by heap.hpp.
#pragma once

#include <doctest/doctest.h>

#include "support/heap.hpp"

namespace tn_test {

/// attempt(0), attempt(1), ...: each refuses the allocation of that number and says whether there was one. Returns how
/// many there were.
template <typename Attempt>
long count_refusals(const Attempt& attempt) {
  for (long k = 0; k < 10'000; ++k) {
    INFO("allocation " << k);
    if (!attempt(k)) return k;
  }
  FAIL("every allocation was refused and there was always another");
  return 0;
}

}  // namespace tn_test
