// detail/caches.hpp: which caches are near.
#include "support/caches.hpp"

#include <doctest/doctest.h>

#include <tensornorm/detail/caches.hpp>

using namespace tensornorm::detail;
using tn_test::Caches;

TEST_CASE("caches: where L2 is large and the last one far, what does not fit L2 leaves those that are near") {
  constexpr Index mib = 1 << 20;
  const auto leaves = [](Index l2, Index l3, Index bytes) {
    const Caches caches(l2, l3);
    return leaves_near_caches(bytes);
  };
  for (const Index l2 : {2 * mib, 4 * mib}) {
    CHECK_FALSE(leaves(l2, 260 * mib, l2));
    CHECK(leaves(l2, 260 * mib, l2 + 1));
    CHECK(leaves(l2, 64 * mib + 1, l2 + 1));
    CHECK_FALSE(leaves(l2, 64 * mib, 1000 * mib));
  }
  CHECK_FALSE(leaves(2 * mib - 1, 260 * mib, 1000 * mib));
}

TEST_CASE("caches: an L2 from 2 MiB on is large") {
  const auto large = [](Index l2) {
    const Caches caches(l2, 32 << 20);
    return has_large_l2();
  };
  CHECK(large(2 << 20));
  CHECK_FALSE(large((2 << 20) - 1));
}
