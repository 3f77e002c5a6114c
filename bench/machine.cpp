#include "machine.hpp"

#include <Eigen/Core>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace bench {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

/// Bytes of a cache as Linux counts them; 0 where it does not say.
long cache_bytes_of_linux(int level) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    std::ifstream level_file(folder + "level"), type_file(folder + "type"), size_file(folder + "size");
    int found = 0;
    std::string type;
    long kibibytes = 0;
    if (level_file >> found && type_file >> type && size_file >> kibibytes && found == level && type != "Instruction") {
      return kibibytes << 10;
    }
  }
  return 0;
}

/// The same as Eigen found it, for where Linux says nothing, as in some virtual machines: of a core's own caches, as it
/// sums up the last caches of all cores.
long cache_bytes_of_eigen(int level) {
  return level == 1 ? Eigen::l1CacheSize() : level == 2 ? Eigen::l2CacheSize() : 0;
}

std::string text_of_bytes(long bytes) {
  return bytes >= 1 << 20 ? std::to_string(bytes >> 20) + " MiB" : std::to_string(bytes >> 10) + " KiB";
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

Machine this_machine() {
  double load[1] = {0};
  if (getloadavg(load, 1) != 1) load[0] = -1;
  char load_text[32];
  std::snprintf(load_text, sizeof load_text, "%.2f", load[0]);
  Machine machine;
  machine.processor = std::to_string(std::thread::hardware_concurrency()) + " cores of " + processor_name();
  for (int level = 1; level <= 4; ++level) {
    const long named = cache_bytes_of_linux(level), bytes = named > 0 ? named : cache_bytes_of_eigen(level);
    if (bytes == 0) continue;
    machine.caches += (level > 1 ? ", L" : "L") + std::to_string(level) + " " + text_of_bytes(bytes);
    machine.cache_bytes.push_back(bytes);
    if (named > 0) machine.last_cache_bytes = named;
  }
  machine.compiler = TENSORNORM_BENCH_COMPILER;
  machine.flags = TENSORNORM_BENCH_FLAGS;
  machine.instructions = Eigen::SimdInstructionSetsInUse();
  machine.load = load_text;
  return machine;
}

std::string command_line(int argc, char** argv) {
  std::string line = argv[0];
  line.erase(0, line.rfind('/') + 1);
  for (int i = 1; i < argc; ++i) line += std::string(" ") + argv[i];
  return line;
}

int exit_code(int (*run)(int, char**), int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

JsonLine& JsonLine::raw(const std::string& key, const std::string& value) {
  body_ += (body_.empty() ? "" : ", ") + quoted(key) + ": " + value;
  return *this;
}
JsonLine& JsonLine::text(const std::string& key, const std::string& value) { return raw(key, quoted(value)); }
JsonLine& JsonLine::truth(const std::string& key, bool value) { return raw(key, value ? "true" : "false"); }
JsonLine& JsonLine::number(const std::string& key, double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.6g", value);
  return raw(key, digits);
}

JsonLine to_json(const Machine& m, const std::string& command) {
  return JsonLine()
      .text("processor", m.processor)
      .text("caches", m.caches)
      .text("compiler", m.compiler)
      .text("flags", m.flags)
      .text("instructions", m.instructions)
      .text("load", m.load)
      .text("command", command);
}

void write_json(const std::string& file, const JsonLine& machine, const std::vector<JsonArray>& arrays) {
  std::ofstream out(file);
  out << "{\n\"machine\": " << machine.str();
  for (const JsonArray& array : arrays) {
    out << ",\n" << quoted(array.name) << ": [\n";
    for (std::size_t i = 0; i < array.lines.size(); ++i) out << (i ? ",\n" : "") << array.lines[i].str();
    out << "\n]";
  }
  out << "\n}\n";
  if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

}  // namespace bench
