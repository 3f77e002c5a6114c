// Times of several contenders, taken in turns: whatever else the machine does meets all of them alike.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace bench {

/// Nanoseconds of one call, a round each.
struct Samples {
  std::vector<double> nanoseconds;

  double median() const {
    std::vector<double> sorted = nanoseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
  double best() const { return *std::min_element(nanoseconds.begin(), nanoseconds.end()); }
};

/// Both, one after the other.
inline Samples operator+(Samples a, const Samples& b) {
  for (std::size_t i = 0; i < a.nanoseconds.size(); ++i) a.nanoseconds[i] += b.nanoseconds[i];
  return a;
}
inline const Samples& faster(const Samples& a, const Samples& b) { return a.median() <= b.median() ? a : b; }

/// a / b, of times that belong to the same contest.
struct Ratio {
  double median;  // of the rounds' ratios
  double best;    // of the best times: what is left when nothing else runs
};
inline Ratio ratio(const Samples& a, const Samples& b) {
  Samples ratios = a;
  for (std::size_t i = 0; i < a.nanoseconds.size(); ++i) ratios.nanoseconds[i] /= b.nanoseconds[i];
  return {ratios.median(), a.best() / b.best()};
}

/// Until threads that spin have fallen asleep: OpenMP's take some milliseconds.
inline void rest() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

class Contest {
 public:
  using Call = std::function<void()>;

  /// `spins`: its own threads stay busy a while after a call, and are waited for.
  void add(const std::string& name, const Call& call, bool spins = false) {
    all_.push_back({name, call, spins, 1, 1, {}});
  }

  /// Each contender in each round: some calls to warm up, caches and threads, then as many as make a time that can be
  /// measured. Three warm it up at least: so many the last cache of Intel's Emerald Rapids takes to learn what is read
  /// again. Eval of 25 MB, right after another pass, took 4.3, 3.1 and 2.2 ms before it took 1.9.
  void run(int rounds) {
    constexpr double warm_nanoseconds = 500e3, sample_nanoseconds = 1e6;
    const auto calls = [](double nanoseconds, double once, int least) {
      return std::clamp(static_cast<int>(nanoseconds / once), least, 2000);
    };
    for (Entry& e : all_) {
      e.call();
      const double once = std::max(time_of(e, 1), 1.0);
      e.warm_calls = calls(warm_nanoseconds, once, 3);
      e.calls = calls(sample_nanoseconds, once, 1);
    }
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < all_.size(); ++i) {
        Entry& e = all_[i];
        const Entry& before = all_[i > 0 ? i - 1 : all_.size() - 1];
        if (before.spins && !e.spins) rest();
        time_of(e, e.warm_calls);
        e.samples.nanoseconds.push_back(time_of(e, e.calls));
      }
    }
  }

  const Samples& operator[](const std::string& name) const { return find(name)->samples; }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const Entry& e : all_) names.push_back(e.name);
    return names;
  }

 private:
  struct Entry {
    std::string name;
    Call call;
    bool spins;
    int warm_calls, calls;  // a sample
    Samples samples;
  };

  std::vector<Entry>::const_iterator find(const std::string& name) const {
    return std::find_if(all_.begin(), all_.end(), [&](const Entry& e) { return e.name == name; });
  }
  static double time_of(const Entry& e, int calls) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) e.call();
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / calls;
  }

  std::vector<Entry> all_;
};

}  // namespace bench
