#include "fuzz/npy.hpp"
#include "fuzz/replay.hpp"

TEST_CASE("fuzz: kept inputs of fuzz_npy") { tn_fuzz::replay("npy", tn_fuzz::fuzz_npy); }
