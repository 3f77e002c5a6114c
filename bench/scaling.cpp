// Time a byte against the size of a layer, one of N, C and H*W at a time: a curve without cliffs is wanted.
//
//   tensornorm_scaling [--most log2 of the elements, 28] [--json file]
//
// 2^28 floats are 1 GiB a tensor, of which there are four; a machine with less memory takes --most 26.
//
// A cliff is a change by more than 1.5x between neighbours, of which the larger has twice the elements of the smaller,
// where no cache's size lies between the two and the call itself is no longer what costs.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "contenders.hpp"
#include "machine.hpp"

namespace bench { namespace {

constexpr int rounds = 9;
constexpr Index calls_cost_below = 1 << 12;  // elements: under a microsecond, most of it not spent on them
constexpr double cliff = 1.5;

struct Sweep {
  const char* name;
  Layout layout;
  Layer (*at)(Index step);  // of about 64 * step elements, or of none
};
const Sweep sweeps[] = {
    {"N, of N x 4 x 4x4", Layout::nchw, [](Index s) { return Layer{"", Layout::nchw, s, 4, 4, 4}; }},
    {"C, of 4 x C x 4x4", Layout::nchw, [](Index s) { return Layer{"", Layout::nchw, 4, s, 4, 4}; }},
    {"HW, of 4 x 16 x HW", Layout::nchw, [](Index s) { return Layer{"", Layout::nchw, 4, 16, 1, s}; }},
    // Planes that end within a cache line: beyond the caches these were once four times slower than their neighbours.
    {"N, of N x 32 x 14x14", Layout::nchw, [](Index s) { return Layer{"", Layout::nchw, s / 128, 32, 14, 14}; }},
    {"rows, of rows x 32", Layout::nhwc, [](Index s) { return Layer{"", Layout::nhwc, 2, 32, 1, s}; }},
    {"rows, of rows x 50", Layout::nhwc, [](Index s) { return Layer{"", Layout::nhwc, 2, 50, 1, (16 * s + 24) / 25}; }},
    {"C, of 64 rows x C", Layout::nhwc, [](Index s) { return Layer{"", Layout::nhwc, 64, s, 1, 1}; }},
};

struct Streams {
  const char* pass;
  const Samples& (*limit)(const Contest&);
  int count;
};
constexpr Streams passes_and_limits[] = {
    {"training", copy_limit, 2}, {"eval", copy_limit, 2}, {"backward", three_stream_limit, 3}};

/// The best times of all passes and their limits over one layer.
Contest measure(const Layer& layer) {
  const Threads one(1);
  Buffers<float> b(layer);
  Passes<float> passes(layer, b, one);
  Contest contest;
  contest.add("training", [&] { passes.training(); });
  contest.add("eval", [&] { passes.eval(); });
  contest.add("backward", [&] { passes.backward(); });
  add_limits(contest, b, one);
  contest.run(rounds);
  return contest;
}

/// Whether a working set grows past one of the caches on the way from `smaller` to `larger` bytes.
bool leaves_a_cache(const Machine& machine, double smaller, double larger) {
  for (const long cache : machine.cache_bytes) {
    // Half a cache to its whole: the neighbours of the sizes at which a set no longer fits beside everything else.
    if (smaller <= static_cast<double>(cache) && larger >= static_cast<double>(cache) / 2) return true;
  }
  return false;
}

int run(int argc, char** argv) {
  int most = 28;
  std::string json;
  for (int i = 1; i < argc; ++i) {
    const bool has_value = i + 1 < argc;
    if (has_value && std::strcmp(argv[i], "--most") == 0) {
      most = std::atoi(argv[++i]);
    } else if (has_value && std::strcmp(argv[i], "--json") == 0) {
      json = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--most log2 of elements] [--json file]\n", argv[0]);
      return 2;
    }
  }
  const Machine machine = this_machine();
  std::vector<JsonLine> lines;
  int cliffs = 0;
  for (const Sweep& sweep : sweeps) {
    std::printf("\n%s: picoseconds a byte (its limit)\n  %-24s%20s%20s%20s\n", sweep.name, "elements", "training",
                "eval", "backward");
    double before[3] = {0, 0, 0};
    for (Index step = 1; 64 * step <= Index{1} << most; step *= 2) {
      const Layer layer = sweep.at(step);
      if (layer.size() == 0) continue;
      const Contest contest = measure(layer);
      const auto elements = static_cast<double>(layer.size());
      std::printf("  %-24s", layer.name().c_str());
      for (std::size_t p = 0; p < 3; ++p) {
        const Streams& s = passes_and_limits[p];
        const double bytes = elements * s.count * sizeof(float);
        const double limit = s.limit(contest).best() / bytes * 1e3;
        const double now = contest[s.pass].best() / bytes * 1e3, change = before[p] > 0 ? now / before[p] : 1;
        const bool is_cliff = (change > cliff || change < 1 / cliff) && layer.size() > 2 * calls_cost_below &&
                              !leaves_a_cache(machine, bytes / 2, bytes);
        cliffs += is_cliff;
        std::printf("%12.1f (%5.1f)%c", now, limit, is_cliff ? '!' : ' ');
        lines.push_back(JsonLine()
                            .text("sweep", sweep.name)
                            .text("layer", layer.name())
                            .text("pass", s.pass)
                            .number("elements", elements)
                            .number("ps_per_byte", now)
                            .number("limit_ps_per_byte", limit)
                            .truth("cliff", is_cliff));
        before[p] = now;
      }
      std::printf("\n");
      std::fflush(stdout);
    }
  }
  std::printf("\n%d changes of more than %.1fx between neighbours inside one cache, marked with !\n", cliffs, cliff);
  if (!json.empty()) write_json(json, to_json(machine, command_line(argc, argv)), {{"scaling", lines}});
  return 0;
}

}}  // namespace bench

int main(int argc, char** argv) { return bench::exit_code(bench::run, argc, argv); }
