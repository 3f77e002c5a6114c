#!/usr/bin/env bash
# Line coverage of include/ by the unit tests, without optimisation: tests/coverage.sh BUILD_FOLDER. Below 98 % it fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$1
find "$build" -name '*.gcda' -delete
ctest --test-dir "$build" -j "$(nproc)" --output-on-failure --no-tests=error | tail -n 3
gcovr --root . --filter include/ --object-directory "$build" -j "$(nproc)" --exclude-throw-branches \
  --gcov-ignore-parse-errors --txt "$build/coverage.txt" --fail-under-line 98 --print-summary "$build" | grep '^lines'
sort -t% -k1 "$build/coverage.txt" | grep '\.hpp' | awk '$4 != "100%"' || true
