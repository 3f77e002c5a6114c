#!/usr/bin/env bash
# Fuzzes each target for some seconds with libFuzzer, from its kept inputs on: tests/fuzz/fuzz.sh [SECONDS [TARGET ...]].
# The targets are layer, values, npy and safetensors; as many run at a time as there are processors.
# SEED=1 before it tries the same inputs each time, as far as time allows: what fails then is the change, not the dice.
# A crash leaves its input in build/fuzz; run the program on that file to see it again, then keep it in corpus/TARGET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-60}
targets=("${@:2}")
((${#targets[@]} > 0)) || for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
out=build/fuzz
mkdir -p "$out"

compile() {
  clang++ -std=c++17 -O1 -g1 -fsanitize=fuzzer,address,undefined,float-cast-overflow -fno-sanitize-recover=all \
    -fsanitize-coverage-ignorelist=tests/fuzz/no_coverage.txt -DEIGEN_USE_THREADS -I include -I tests \
    -isystem "${EIGEN:-/usr/include/eigen3}" "tests/fuzz/fuzz_$1.cpp" -pthread -o "$out/$1"
}
fuzz() {
  [ -z "${SEED:-}" ] || rm -rf "$out/found_$1"
  mkdir -p "$out/found_$1"
  "$out/$1" -seed="${SEED:-0}" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$out/$1-" "$out/found_$1" "tests/fuzz/corpus/$1"
}
# One target a core.
for target in "${targets[@]}"; do
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done
  (compile "$target" && fuzz "$target" && echo pass >"$out/$target.verdict" || echo FAIL >"$out/$target.verdict") \
    >"$out/$target.log" 2>&1 &
done
wait
status=0
for target in "${targets[@]}"; do
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
  echo "$(cat "$out/$target.verdict")  $target: ${executions:-no} executions"
  if ! grep -q pass "$out/$target.verdict"; then
    tail -n 50 "$out/$target.log"
    status=1
  fi
done
exit $status
