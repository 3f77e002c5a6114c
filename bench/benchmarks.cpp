// Every layer, pass, scalar type and number of threads, each row with its share of what memory allows.
//
//   share  time of the limit / time of the pass, where the limit moves the pass's bytes once:
//            training, eval   the faster of memcpy and a copy with streaming stores; for training in the rows layouts
//                             (NHWC, (N, C)) beyond the last-level cache, and one more read, which none can avoid there
//            backward         the faster of two additions of arrays, through the caches and past them
//            statistics       one read
//          measured before and after the pass, on the same buffers and as many threads.
#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>

#include "contest.hpp"
#include "eigen_expressions.hpp"
#include "limits.hpp"
#include "machine.hpp"
#include "passes.hpp"
#include "peers.hpp"

namespace bench { namespace {

enum class Pass { statistics, training, training_in_place, eval, backward };
constexpr Pass all_passes[] = {Pass::statistics, Pass::training, Pass::training_in_place, Pass::eval, Pass::backward};

const char* name_of(Pass pass) {
  constexpr const char* names[] = {"statistics", "training", "training_in_place", "eval", "backward"};
  return names[static_cast<int>(pass)];
}
int streams_of(Pass pass) { return pass == Pass::statistics ? 1 : pass == Pass::backward ? 3 : 2; }

const Machine& machine() {
  static const Machine it = this_machine();
  return it;
}

/// Mean nanoseconds of a call, over a few milliseconds.
double nanoseconds_of(const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  call();
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double, std::nano>(Clock::now() - start).count(); };
  int calls = 0;
  do {
    for (int i = 0; i < 4; ++i) call();
    calls += 4;
  } while (elapsed() < 3e6);
  return elapsed() / calls;
}

/// Nanoseconds of the pass's limit over the buffers' bytes.
template <typename T>
double limit_of(Pass pass, const Layer& layer, Buffers<T>& b, const Threads& threads) {
  const Index count = b.bytes() / static_cast<Index>(sizeof(float));
  const auto floats = [](auto& tensor) { return reinterpret_cast<float*>(tensor.data()); };
  float *x = floats(b.x), *y = floats(b.y), *dy = floats(b.dy), *dx = floats(b.dx);
  const auto read = [&] { return nanoseconds_of([&] { read_once(threads, x, count); }); };
  if (pass == Pass::statistics) return read();
  if (pass == Pass::backward) {
    return std::min(nanoseconds_of([&] { add_in_caches(threads, x, dy, dx, count); }),
                    nanoseconds_of([&] { add_by_streams(threads, x, dy, dx, count); }));
  }
  const double copy = std::min(nanoseconds_of([&] { copy_by_memcpy(threads, x, y, count); }),
                               nanoseconds_of([&] { copy_by_streams(threads, x, y, count); }));
  const bool twice = layer.is_rows() && pass != Pass::eval && 2 * b.bytes() >= machine().last_cache_bytes;
  return twice ? copy + read() : copy;
}

/// The layer whose buffers are alive, one for each scalar: benchmarks run in the order they were registered in.
template <typename T>
Buffers<T>& buffers_of(const Layer& layer) {
  static std::unique_ptr<Buffers<T>> buffers;
  static std::string name;
  if (name != layer.name()) {
    buffers.reset();
    buffers = std::make_unique<Buffers<T>>(layer);
    name = layer.name();
  }
  return *buffers;
}

/// Times `call` and reports it beside its limit. `spins`: its own threads stay busy a while after a call.
template <typename T>
void measure(benchmark::State& state, Pass pass, const Layer& layer, Buffers<T>& buffers, const Threads& threads,
             const std::function<void()>& call, bool spins = false) {
  const double before = limit_of(pass, layer, buffers, threads);
  const auto start = std::chrono::steady_clock::now();
  for ([[maybe_unused]] auto _ : state) call();
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  if (spins) rest();
  const double after = limit_of(pass, layer, buffers, threads);
  state.SetBytesProcessed(state.iterations() * buffers.bytes() * streams_of(pass));
  state.counters["share"] = (before + after) / 2 * static_cast<double>(state.iterations()) / elapsed.count();
  state.SetLabel(layer.network);
}

template <typename T>
void measure_pass(benchmark::State& state, Pass pass, const Layer& layer, int thread_count) {
  const Threads threads(thread_count);
  Buffers<T>& buffers = buffers_of<T>(layer);
  Passes<T> passes(layer, buffers, threads);
  measure(state, pass, layer, buffers, threads, [&] {
    switch (pass) {
      case Pass::statistics:
        return passes.statistics();
      case Pass::training:
        return passes.training();
      case Pass::training_in_place:
        return passes.training_in_place();
      case Pass::eval:
        return passes.eval();
      case Pass::backward:
        return passes.backward();
    }
  });
}

void measure_eigen(benchmark::State& state, const Layer& layer) {
  const Threads one(1);
  Buffers<float>& buffers = buffers_of<float>(layer);
  measure(state, Pass::training, layer, buffers, one, [&] { training_in_eigen_expressions(buffers.x, buffers.y); });
}

void measure_peer(benchmark::State& state, Pass pass, const Layer& layer, int thread_count, const std::string& name) {
  const Threads threads(thread_count);
  Buffers<float>& buffers = buffers_of<float>(layer);
  for (const Peer& peer : all_peers(layer, buffers, thread_count)) {
    if (peer.name != name) continue;
    measure(state, pass, layer, buffers, threads,
            pass == Pass::training ? peer.training
            : pass == Pass::eval   ? peer.eval
                                   : peer.backward,
            thread_count > 1);
    return;
  }
  state.SkipWithError("not for this layer");
}

// ---- registering

std::string row_name(const std::string& who, const Layer& layer, const std::string& scalar, int threads) {
  return who + "/" + layer.name() + "/" + scalar + "/" + std::to_string(threads);
}

void register_row(const std::string& name, const std::function<void(benchmark::State&)>& row) {
  benchmark::RegisterBenchmark(name.c_str(), row)->UseRealTime()->Unit(benchmark::kMicrosecond);
}

template <typename T>
void register_passes(const Layer& layer, const char* scalar) {
  for (const Pass pass : all_passes) {
    for (const int threads : {1, 2}) {
      if (threads > 1 && layer.size() * Index{sizeof(T)} < tensornorm::detail::parallel_bytes) continue;
      register_row(row_name(std::string("tensornorm/") + name_of(pass), layer, scalar, threads),
                   [=](benchmark::State& state) { measure_pass<T>(state, pass, layer, threads); });
    }
  }
}

void register_others(const Layer& layer) {
  register_row(row_name("Eigen expressions/training", layer, "float", 1),
               [=](benchmark::State& state) { measure_eigen(state, layer); });
  if (peer_libraries().empty()) return;
  Layer small = layer;  // enough to learn the peers' names
  small.n = 2, small.h = small.w = 1;
  Buffers<float> buffers(small);
  for (const Peer& peer : all_peers(small, buffers, 1)) {
    for (const Pass pass : {Pass::training, Pass::eval, Pass::backward}) {
      for (const int threads : {1, 2}) {
        register_row(
            row_name(peer.name + "/" + name_of(pass), layer, "float", threads),
            [=, name = peer.name](benchmark::State& state) { measure_peer(state, pass, layer, threads, name); });
      }
    }
  }
}

void register_all() {
  std::vector<Layer> layers = goal_layers();
  for (const Layer& layer : tiny_layers()) layers.push_back(layer);
  for (const Layer& layer : layers) {
    register_passes<float>(layer, "float");
    register_others(layer);
    register_passes<double>(layer, "double");
    register_passes<Eigen::half>(layer, "half");
    register_passes<Eigen::bfloat16>(layer, "bfloat16");
  }
  for (const Layer& layer : network_layers()) register_passes<float>(layer, "float");
}

}}  // namespace bench

int main(int argc, char** argv) {
  const bench::Machine machine = bench::this_machine();
  benchmark::AddCustomContext("processor", machine.processor + "; " + machine.caches);
  benchmark::AddCustomContext("build", machine.compiler + ", " + machine.flags + "; " + machine.instructions);
  benchmark::AddCustomContext("command", bench::command_line(argc, argv));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
