// One thread or several: the Eigen device a measurement runs on.
#pragma once

#include <optional>
#include <tensornorm/detail/parallel.hpp>
#include <utility>

namespace bench {

class Threads {
 public:
  explicit Threads(int count) : count_(count) {
    if (count > 1) pool_.emplace(count), device_.emplace(&*pool_, count);
  }
  int count() const { return count_; }

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
  std::optional<Eigen::ThreadPool> pool_;
  std::optional<Eigen::ThreadPoolDevice> device_;
};

}  // namespace bench
