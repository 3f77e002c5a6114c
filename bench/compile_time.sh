#!/usr/bin/env bash
# What the library costs a compiler: bench/compile_time.sh [REPETITIONS]. Exits 1 when including it takes a compiler 1.3
# times the instructions that Eigen's own Tensor header does, or more: valgrind's counts differ by a few thousandths from
# run to run, however busy the machine is. Seconds are for the reader: processor seconds, the least of runs taken in
# turns; with 0 repetitions there are none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repetitions=${1:-9}
bar=1.3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
include="-I include -isystem /usr/include/eigen3"

# seconds COMMAND ... SOURCE: appends the processor seconds it took, user and system, to a file named like its source.
seconds() {
  local TIMEFORMAT='%3U %3S'
  { time "$@" 2>"$work/errors"; } 2>"$work/time" || { cat "$work/errors" >&2; exit 1; }
  awk '{ print $1 + $2 }' "$work/time" >>"$work/$(basename "${!#}").seconds"
}
least() { sort -n "$work/$1.seconds" | head -n 1; }

# instructions COMMAND ... SOURCE: those of the command and of what it starts, in units of 10^9.
instructions() {
  valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null --trace-children=yes "$@" 2>&1 |
    awk '/ refs: / { gsub(",", ""); sum += $NF } END { printf "%.2f\n", sum / 1e9 }'
}

echo '#include <tensornorm/detail/eigen_tensor.hpp>' >"$work/eigen.cpp"
echo '#include <tensornorm/tensornorm.hpp>' >"$work/tensornorm.cpp"
failed=0

echo "Including a header, C++17              Eigen's Tensor   tensornorm.hpp   ratio (of instructions: under $bar)"
for compiler in g++ clang++; do
  # C++20's own headers are larger, so the ratio is smaller there.
  command="$compiler -std=c++17 -fsyntax-only $include"
  for ((i = 0; i < repetitions; i++)); do
    for header in eigen tensornorm; do seconds $command "$work/$header.cpp"; done
  done
  instructions $command "$work/eigen.cpp" >"$work/eigen.count" &
  instructions $command "$work/tensornorm.cpp" >"$work/tensornorm.count"
  wait $!
  if ((repetitions > 0)); then
    awk -v name=$compiler -v e="$(least eigen.cpp)" -v t="$(least tensornorm.cpp)" 'BEGIN {
      printf "  %-7s seconds %30.2f %16.2f %7.2f\n", name, e, t, t / e }'
    rm "$work"/*.seconds
  fi
  awk -v name=$compiler -v e="$(cat "$work/eigen.count")" -v t="$(cat "$work/tensornorm.count")" -v bar=$bar 'BEGIN {
      printf "  %-7s 10^9 instructions %20.2f %16.2f %7.2f\n", name, e, t, t / e
      exit e == 0 || t / e >= bar }' || failed=1
done
((repetitions > 0)) || exit $failed

echo "A training step, -O2, seconds           compiled here   compiled elsewhere   elsewhere, once"
for compiler in g++ clang++; do
  for ((i = 0; i < repetitions; i += 3)); do
    for source in everything user norm; do
      seconds $compiler -std=c++17 -O2 -c -o "$work/object" $include "tests/consumer/compiled_once/$source.cpp"
    done
  done
  printf "  %-34s %16.2f %20.2f %17.2f\n" $compiler "$(least everything.cpp)" "$(least user.cpp)" "$(least norm.cpp)"
  rm "$work"/*.seconds
done
exit $failed
