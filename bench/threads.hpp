// One thread or several: the Eigen device a measurement runs on.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <tensornorm/detail/parallel.hpp>
#include <thread>
#include <utility>
#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

namespace bench {

/// Keeps the calling thread on a core. Free ones are at times woken on the caller's core and kept there though another
/// idles: then two threads take as long as one.
inline void stay_on([[maybe_unused]] unsigned core) {
#ifdef __linux__
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core % std::max(1u, std::thread::hardware_concurrency()), &cores);
  pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
#endif
}

/// The threads of a pool, each on a core: the second, the third and so on.
struct PinnedThreads : Eigen::StlThreadEnvironment {
  unsigned started = 0;

  EnvThread* CreateThread(std::function<void()> work) {
    return Eigen::StlThreadEnvironment::CreateThread([core = ++started, work = std::move(work)] {
      stay_on(core);
      work();
    });
  }
};

class Threads {
 public:
  /// The caller, who works too, and a pool of one fewer. From two threads on, the caller stays on the first core.
  explicit Threads(int count) : count_(count) {
    if (count == 1) return;
    pool_.emplace(count - 1, true, PinnedThreads{});
    device_.emplace(&*pool_, count);
    stay_on(0);
  }

  /// call(device), with Eigen's own default where one thread is enough.
  template <typename Call>
  void run(const Call& call) const {
    if (device_) {
      call(*device_);
    } else {
      call(Eigen::DefaultDevice{});
    }
  }

  /// part(begin, end) for pieces of [0, size): one on one thread, four a thread on several.
  template <typename Part>
  void split(Eigen::Index size, const Part& part) const {
    const Eigen::Index parts = count_ == 1 ? 1 : 4 * count_;
    run([&](const auto& device) {
      tensornorm::detail::for_each_item(device, parts,
                                        [&](Eigen::Index i) { part(i * size / parts, (i + 1) * size / parts); });
    });
  }

 private:
  int count_;
  std::optional<Eigen::ThreadPoolTempl<PinnedThreads>> pool_;
  std::optional<Eigen::ThreadPoolDevice> device_;
};

}  // namespace bench
