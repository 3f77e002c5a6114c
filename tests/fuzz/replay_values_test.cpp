#include "fuzz/replay.hpp"
#include "fuzz/values.hpp"

TEST_CASE("fuzz: kept inputs of fuzz_values") { tn_fuzz::replay("values", tn_fuzz::fuzz_values); }
