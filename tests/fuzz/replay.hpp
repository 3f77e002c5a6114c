// Inputs that a fuzzing engine found worth keeping, through their target without the engine.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace tn_fuzz {

/// target(bytes, size) of every file in corpus/`name`.
template <typename Target>
void replay(const char* name, Target target) {
  int inputs = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(std::filesystem::path(__FILE__).parent_path() / "corpus" / name)) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::vector<char> text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    INFO(file.path().string());
    CHECK_NOTHROW(target(bytes.data(), bytes.size()));
    ++inputs;
  }
  CHECK(inputs > 0);
}

}  // namespace tn_fuzz
