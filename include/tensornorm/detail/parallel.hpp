// Items of work on an Eigen device. A result belongs to its item, never to the thread that made it.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>
#include <vector>

#include "eigen_tensor.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

using Eigen::Index;

/// Items that any number of threads take one by one. The caller takes them too, and waits only for helpers that are in
/// the middle of one: a helper that starts late finds nothing to do. So nothing can deadlock, even when every thread of
/// the pool is itself waiting here.
///
/// Each worker begins with a share of neighbouring items, then takes what is left of the others' shares. The caller's
/// share, and so a lone helper's, is the same from pass to pass: what is still in its core's cache is of use. A pass
/// that walks back walks every share back.
class SharedItems {
 public:
  SharedItems(Index items, Index workers, bool last_to_first = false)
      : items_(items), last_to_first_(last_to_first), next_(static_cast<std::size_t>(workers)) {
    for (Index w = 0; w < workers; ++w) next(w) = begin_of(w);
  }

  /// What one worker takes: next(item) gives it the next item, until there is none.
  class Worker {
   public:
    Worker(SharedItems& shared, Index number) : shared_(shared), number_(number) {}
    bool operator()(Index& item) {
      const Index workers = static_cast<Index>(shared_.next_.size());
      for (; shares_done_ < workers; ++shares_done_) {
        const Index share = (number_ + shares_done_) % workers;
        const Index begin = shared_.begin_of(share), end = shared_.begin_of(share + 1);
        const Index next = shared_.next(share)++;
        if (next >= end) continue;
        item = shared_.last_to_first_ ? begin + end - 1 - next : next;
        return true;
      }
      return false;
    }

   private:
    SharedItems& shared_;
    Index number_, shares_done_ = 0;
  };

  /// work(next) as a helper, if there is anything left to do.
  template <typename Work>
  void help(const Work& work, Index number) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) return;
      ++helpers_;
    }
    work(Worker(*this, number));
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--helpers_ == 0) idle_.notify_all();
  }

  /// Lets no further helper start, and waits for those at work: awake at first, as what is left of an item mostly takes
  /// less time than to fall asleep and be woken.
  void finish() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    constexpr int patience = 1000;  // a fraction of a millisecond
    for (int turn = 0; turn < patience && helpers_ > 0; ++turn) std::this_thread::yield();
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [&] { return helpers_ == 0; });
  }

 private:
  Index begin_of(Index share) const { return items_ * share / static_cast<Index>(next_.size()); }
  std::atomic<Index>& next(Index share) { return next_[static_cast<std::size_t>(share)]; }

  const Index items_;
  const bool last_to_first_;
  std::vector<std::atomic<Index>> next_;  // of each share
  std::mutex mutex_;
  std::condition_variable idle_;
  bool closed_ = false;
  std::atomic<Index> helpers_{0};
};

template <typename Device>
int threads_of(const Device& device) {
  return static_cast<int>(device.numThreads());
}
inline int threads_of(const Eigen::DefaultDevice&) { return 1; }

/// work(next) on each thread of the device that helps, where next(item) gives a thread its next one of `items` items:
/// each item to one thread. work must not throw. Returns when all are done. When memory runs out, or the pool throws,
/// fewer threads help; nothing is thrown. last_to_first: each thread begins with the last of the items that are its own
/// in other passes.
template <typename Device, typename Work>
void share_items(const Device& device, Index items, bool last_to_first, const Work& work) {
  if constexpr (!std::is_same_v<Device, Eigen::DefaultDevice>) {
    const Index helpers = std::min<Index>(threads_of(device), items) - 1;
    if (helpers > 0) {
      std::shared_ptr<SharedItems> shared;
      try {
        shared = std::make_shared<SharedItems>(items, helpers + 1, last_to_first);
        for (Index h = 1; h <= helpers; ++h) {
          device.getPool()->Schedule([shared, &work, h] { shared->help(work, h); });
        }
      } catch (...) {  // of memory that runs out, or of a pool that takes no more: the helpers that came are enough
      }
      if (shared) {
        work(SharedItems::Worker(*shared, 0));
        return shared->finish();
      }
    }
  }
  work([=, done = Index{0}](Index& item) mutable {
    item = last_to_first ? items - 1 - done : done;
    return done++ < items;
  });
}

/// work(0), ..., work(items - 1), each once, in the same way.
template <typename Device, typename Work>
void for_each_item(const Device& device, Index items, const Work& work) {
  share_items(device, items, false, [&](auto next) {
    for (Index item; next(item);) work(item);
  });
}

}}}  // namespace tensornorm::v0::detail
