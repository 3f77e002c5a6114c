#include "fuzz/layer.hpp"
#include "fuzz/replay.hpp"

TEST_CASE("fuzz: kept inputs of fuzz_layer") { tn_fuzz::replay("layer", tn_fuzz::fuzz_layer); }
