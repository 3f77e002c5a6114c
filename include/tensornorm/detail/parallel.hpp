// Items of work on an Eigen device. A result belongs to its item, never to the thread that made it.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <vector>

#include "eigen_tensor.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

using Eigen::Index;

/// Items that any number of threads take one by one. The caller takes them too, and waits only for helpers that are in
/// the middle of one: a helper that starts late finds nothing to do. So nothing can deadlock, even when every thread of
/// the pool is itself waiting here.
///
/// Each worker begins with a share of neighbouring items, the same from pass to pass, so that what is still in its
/// core's cache is of use; then it takes what is left of the others' shares.
class SharedItems {
 public:
  SharedItems(Index items, Index workers) : items_(items), next_(static_cast<std::size_t>(workers)) {
    for (Index w = 0; w < workers; ++w) next(w) = begin_of(w);
  }

  template <typename Work>
  void run(const Work& work, Index worker) {
    const Index workers = static_cast<Index>(next_.size());
    for (Index k = 0; k < workers; ++k) {
      const Index share = (worker + k) % workers, end = begin_of(share + 1);
      for (Index item = next(share)++; item < end; item = next(share)++) work(item);
    }
  }

  /// Runs as a helper, if there is anything left to do.
  template <typename Work>
  void help(const Work& work, Index worker) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) return;
      ++helpers_;
    }
    run(work, worker);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--helpers_ == 0) idle_.notify_all();
  }

  /// Lets no further helper start, and waits for those at work.
  void finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    closed_ = true;
    idle_.wait(lock, [&] { return helpers_ == 0; });
  }

 private:
  Index begin_of(Index share) const { return items_ * share / static_cast<Index>(next_.size()); }
  std::atomic<Index>& next(Index share) { return next_[static_cast<std::size_t>(share)]; }

  const Index items_;
  std::vector<std::atomic<Index>> next_;  // of each share
  std::mutex mutex_;
  std::condition_variable idle_;
  bool closed_ = false;
  Index helpers_ = 0;
};

template <typename Device>
int threads_of(const Device& device) {
  return static_cast<int>(device.numThreads());
}
inline int threads_of(const Eigen::DefaultDevice&) { return 1; }

/// work(0), ..., work(items - 1), each once, on the threads of the device; work must not throw. Returns when all are
/// done. When memory runs out fewer threads help; nothing is thrown.
template <typename Device, typename Work>
void for_each_item(const Device& device, Index items, const Work& work) {
  if constexpr (!std::is_same_v<Device, Eigen::DefaultDevice>) {
    const Index helpers = std::min<Index>(threads_of(device), items) - 1;
    if (helpers > 0) {
      std::shared_ptr<SharedItems> shared;
      try {
        shared = std::make_shared<SharedItems>(items, helpers + 1);
        for (Index h = 1; h <= helpers; ++h) {
          device.getPool()->Schedule([shared, &work, h] { shared->help(work, h); });
        }
      } catch (const std::bad_alloc&) {  // the helpers that were found are enough
      }
      if (shared) {
        shared->run(work, 0);
        return shared->finish();
      }
    }
  }
  for (Index item = 0; item < items; ++item) work(item);
}

}}}  // namespace tensornorm::v0::detail
