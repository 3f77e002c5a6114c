// The heap as a thread of the tests meets it: its allocations are counted, and one of them can be refused.
//
// heap.cpp takes over malloc, or where a sanitizer has that, operator new.
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>

namespace tn_test {

struct Heap {
  bool armed = false;       // whether allocations of this thread are looked at
  long count = 0;           // how many there were
  long refused = -1;        // the number, from 0, of the one that fails
  std::size_t largest = 0;  // bytes asked for at once
};
extern thread_local Heap heap;

/// Whether malloc is seen, which Eigen calls; else operator new only.
extern const bool kSeesMalloc;

/// What call() asks the heap for.
template <typename Call>
Heap watched(const Call& call) {
  heap = {};
  heap.armed = true;
  call();
  heap.armed = false;
  return heap;
}

/// Whether call() fails when its k-th allocation does: by std::bad_alloc, or by the std::runtime_error of a stream,
/// which keeps a bad_alloc to itself.
template <typename Call>
bool runs_out_of_memory(long k, const Call& call) {
  heap = {};
  heap.refused = k;
  heap.armed = true;
  bool failed = false;
  try {
    call();
  } catch (const std::bad_alloc&) {
    failed = true;
  } catch (const std::runtime_error&) {
    failed = true;
  }
  heap.armed = false;
  return failed;
}

}  // namespace tn_test
