#include "fuzz/replay.hpp"
#include "fuzz/safetensors.hpp"

TEST_CASE("fuzz: kept inputs of fuzz_safetensors") { tn_fuzz::replay("safetensors", tn_fuzz::fuzz_safetensors); }
