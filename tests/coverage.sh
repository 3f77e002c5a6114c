#!/usr/bin/env bash
# Line coverage of include/ by tests that were built with --coverage and have run: tests/coverage.sh BUILD_FOLDER. Below
# 98 % it fails.
# Lines of a template that nothing instantiates are not counted: gcov does not see them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$1
verdict=0
# Threads that count the same line at once may leave a count that is not one, of a line that was run all the same.
gcovr --root include/tensornorm --object-directory "$build" --gcov-ignore-parse-errors --txt "$build/coverage.txt" \
  --fail-under-line 98 --print-summary "$build" 2>"$build/gcovr.log" | grep '^lines' || verdict=1
echo "headers with lines that no test runs: lines, run, lines that are not"
awk '$4 ~ /%/ && $2 != $3' "$build/coverage.txt"
exit $verdict
