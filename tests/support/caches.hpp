// A processor with other caches, as far as Eigen and with it the library know.
#pragma once

#include <Eigen/Core>

namespace tn_test {

/// While it lives, a core's second cache and the last one have these sizes, in bytes. For one thread at a time.
class Caches {
 public:
  Caches(Eigen::Index l2, Eigen::Index l3) { Eigen::setCpuCacheSizes(l1_, l2, l3); }
  ~Caches() { Eigen::setCpuCacheSizes(l1_, l2_, l3_); }
  Caches(const Caches&) = delete;
  Caches& operator=(const Caches&) = delete;

 private:
  const Eigen::Index l1_ = Eigen::l1CacheSize(), l2_ = Eigen::l2CacheSize(), l3_ = Eigen::l3CacheSize();
};

/// A last cache that is near, as of AMD's servers and of desktops.
struct NearCaches : Caches {
  NearCaches() : Caches(1 << 20, 32 << 20) {}
};
/// One that is far, and a large L2, as of Intel's servers.
struct FarCaches : Caches {
  FarCaches() : Caches(2 << 20, 260 << 20) {}
};

}  // namespace tn_test
