// The table of goals: each a bound on a ratio or a time, what was measured, and whether it is met.
#pragma once

#include <string>
#include <vector>

#include "contest.hpp"
#include "machine.hpp"
#include "shapes.hpp"

namespace bench {

/// "<= 1.25x", "257 ns"
std::string fixed(const char* sign, double value, const char* unit);

class GoalReport {
 public:
  void heading(const std::string& text);
  void note(const std::string& text);
  /// Whether the rows that follow are goals, or printed for information only.
  void judge(bool judged) { judged_ = judged; }

  /// ours / limit <= most, and peer / ours >= least; judged by the median of the rounds' ratios.
  void at_most(const std::string& what, const Ratio& measured, double most, const char* unit = "x");
  void at_least(const std::string& what, const Ratio& measured, double least);
  /// Two threads: met by the first ratio or by the second.
  void at_least_or_at_most(const std::string& what, const Ratio& speedup, double least, const Ratio& limit,
                           double most);

  /// Keeps the contest's times for the JSON file and the plots.
  void keep(const Layer& layer, const std::string& scalar, int threads, const Contest& contest);

  /// Prints how many are met.
  void summary() const;
  void write(const std::string& file, const Machine& machine, const std::string& command) const;

 private:
  void row(const std::string& what, const std::string& bound, const Ratio& measured, const char* unit, bool met);

  std::string heading_;
  bool judged_ = true;
  std::vector<JsonLine> goals_, times_;
  std::vector<std::string> missed_;
};

}  // namespace bench
