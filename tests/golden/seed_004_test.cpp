// Seed notebook 004, a test for each of its cells: the name of a test is "seed " and the name of its cell.
#include "notebooks/seed_004.hpp"

#include <doctest/doctest.h>

#include "golden/claim.hpp"

using notebooks::check_claimed;
using notebooks::Claim;
using notebooks::seed_004::cells;

TEST_CASE("seed 004: every cell has its test") { CHECK(notebooks::unclaimed(cells()) == ""); }

TEST_CASE("seed 004 bn(x): normalised" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 004 bn(x): running statistics" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 004 bn(x): after the linear map" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 004 bn(x, inference=True): normalised" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 004 bn(x, inference=True): after the linear map" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 004 bn(x2): mean over the samples" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 004 nn.BatchNorm1d(x): the biased variance" * Claim{}) { check_claimed(cells()); }
