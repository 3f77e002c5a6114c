// Seed notebook 002, a test for each of its cells: the name of a test is "seed " and the name of its cell.
#include "notebooks/seed_002.hpp"

#include <doctest/doctest.h>

#include "golden/claim.hpp"

using notebooks::check_claimed;
using notebooks::Claim;
using notebooks::seed_002::cells;

TEST_CASE("seed 002: every cell has its test") { CHECK(notebooks::unclaimed(cells()) == ""); }

TEST_CASE("seed 002 In [13]: norm" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [14]: running_mean" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [15]: running_var" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [16]: gamma" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [17]: beta" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [18]: eps" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [19]: x" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [20]: norm(x)" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [28]: x normalised with the unbiased variance" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 002 In [25]: mean of each channel" * Claim{}) { check_claimed(cells()); }
