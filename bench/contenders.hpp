// Who takes part in a contest over one layer's buffers: the memory's limits, the library's passes, other libraries; and
// who of them counts.
#pragma once

#include <string>
#include <vector>

#include "contest.hpp"
#include "limits.hpp"
#include "passes.hpp"
#include "peers.hpp"

namespace bench {

/// What moving the bytes takes: copies, a read, and additions of two arrays into a third.
inline void add_limits(Contest& contest, Buffers<float>& b, const Threads& threads) {
  const Index count = b.x.size();
  const float *x = b.x.data(), *dy = b.dy.data();
  float *y = b.y.data(), *dx = b.dx.data();
  contest.add("memcpy", [=, &threads] { copy_by_memcpy(threads, x, y, count); });
  contest.add("streaming copy", [=, &threads] { copy_by_streams(threads, x, y, count); });
  contest.add("read", [=, &threads] { read_once(threads, x, count); });
  contest.add("three streams", [=, &threads] { add_in_caches(threads, x, dy, dx, count); });
  contest.add("three streams past caches", [=, &threads] { add_by_streams(threads, x, dy, dx, count); });
}

/// Of any T, beside limits and peers of float.
template <typename T>
void add_passes(Contest& contest, const std::string& prefix, Passes<T>& passes) {
  contest.add(prefix + "training", [&] { passes.training(); });
  contest.add(prefix + "training in place", [&] { passes.training_in_place(); });
  contest.add(prefix + "eval", [&] { passes.eval(); });
  contest.add(prefix + "backward", [&] { passes.backward(); });
}

/// `spin`: their threads stay busy after a call, as Contest::add() says.
inline void add_peers(Contest& contest, const std::vector<Peer>& peers, bool spin) {
  for (const Peer& peer : peers) {
    contest.add(peer.name + " training", peer.training, spin);
    contest.add(peer.name + " eval", peer.eval, spin);
    contest.add(peer.name + " backward", peer.backward, spin);
  }
}

/// The limit of forward passes, and that of backward: the faster way to move the same bytes.
inline const Samples& copy_limit(const Contest& contest) {
  return faster(contest["memcpy"], contest["streaming copy"]);
}
inline const Samples& three_stream_limit(const Contest& contest) {
  return faster(contest["three streams"], contest["three streams past caches"]);
}

/// A pass of a library, in the best layout that it was measured in; none if it was not linked in.
inline const Samples* best_of(const Contest& contest, const std::string& library, const std::string& pass) {
  const Samples* best = nullptr;
  for (const std::string& name : contest.names()) {
    const bool matches = name.rfind(library, 0) == 0 && name.size() > pass.size() &&
                         name.compare(name.size() - pass.size() - 1, std::string::npos, " " + pass) == 0;
    if (matches && (!best || contest[name].median() < best->median())) best = &contest[name];
  }
  return best;
}

}  // namespace bench
