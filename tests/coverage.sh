#!/usr/bin/env bash
# Line coverage of include/ by the tests, without optimisation: tests/coverage.sh BUILD_FOLDER [SKIPPED], the latter names
# of tests with | between them. Below 98 % it fails.
# Lines of a template that nothing instantiates are not counted: gcov does not see them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$1 skipped=${2:-no such test}
find "$build" -name '*.gcda' -delete
# Two programs at once, half of the tests each; what they count is added up in the same files.
tests=("$build/tests/tensornorm_tests" "--test-case-exclude=*${skipped//|/*,*}*")
half=$(($("${tests[@]}" --count | sed -n 's/.*filters: //p') / 2))
export TENSORNORM_CASES=200
"${tests[@]}" --last=$half >"$build/first.log" &
failed=
"${tests[@]}" --first=$((half + 1)) >"$build/second.log" || failed="$build/second.log"
wait $! || failed="$build/first.log"
tail -n 4 "$build/first.log" "$build/second.log"
[ -z "$failed" ] || { tail -n 60 "$failed"; exit 1; }
verdict=0
# Threads that count the same line at once may leave a count that is not one, of a line that was run all the same.
gcovr --root include/tensornorm --object-directory "$build" --gcov-ignore-parse-errors --txt "$build/coverage.txt" \
  --fail-under-line 98 --print-summary "$build" 2>"$build/gcovr.log" | grep '^lines' || verdict=1
echo "headers with lines that no test runs: lines, run, lines that are not"
awk '$4 ~ /%/ && $2 != $3' "$build/coverage.txt"
exit $verdict
