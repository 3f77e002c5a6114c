// Seed notebook 004, a test for each of its cells: the name of a test is "seed " and the name of its cell.
#include "notebooks/seed_004.hpp"

#include <doctest/doctest.h>

#include "notebooks/claim.hpp"

namespace {

using notebooks::Claim;

/// Runs the notebook and compares the cell that the running test is named after.
void check_claimed_cell() {
  const notebooks::Cells cells = notebooks::seed_004::cells();
  const notebooks::Cell& cell = notebooks::claimed(cells, doctest::getContextOptions()->currentTest->m_name);
  CHECK_MESSAGE(cell.pass(), cell);
}

}  // namespace

TEST_CASE("seed 004: every cell has its test") { CHECK(notebooks::unclaimed(notebooks::seed_004::cells()) == ""); }

TEST_CASE("seed 004 bn(x): normalised" * Claim{}) { check_claimed_cell(); }
TEST_CASE("seed 004 bn(x): running statistics" * Claim{}) { check_claimed_cell(); }
TEST_CASE("seed 004 bn(x): after the linear map" * Claim{}) { check_claimed_cell(); }
TEST_CASE("seed 004 bn(x, inference=True): normalised" * Claim{}) { check_claimed_cell(); }
TEST_CASE("seed 004 bn(x, inference=True): after the linear map" * Claim{}) { check_claimed_cell(); }
TEST_CASE("seed 004 bn(x2): mean over the samples" * Claim{}) { check_claimed_cell(); }
TEST_CASE("seed 004 nn.BatchNorm1d(x): the biased variance" * Claim{}) { check_claimed_cell(); }
