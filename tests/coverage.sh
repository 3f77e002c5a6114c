#!/usr/bin/env bash
# Line coverage of include/ by the tests, without optimisation: tests/coverage.sh BUILD_FOLDER. Below 98 % it fails.
# Lines of a template that nothing instantiates are not counted: gcov does not see them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$1
find "$build" -name '*.gcda' -delete
TENSORNORM_CASES=200 "$build/tests/tensornorm_tests" | tail -n 4
verdict=0
gcovr --root include/tensornorm --object-directory "$build" --txt "$build/coverage.txt" --fail-under-line 98 \
  --print-summary "$build" | grep '^lines' || verdict=1
echo "lines that no test runs, by header:"
awk '$4 ~ /%/ && $4 != "100%"' "$build/coverage.txt"
exit $verdict
