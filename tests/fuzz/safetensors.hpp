// Any bytes as a safetensors file: refused with a std::runtime_error, or loaded, and then saved and loaded again to the
// same. What was loaded is offered to a layer, which takes all of it or nothing.
#pragma once

#include <sstream>
#include <string>
#include <tensornorm/safetensors.hpp>
#include <tensornorm/tensornorm.hpp>

#include "fuzz/files.hpp"
#include "fuzz/outcome.hpp"

namespace tn_fuzz {

inline std::string saved(const tensornorm::StateDict& dict) {
  std::ostringstream out;
  tensornorm::save_safetensors(out, dict);
  return out.str();
}

inline void demand_same(const tensornorm::StateDict& a, const tensornorm::StateDict& b) {
  demand(a.size() == b.size() && a.metadata() == b.metadata(), "an entry came or went");
  for (const auto& [name, array] : a) {
    demand(b.contains(name), '"', name, "\" is lost");
    demand_same(array, b.at(name));
  }
}

/// A layer of two channels takes all of the dict or nothing.
inline void offer_to_layer(const tensornorm::StateDict& dict) {
  tensornorm::BatchNorm1d<> bn(2);
  const tensornorm::StateDict before = bn.state_dict();
  if (attempt([&] { bn.load_state_dict(dict); }) != Outcome::kDone) return demand_same(before, bn.state_dict());
  for (const auto& [name, array] : bn.state_dict()) {
    const tensornorm::Array* const given = dict.find(name);
    if (given == nullptr) {
      demand(name == "num_batches_tracked", name, " was not missed");
    } else if (array.dtype() == tensornorm::DType::float32) {
      demand(tn_test::same_bits(array.values<float>(), given->as<float>()), name, " is not what the dict has");
    } else {
      demand(array.values<std::int64_t>() == given->as<std::int64_t>(), name, " is not what the dict has");
    }
  }
}

inline void fuzz_safetensors(const std::uint8_t* data, std::size_t size) {
  const FileParts parts(data, size);
  const std::string file =
      parts.raw ? parts.values : little_endian(parts.header.size(), 8) + parts.header + parts.values;
  const auto load = [](const std::string& bytes) {
    std::istringstream in(bytes);
    return tensornorm::load_safetensors(in, "a fuzzed file");
  };
  const auto dict = load_or_refuse("a fuzzed file", [&] { return load(file); });
  if (!dict) return;
  const std::string again = saved(*dict);
  demand_same(*dict, load(again));
  demand(saved(load(again)) == again, "saved twice, two files");
  offer_to_layer(*dict);
}

}  // namespace tn_fuzz
