// What a figure was measured on.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct Machine {
  std::string processor, caches, compiler, flags, instructions, load;
  std::vector<long> cache_bytes;      // of each level that is known, smallest first
  long last_cache_bytes = 32L << 20;  // a guess, where Linux names no caches
};
Machine this_machine();

/// argv in one line.
std::string command_line(int argc, char** argv);

/// What main returns: run(argc, argv), or 1 with an exception's words printed.
int exit_code(int (*run)(int, char**), int argc, char** argv);

/// One flat JSON object, in one line: what the plots' scripts read line by line.
class JsonLine {
 public:
  JsonLine& text(const std::string& key, const std::string& value);
  JsonLine& number(const std::string& key, double value);
  JsonLine& truth(const std::string& key, bool value);
  std::string str() const { return "{" + body_ + "}"; }

 private:
  JsonLine& raw(const std::string& key, const std::string& value);
  std::string body_;
};

JsonLine to_json(const Machine& machine, const std::string& command);

/// Writes {"machine": {...}, "<name>": [ ... ], ...} with one object a line.
struct JsonArray {
  std::string name;
  std::vector<JsonLine> lines;
};
void write_json(const std::string& file, const JsonLine& machine, const std::vector<JsonArray>& arrays);

}  // namespace bench
