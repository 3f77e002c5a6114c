# What CI looks at beside the tests, step by step; sourced by run, whose need and build it uses.
# check_NAME is a step; the line above it says what `./run check list` prints of it.

# run_tests PRESET [CMAKE OPTION ...]
run_tests() {
  build "$@"
  ctest --test-dir "build/$1" -j "$jobs" --output-on-failure --no-tests=error | tail -n 3
}

# every way to use the library: headers alone, g++ and clang++, C++17 and C++20, find_package, FetchContent, pkg-config
check_use() {
  need clang++ clang pkg-config pkg-config python3 python3
  tests/consumer/every_way.sh
}
# including the library costs a compiler less than 1.3 times what Eigen's Tensor header does
check_compile_time() {
  need clang++ clang
  bench/compile_time.sh 5
}
# the tests with clang++, C++20, this machine's instructions, -O3, NDEBUG
check_native() {
  need clang++ clang
  run_tests native -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_STANDARD=20 -DTENSORNORM_BUILD_EXAMPLES=OFF
}
# the tests with g++, AVX2 and FMA
check_avx2() {
  if ! grep -q avx2 /proc/cpuinfo; then
    echo "this machine has no AVX2"
    return
  fi
  run_tests avx2
}
# instructions an element, counted by valgrind, against their bounds
check_instructions() {
  need /usr/include/benchmark/benchmark.h libbenchmark-dev valgrind valgrind
  target=tensornorm_instructions build bench
  bench/instructions.sh build/bench/bench/tensornorm_instructions
}
# the tests with AddressSanitizer and UBSan
check_sanitize() { run_tests sanitize; }
# the tests of threads with ThreadSanitizer
check_threads() {
  need clang++ clang /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux libclang-rt-14-dev
  run_tests thread-sanitize
}
# layers, values and both file formats fuzzed for a minute each, as many at a time as there are processors
check_fuzz() {
  need clang++ clang /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux libclang-rt-14-dev
  tests/fuzz/fuzz.sh 60
}
# files from Python and back
check_python() {
  need /usr/lib/python3/dist-packages/numpy/__init__.py python3-numpy
  tests/python/round_trip.sh
}
# the documentation, every public name with a comment
check_docs() { ./run docs; }
# the Debian package, the recipes, gdb's printer
check_package() {
  ./run package
  need gdb gdb
  packaging/gdb/check.sh
}

run_checks() {
  need_to_test
  local steps step began
  steps=$(sed -n 's/^check_\([a-z0-9_]*\)() .*/\1/p' tests/checks.sh)
  if [ "${1:-}" = list ]; then
    for step in $steps; do printf '%-14s%s\n' "$step" "$(grep -B1 "^check_$step()" tests/checks.sh | sed -n '1s/^# //p')"; done
    return
  fi
  for step in ${*:-$steps}; do
    echo "-- $step: $(grep -B1 "^check_$step()" tests/checks.sh | sed -n '1s/^# //p')"
    began=$SECONDS
    "check_$step"
    echo "   $((SECONDS - began)) s"
  done
}
