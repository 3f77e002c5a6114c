#!/usr/bin/env bash
# What the library costs a compiler: bench/compile_time.sh [REPETITIONS]. Exits 1 when including it costs 1.3 times what
# Eigen's own Tensor header does, or more. All times are processor seconds, the least of runs taken in turns: other
# programs on the machine only ever add to them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repetitions=${1:-9}
bar=1.3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# seconds COMMAND ... SOURCE: appends the processor seconds it took, user and system, to a file named like its source.
seconds() {
  local TIMEFORMAT='%3U %3S'
  { time "$@" 2>"$work/errors"; } 2>"$work/time" || { cat "$work/errors" >&2; exit 1; }
  awk '{ print $1 + $2 }' "$work/time" >>"$work/$(basename "${!#}").seconds"
}
least() { sort -n "$work/$1.seconds" | head -n 1; }

echo '#include <tensornorm/detail/eigen_tensor.hpp>' >"$work/eigen.cpp"
echo '#include <tensornorm/tensornorm.hpp>' >"$work/tensornorm.cpp"
failed=0

echo "Including a header, seconds         Eigen's Tensor   tensornorm.hpp   ratio (bar: under $bar)"
for compiler in g++ clang++; do
  for standard in 17 20; do
    rm -f "$work"/*.seconds
    for ((i = 0; i < repetitions; i++)); do
      for header in eigen tensornorm; do
        seconds $compiler -std=c++$standard -fsyntax-only -I include -isystem /usr/include/eigen3 "$work/$header.cpp"
      done
    done
    awk -v name="$compiler, C++$standard" -v e="$(least eigen.cpp)" -v t="$(least tensornorm.cpp)" -v bar=$bar '
      BEGIN { printf "  %-30s %17.2f %16.2f %7.2f\n", name, e, t, t / e; exit t / e >= bar }' || failed=1
  done
done

echo "A training step, -O2, seconds       compiled here   compiled elsewhere   elsewhere, once"
for compiler in g++ clang++; do
  rm -f "$work"/*.seconds
  for ((i = 0; i < repetitions; i += 3)); do
    for source in everything user norm; do
      seconds $compiler -std=c++17 -O2 -c -o "$work/object" -I include -isystem /usr/include/eigen3 \
        "tests/consumer/compiled_once/$source.cpp"
    done
  done
  printf "  %-30s %16.2f %20.2f %17.2f\n" $compiler "$(least everything.cpp)" "$(least user.cpp)" "$(least norm.cpp)"
done
exit $failed
