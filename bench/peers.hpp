// Other libraries on the same buffers. Each lives in a file of its own, which enters its peers here when it is linked
// in.
#pragma once

#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "buffers.hpp"

namespace bench {

/// x -> y twice, and x, dy -> dx. A layer's parameters and saved statistics are the peer's own.
struct Peer {
  std::string name;  // "libtorch", "oneDNN plain", "oneDNN blocked"
  std::function<void()> training, eval, backward;
};

/// The peers a library has for a layer, on so many threads; they share the library's thread setting, the last one
/// counts.
using PeersOf = std::function<std::vector<Peer>(const Layer&, Buffers<float>&, int threads)>;

inline std::vector<PeersOf>& peer_libraries() {
  static std::vector<PeersOf> libraries;
  return libraries;
}

inline std::vector<Peer> all_peers(const Layer& layer, Buffers<float>& buffers, int threads) {
  if (threads > 1 && !peer_libraries().empty() && std::getenv("OMP_PROC_BIND") == nullptr) {
    throw std::runtime_error("run with OMP_PROC_BIND=true: threads of OpenMP would share the caller's core");
  }
  std::vector<Peer> peers;
  for (const PeersOf& peers_of : peer_libraries()) {
    for (Peer& peer : peers_of(layer, buffers, threads)) peers.push_back(std::move(peer));
  }
  return peers;
}

}  // namespace bench
