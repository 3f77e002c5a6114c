#include "support/heap.hpp"

#include <cerrno>
#include <cstdlib>

namespace tn_test {
thread_local Heap heap;
}

namespace {

bool grants(std::size_t size) noexcept {
  tn_test::Heap& heap = tn_test::heap;
  if (!heap.armed) return true;
  if (size > heap.largest) heap.largest = size;
  return heap.count++ != heap.refused;
}

}  // namespace

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TN_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TN_TEST_SANITIZED
#endif

#if defined(__GLIBC__) && !defined(TN_TEST_SANITIZED)

// malloc itself: Eigen calls it, and so does operator new.
const bool tn_test::kSeesMalloc = true;

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept { return grants(size) ? __libc_malloc(size) : nullptr; }
void* calloc(std::size_t count, std::size_t size) noexcept {
  return grants(count * size) ? __libc_calloc(count, size) : nullptr;
}
void* realloc(void* block, std::size_t size) noexcept { return grants(size) ? __libc_realloc(block, size) : nullptr; }
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return grants(size) ? __libc_memalign(alignment, size) : nullptr;
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
  *block = grants(size) ? __libc_memalign(alignment, size) : nullptr;
  return *block == nullptr ? ENOMEM : 0;
}
}

#else

// A sanitizer has malloc; what the library takes by operator new is still seen.
const bool tn_test::kSeesMalloc = false;

namespace {
void* take(std::size_t size) {
  void* const block = grants(size) ? std::malloc(size == 0 ? 1 : size) : nullptr;
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
}  // namespace
void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }

#endif
