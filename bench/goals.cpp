// Every goal of the library's speed, measured in one run: its passes, the memory's limits and, where they are linked
// in, other libraries, in turns on the same buffers.
//
//   tensornorm_goals [--rounds N] [--json file]
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>

#include "contenders.hpp"
#include "report.hpp"

namespace bench { namespace {

// What a pass may cost, as a multiple of the memory's limit.
constexpr double training_beyond_cache = 1.25, training_in_cache = 2.0, eval_anywhere = 1.1,
                 backward_beyond_cache = 1.5;

struct Settings {
  int rounds = 31;
  Machine machine = this_machine();

  /// Built for any machine, without wider vectors than SSE2's: then only PyTorch, with its own dispatch, is to be
  /// beaten.
  bool portable() const { return machine.instructions.find("AVX") == std::string::npos; }
  /// Whether input and output together at least fill the last-level cache.
  bool beyond_cache(const Layer& layer) const {
    return 2 * layer.size() * Index{sizeof(float)} >= machine.last_cache_bytes;
  }
};

/// Times a peer takes, in ours; 0: no goal.
struct PeerGoals {
  double torch, onednn;
};
PeerGoals peer_goals(const Settings& settings, const Layer& layer, const std::string& pass) {
  const bool rows = layer.is_rows(), beyond = settings.beyond_cache(layer);
  if (settings.portable()) return {1, 0};
  if (pass == "eval") return {1, 1};
  if (pass == "backward") return beyond ? PeerGoals{1.8, 1.25} : PeerGoals{rows ? 1.0 : 3.0, 1.3};
  if (!beyond) return {rows ? 1.0 : 8.0, 1.5};
  if (!rows) return {8, 1.3};
  return layer.c <= 16 ? PeerGoals{3, 3} : PeerGoals{1.8, 1.1};
}

void report_peers(GoalReport& report, const Settings& settings, const Layer& layer, const Contest& contest,
                  const std::string& suffix) {
  report.judge(true);
  for (const char* pass : {"training", "eval", "backward"}) {
    const PeerGoals goals = peer_goals(settings, layer, pass);
    for (const auto& [library, goal] : {std::pair{"libtorch", goals.torch}, std::pair{"oneDNN", goals.onednn}}) {
      const Samples* peer = best_of(contest, library, pass);
      if (peer && goal > 0) {
        report.at_least(layer.name() + " " + pass + suffix + ", " + library, ratio(*peer, contest[pass]), goal);
      }
    }
  }
  report.judge(!settings.portable());
}

// ---- one thread

/// Contests of one layer after the other; each result is kept until its groups of goals are printed.
struct Measured {
  Layer layer;
  Contest contest;
};

std::vector<Measured> measure_one_thread(const Settings& settings, GoalReport& report) {
  const Threads one(1);
  std::vector<Measured> all;
  for (const Layer& layer : goal_layers()) {
    Buffers<float> buffers(layer);
    Passes<float> passes(layer, buffers, one);
    const std::vector<Peer> peers = all_peers(layer, buffers, 1);
    Contest contest;
    add_limits(contest, buffers, one);
    add_passes(contest, "", passes);
    add_peers(contest, peers, false);
    contest.run(settings.rounds);
    report.keep(layer, "float", 1, contest);
    all.push_back({layer, contest});
  }
  return all;
}

void goals_of_one_thread(const Settings& settings, GoalReport& report) {
  const std::vector<Measured> all = measure_one_thread(settings, report);

  report.heading("Training forward, larger than the last cache, against the copy limit (rows layouts: and one read)");
  for (const auto& [layer, c] : all) {
    if (!settings.beyond_cache(layer)) continue;
    const Samples limit = layer.is_rows() ? copy_limit(c) + c["read"] : copy_limit(c);
    report.at_most(layer.name() + " training", ratio(c["training"], limit), training_beyond_cache);
    report.at_most(layer.name() + " training in place", ratio(c["training in place"], limit), training_beyond_cache);
  }
  report.heading("Training forward, in cache, against memcpy");
  for (const auto& [layer, c] : all) {
    if (!settings.beyond_cache(layer)) {
      report.at_most(layer.name() + " training", ratio(c["training"], c["memcpy"]), training_in_cache);
    }
  }
  report.heading("Eval forward, against the copy limit");
  for (const auto& [layer, c] : all)
    report.at_most(layer.name() + " eval", ratio(c["eval"], copy_limit(c)), eval_anywhere);

  report.heading("Backward, larger than the last cache, against the limit of three streams");
  for (const auto& [layer, c] : all) {
    if (settings.beyond_cache(layer)) {
      report.at_most(layer.name() + " backward", ratio(c["backward"], three_stream_limit(c)), backward_beyond_cache);
    }
  }
  if (peer_libraries().empty()) return;
  report.heading("Other libraries' times over ours, one thread");
  for (const auto& [layer, c] : all) report_peers(report, settings, layer, c, "");
}

// ---- tiny

template <typename BatchNorm, typename X>
void tiny_goals(const Settings& settings, GoalReport& report, const Layer& shape, BatchNorm layer, X x,
                double nanoseconds) {
  X y = x, dx = x;
  BatchNorm eval = layer;
  eval.eval();
  Buffers<float> buffers(shape);
  Contest contest;
  contest.add("training", [&] { layer.forward(x, y); });
  contest.add("eval", [&] { eval.forward(x, y); });
  contest.add("backward", [&] { layer.backward(x, y, dx); });
  add_peers(contest, all_peers(shape, buffers, 1), false);
  contest.run(settings.rounds);
  report.keep(shape, "float", 1, contest);
  for (const char* pass : {"training", "eval", "backward"}) {
    report.at_most(shape.name() + " " + pass, {contest[pass].median(), contest[pass].best()}, nanoseconds, " ns");
  }
  report_peers(report, settings, shape, contest, "");
}

void goals_of_tiny_inputs(const Settings& settings, GoalReport& report) {
  report.heading("Tiny inputs");
  const std::vector<Layer> layers = tiny_layers();
  const Layer &table = layers[0], &planes = layers[1];
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> matrix(table.n, table.c);
  matrix.setRandom();
  tiny_goals(settings, report, table, tensornorm::BatchNorm1d<float>(table.c), matrix, 100);
  Eigen::Tensor<float, 4, Eigen::RowMajor> tensor(planes.n, planes.c, planes.h, planes.w);
  tensor.setRandom();
  tiny_goals(settings, report, planes, tensornorm::BatchNorm2d<float>(planes.c), tensor, 250);
}

// ---- two threads

/// How much faster two threads do what is split evenly and stays in L1: 2 when a second core is free.
Ratio speedup_of_two_cores(const Settings& settings, const Threads& one, const Threads& two) {
  const auto compute = [](Index begin, Index end) {
    std::array<float, 1024> numbers{};
    for (Index i = begin; i < end; ++i) {
      for (float& number : numbers) number = number / 2 + 1;
      asm volatile("" : : "m"(numbers));  // they are wanted, as far as the optimiser knows
    }
  };
  constexpr Index turns = 10000;
  Contest contest;
  contest.add("one", [&] { one.split(turns, compute); });
  contest.add("two", [&] { two.split(turns, compute); });
  contest.run(settings.rounds);
  return ratio(contest["one"], contest["two"]);
}

void goals_of_two_threads(const Settings& settings, GoalReport& report) {
  report.heading("Two threads against one (tensors over 1 MB), or against the limits of two threads");
  const Threads one(1), two(2);
  const Ratio cores = speedup_of_two_cores(settings, one, two);
  report.note("two threads that only compute are " + fixed("", cores.median, "x") + " as fast as one, at best " +
              fixed("", cores.best, "x") +
              (cores.median < 1.9 ? ": no second core was free, disregard what follows" : ""));
  for (const Layer& layer : goal_layers()) {
    if (layer.size() * Index{sizeof(float)} < 1 << 20) continue;
    Buffers<float> buffers(layer);
    Passes<float> with_one(layer, buffers, one), with_two(layer, buffers, two);
    const std::vector<Peer> peers = all_peers(layer, buffers, 2);
    Contest contest;
    add_limits(contest, buffers, two);
    add_passes(contest, "one thread, ", with_one);
    add_passes(contest, "", with_two);
    add_peers(contest, peers, true);
    contest.run(settings.rounds);
    report.keep(layer, "float", 2, contest);

    const bool beyond = settings.beyond_cache(layer);
    const Samples copy = copy_limit(contest), train = beyond && layer.is_rows() ? copy + contest["read"] : copy;
    const auto goal = [&](const std::string& pass, const Samples& limit, double most) {
      report.at_least_or_at_most(layer.name() + " " + pass, ratio(contest["one thread, " + pass], contest[pass]), 1.8,
                                 ratio(contest[pass], limit), most);
    };
    goal("training", train, training_beyond_cache);
    goal("eval", copy, eval_anywhere);
    goal("backward", three_stream_limit(contest), backward_beyond_cache);
    report_peers(report, settings, layer, contest, ", 2 threads");
  }
}

// ---- scalars of 16 bits

void goals_of_short_scalars(const Settings& settings, GoalReport& report) {
  report.heading("Inputs of 16 bits against float: in cache, and when memory-bound");
  const Threads one(1);
  for (const Layer& layer : goal_layers()) {
    const bool beyond = settings.beyond_cache(layer);
    Buffers<float> floats(layer);
    Buffers<Eigen::half> halves(layer);
    Buffers<Eigen::bfloat16> bfloats(layer);
    Passes<float> in_float(layer, floats, one);
    Passes<Eigen::half> in_half(layer, halves, one);
    Passes<Eigen::bfloat16> in_bfloat16(layer, bfloats, one);
    Contest contest;
    add_passes(contest, "float ", in_float);
    add_passes(contest, "half ", in_half);
    add_passes(contest, "bfloat16 ", in_bfloat16);
    contest.run(settings.rounds);
    report.keep(layer, "16 bits", 1, contest);
    for (const std::string scalar : {"half", "bfloat16"}) {
      for (const std::string pass : {"training", "eval", "backward"}) {
        report.at_most(layer.name() + " " + pass + " " + scalar,
                       ratio(contest[scalar + " " + pass], contest["float " + pass]), beyond ? 0.5 : 1.0);
      }
    }
  }
}

int run(int argc, char** argv) {
  Settings settings;
  std::string json;
  for (int i = 1; i < argc; ++i) {
    const bool has_value = i + 1 < argc;
    if (has_value && std::strcmp(argv[i], "--rounds") == 0) {
      settings.rounds = std::max(1, std::atoi(argv[++i]));
    } else if (has_value && std::strcmp(argv[i], "--json") == 0) {
      json = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--rounds N] [--json file]\n", argv[0]);
      return 2;
    }
  }
  const Machine& machine = settings.machine;
  std::printf("%s; %s; load %s\n", machine.processor.c_str(), machine.caches.c_str(), machine.load.c_str());
  std::printf("%s, %s; %s\n", machine.compiler.c_str(), machine.flags.c_str(), machine.instructions.c_str());
  if (settings.portable())
    std::printf("built for any machine: only PyTorch's times are goals, the rest is information\n");
  std::printf("median: of the ratios of %d rounds, which is judged; best: ratio of the best times\n", settings.rounds);

  GoalReport report;
  report.judge(!settings.portable());
  goals_of_one_thread(settings, report);
  goals_of_tiny_inputs(settings, report);
  goals_of_short_scalars(settings, report);
  goals_of_two_threads(settings, report);
  report.summary();
  if (!json.empty()) report.write(json, machine, command_line(argc, argv));
  return 0;
}

}}  // namespace bench

int main(int argc, char** argv) { return bench::exit_code(bench::run, argc, argv); }
