// Seed notebook 001, a test for each of its cells: the name of a test is "seed " and the name of its cell.
#include "notebooks/seed_001.hpp"

#include <doctest/doctest.h>

#include "golden/claim.hpp"

using notebooks::check_claimed;
using notebooks::Claim;
using notebooks::seed_001::cells;

TEST_CASE("seed 001: every cell has its test") { CHECK(notebooks::unclaimed(cells()) == ""); }

TEST_CASE("seed 001 In [2]: input1d" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [3]: bn1d" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [4]: state dict of a new layer" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [5]: vars of a new layer" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [6]: output1d" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [7]: state dict after one batch" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [8]: mean" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [9]: biased variance" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [10]: normalised by hand" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [23]: output1d again" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [25]: weight.grad" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [26]: bias.grad" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [28]: optimizer" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [29]: weight after the step" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [30]: bias after the step" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [11]: bn1d_m1" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [12]: bn1d_m1(input1d)" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [13]: state dict with momentum 1" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [14]: unbiased variance" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [15]: bn1d_m_half" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [16]: bn1d_m_half(input1d)" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [17]: state dict with momentum 0.5" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [18]: input1d_2" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [19]: bn1d_m_half(input1d_2)" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [20]: state dict after two batches" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [21]: unbiased variance" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [22]: running variance by hand" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [32]: input2d as far as listed" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [33]: bn2d" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [34]: state dict of a new layer" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [35]: output2d as far as listed" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [35]: last sample of output2d" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [36]: state dict after one batch" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [36]: running variance to 8 decimals" * Claim{}) { check_claimed(cells()); }
TEST_CASE("seed 001 In [36]: batch mean and both variances" * Claim{}) { check_claimed(cells()); }
