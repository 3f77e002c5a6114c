// Seed notebook 003, a test for each of its cells: the name of a test is "seed " and the name of its cell.
#include "notebooks/seed_003.hpp"

#include <doctest/doctest.h>

#include "golden/claim.hpp"

using notebooks::check_claimed;
using notebooks::Claim;
using notebooks::seed_003::cells;

TEST_CASE("seed 003: every cell has its test") { CHECK(notebooks::unclaimed(cells()) == ""); }

TEST_CASE("seed 003 In [14]: after 100 steps, before eval()" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [14]: after 100 steps, after eval()" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [14]: after 100 steps, to 8 decimals" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [14]: m(input1) in eval mode" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [14]: channel 0 in eval mode, to 6 decimals" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [14]: channel 1 in eval mode, to 4 digits" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [15]: shape of the input" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [15]: rows 0 to 17, momentum 0.1" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [15]: rows 18 to 49, momentum 0.1" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [15]: after 50 steps, to 8 decimals" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [16]: shape of the input" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [16]: rows 0 to 18, momentum 1" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [16]: rows 19 to 99, momentum 1" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [16]: after each of 100 steps, to 8 decimals" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [17]: shape of the input" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [17]: outputs as far as listed" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [17]: all 11 outputs" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [17]: all 11 outputs, to 8 decimals" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [17]: the buffers afterwards" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 003 In [17]: the same input in eval mode, to 6 decimals" * Claim{}) { check_claimed(cells()); }
