// What the processor's caches are like, as far as it decides how memory is moved. Eigen knows their sizes, from the
// processor or from Eigen::setCpuCacheSizes(). No bit of a result depends on them: what decides the order of sums is
// fixed by the shape (traversal.hpp).
//
// Measured on Intel's Emerald Rapids, a server, whose cores have 2 MiB of L2 each and share 260 MiB that are far from
// all of them. To write there takes as long as to write to memory, and first the line that is written over is read.
#pragma once

#include <Eigen/Core>

namespace tensornorm { inline namespace v0 { namespace detail {

using Eigen::Index;

inline constexpr Index large_l2_bytes = 2 * 1024 * 1024;  // of a second cache that is large, at least
inline constexpr Index far_l3_bytes = 64 * 1024 * 1024;   // of a last cache that is far, more than

/// Whether two blocks of several tensors fit in L2 together.
inline bool has_large_l2() { return Eigen::l2CacheSize() >= large_l2_bytes; }

/// Whether `bytes` do not stay near, as they do not fit L2, which is large, and the last cache is far. Written past the
/// caches, what leaves L2 takes 1 to 0.4 of the time in eval of 1.05 to 6.4 MB, 0.95 to 0.5 in training and 0.8 to 0.55
/// in backward; of 0.8 MB, which stay, eval takes 1.5 times as long. On AMD's Zen 5 (1 MiB of L2, 32 MiB of L3) a copy
/// of 6.4 MB takes 1.4 times as long past the caches. Not inlined, for the sake of small tensors.
[[gnu::noinline]] inline bool leaves_near_caches(Index bytes) {
  return has_large_l2() && bytes > Eigen::l2CacheSize() && Eigen::l3CacheSize() > far_l3_bytes;
}

}}}  // namespace tensornorm::v0::detail
