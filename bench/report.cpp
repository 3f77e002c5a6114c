#include "report.hpp"

#include <cstdio>

namespace bench {

std::string fixed(const char* sign, double value, const char* unit) {
  char text[32];
  std::snprintf(text, sizeof text, "%s%s%.*f%s", sign, *sign ? " " : "", value < 20 ? 2 : 0, value, unit);
  return text;
}

void GoalReport::note(const std::string& text) { std::printf("  %s\n", text.c_str()); }

void GoalReport::heading(const std::string& text) {
  heading_ = text;
  std::printf("\n%s\n  %-62s %-10s %9s %9s\n", text.c_str(), "", "goal", "median", "best");
}

void GoalReport::row(const std::string& what, const std::string& bound, const Ratio& measured, const char* unit,
                     bool met) {
  const std::string median = fixed("", measured.median, unit), best = fixed("", measured.best, unit);
  const char* verdict = !judged_ ? "" : met ? "yes" : "NO";
  std::printf("  %-62s %-10s %9s %9s  %s\n", what.c_str(), bound.c_str(), median.c_str(), best.c_str(), verdict);
  std::fflush(stdout);
  if (!judged_) return;
  if (!met) missed_.push_back(what + " " + median + ", goal " + bound);
  goals_.push_back(JsonLine()
                       .text("group", heading_)
                       .text("row", what)
                       .text("goal", bound)
                       .number("median", measured.median)
                       .number("best", measured.best)
                       .truth("met", met));
}

void GoalReport::at_most(const std::string& what, const Ratio& measured, double most, const char* unit) {
  row(what, fixed("<=", most, unit), measured, unit, measured.median <= most);
}
void GoalReport::at_least(const std::string& what, const Ratio& measured, double least) {
  row(what, fixed(">=", least, "x"), measured, "x", measured.median >= least);
}
void GoalReport::at_least_or_at_most(const std::string& what, const Ratio& speedup, double least, const Ratio& limit,
                                     double most) {
  const bool met = speedup.median >= least || limit.median <= most;
  row(what + fixed(", or limit", limit.median, "x") + fixed(" <=", most, "x"), fixed(">=", least, "x"), speedup, "x",
      met);
}

void GoalReport::keep(const Layer& layer, const std::string& scalar, int threads, const Contest& contest) {
  for (const std::string& name : contest.names()) {
    times_.push_back(JsonLine()
                         .text("layer", layer.name())
                         .text("network", layer.network)
                         .text("scalar", scalar)
                         .number("threads", threads)
                         .text("contender", name)
                         .number("median_us", contest[name].median() / 1e3)
                         .number("best_us", contest[name].best() / 1e3));
  }
}

void GoalReport::summary() const {
  std::printf("\n%zu of %zu goals met\n", goals_.size() - missed_.size(), goals_.size());
  for (const std::string& missed : missed_) std::printf("  missed: %s\n", missed.c_str());
}

void GoalReport::write(const std::string& file, const Machine& machine, const std::string& command) const {
  write_json(file, to_json(machine, command), {{"goals", goals_}, {"times", times_}});
}

}  // namespace bench
