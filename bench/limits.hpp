// What is called the limit: plain loops over the same bytes, on as many threads.
#pragma once

#include "threads.hpp"

namespace bench {

using Eigen::Index;

/// to = from, `count` floats, by the C library.
void copy_by_memcpy(const Threads& threads, const float* from, float* to, Index count);
/// to = from, with stores that go past the caches.
void copy_by_streams(const Threads& threads, const float* from, float* to, Index count);
/// Reads every value once.
void read_once(const Threads& threads, const float* from, Index count);
/// to = a + b: reads two streams and writes one, through the caches or past them.
void add_in_caches(const Threads& threads, const float* a, const float* b, float* to, Index count);
void add_by_streams(const Threads& threads, const float* a, const float* b, float* to, Index count);

}  // namespace bench
