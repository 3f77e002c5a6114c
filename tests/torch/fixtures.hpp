// What torch computed, read from what write_fixtures.py wrote: cases, their settings, and bits of their results.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/nd_array.hpp"
#include "torch/inputs.hpp"

namespace tn_test {

/// An element of a result, by its place in logical order.
struct Stored {
  std::size_t at;
  long double value;
};

struct TorchCase {
  std::string line;            // in the file: for failures
  std::string family, scalar;  // float32 or float64
  Dims dims;                   // (N, C, ...)
  unsigned seed = 0;
  tensornorm::BatchNormOptions options;
  std::string throws;                                  // torch's message, where it refused
  std::uint64_t sum_of_bits[2] = {};                   // of x and of dy, modulo 2^64
  std::map<std::string, std::vector<Stored>> results;  // the elements in which torch is furthest from the exact value
};

/// 8 hexadecimal digits are a float, 16 a double.
inline long double number_of_bits(const std::string& digits) {
  const std::uint64_t word = std::stoull(digits, nullptr, 16);
  if (digits.size() == 8) {
    const auto half = static_cast<std::uint32_t>(word);
    float value;
    std::memcpy(&value, &half, sizeof value);
    return static_cast<long double>(value);
  }
  double value;
  std::memcpy(&value, &word, sizeof value);
  return static_cast<long double>(value);
}

/// The rest of a line that begins with "case": scalar, sizes, then names and values in turn, then the family.
inline TorchCase read_settings(std::istringstream& line) {
  TorchCase of;
  of.line = line.str();
  std::string sizes, name, momentum;
  line >> of.scalar >> sizes >> name >> of.seed >> name >> of.options.eps >> name >> momentum >> name >>
      of.options.affine >> name >> of.options.track_running_stats >> std::ws;
  std::getline(line, of.family);
  if (!line) throw std::runtime_error("not a case: " + of.line);
  if (momentum == "None") {
    of.options.momentum = std::nullopt;
  } else {
    of.options.momentum = std::stod(momentum);
  }
  of.dims = dims_from_text(sizes);
  return of;
}

inline std::vector<TorchCase> read_torch_cases(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<TorchCase> cases;
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string key;
    line >> key;
    if (key.empty() || key == "#") continue;
    if (key == "case") {
      cases.push_back(read_settings(line));
    } else if (key == "throws") {
      std::getline(line >> std::ws, cases.back().throws);
    } else if (key == "sum_of_bits") {
      line >> std::hex >> cases.back().sum_of_bits[0] >> cases.back().sum_of_bits[1];
    } else {
      std::vector<Stored>& elements = cases.back().results[key];
      for (std::string element; line >> element;) {
        const std::size_t colon = element.find(':');
        elements.push_back({std::stoul(element.substr(0, colon)), number_of_bits(element.substr(colon + 1))});
      }
    }
  }
  return cases;
}

}  // namespace tn_test
