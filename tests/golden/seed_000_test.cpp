// Seed notebook 000, a test for each of its cells: the name of a test is "seed " and the name of its cell.
#include "notebooks/seed_000.hpp"

#include <doctest/doctest.h>

#include "golden/claim.hpp"

using notebooks::check_claimed;
using notebooks::Claim;
using notebooks::seed_000::cells;

TEST_CASE("seed 000: every cell has its test") { CHECK(notebooks::unclaimed(cells()) == ""); }

TEST_CASE("seed 000 In [3]: m" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [7]: mean and biased variance of x1" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [14]: x1 normalised by hand" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [9]: m(x1)" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [11]: running statistics after x1" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [12]: running mean by hand" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [15]: running variance by hand" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [18]: mean and unbiased variance of x2" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [19]: x2 normalised by hand" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [20]: m(x2)" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [21]: running statistics after x2" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [22]: running mean by hand" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [23]: running variance by hand" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [26]: m.eval()" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [27]: m(x3)" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [28]: x3 normalised by hand with its own statistics" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 000 In [29]: x3 normalised by hand with the running statistics" * Claim{}) { check_claimed(cells()); }
