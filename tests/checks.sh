# What CI looks at beside the tests, step by step; sourced by run, whose need and build it uses.
# check_NAME is a step; the line above it says what `./run check list` prints of it.

# run_tests PRESET [CMAKE OPTION ...]: all of the preset's tests but those whose names match $skip.
run_tests() {
  build "$@"
  quietly "build/$1.tests.log" ctest --test-dir "build/$1" -j "$jobs" --output-on-failure --no-tests=error \
    ${skip:+-E "$skip"}
}
# run_in_pieces PRESET: the same of what is built, 20 test cases a process: some programs take long to start or to end.
run_in_pieces() {
  local tests=("build/$1/tests/tensornorm_tests" "--test-case-exclude=*${skip//|/*,*}*") count
  count=$("${tests[@]}" --count | sed -n 's/.*filters: //p')
  ((count > 0)) || { echo "no test cases" >&2; exit 1; }
  quietly "build/$1.tests.log" xargs -P "$jobs" -I{} bash -c '"$@" --first={} --last=$(({} + 19))' _ "${tests[@]}" \
    <<<"$(seq 1 20 "$count")"
  echo "$count test cases passed"
}
# quietly LOG COMMAND ...: runs it; shows the last lines of what it prints, and more of them when it fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    grep -v ' Passed ' "$log" | tail -n 200 >&2
    exit 1
  fi
  tail -n 3 "$log"
}
need_sanitizers() {
  need clang++ clang
  need "$(clang++ -print-resource-dir)/lib/linux" "libclang-rt-$(clang++ -dumpversion | cut -d. -f1)-dev"
}
# Tests of more of the same values than others already take; left out where every value is slow.
more_of_the_same="for many values|over 20 runs|one outlier|ill-conditioned|table of accuracy|promise 11|ResNet-50|with a pool of"
# The same for emulators and AddressSanitizer, whose time these were a fifth of: sums of millions of values, which
# ./run test takes.
long_sums="quantised data|millions of values|doubles that come again"
# level_3: the flag for AVX2 and FMA, where this machine's processor has them.
level_3() {
  if grep -qw avx2 /proc/cpuinfo; then echo -march=x86-64-v3; else echo "this machine has no AVX2" >&2; fi
}

# the tests with clang++ -O0, AddressSanitizer and UBSan; no unsigned number wraps, no conversion changes a value
check_sanitize() {
  need_sanitizers
  build sanitize
  # Of every property's 10 000, and of all ways to walk a tensor.
  TENSORNORM_CASES=500 TENSORNORM_ONE_IN=5 skip="$more_of_the_same|$long_sums" run_in_pieces sanitize
  quietly build/sanitize.other.log ctest --test-dir build/sanitize -j "$jobs" --output-on-failure --no-tests=error \
    -R "^(must not compile|documentation|-ffast-math)"
}
# The core alone, as what is outside of it sees no instruction set; the same goes for the emulated machines.
# what computes, passes at -O3: clang++ for this machine, in C++20; g++ with AVX2 and FMA; both NDEBUG
check_levels() {
  need clang++ clang
  run_tests core --fresh -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_STANDARD=20 \
    -DCMAKE_CXX_FLAGS_RELEASE="-O1 -march=native -DNDEBUG" -DTENSORNORM_PASSES_FLAGS=-O3
  run_tests core --fresh -DCMAKE_CXX_FLAGS_RELEASE="-O1 $(level_3) -DNDEBUG" -DTENSORNORM_PASSES_FLAGS=-O3
  # Levels that few machines have: they compile.
  local level
  for level in -mavx -march=knl -march=skylake-avx512; do
    g++ -std=c++17 -O1 "$level" -Wall -Wextra -Werror -isystem /usr/include/eigen3 -I include -fsyntax-only \
      tests/consumer/compiled_once/everything.cpp
  done
}
# what computes on 64-bit Arm, by qemu
check_aarch64() {
  need aarch64-linux-gnu-g++ g++-aarch64-linux-gnu qemu-aarch64 qemu-user
  TENSORNORM_ONE_IN=5 skip="$more_of_the_same|$long_sums" run_tests aarch64
}
# what computes, and the file formats, on s390x, where the most significant byte comes first, by qemu
check_s390x() {
  need s390x-linux-gnu-g++ g++-s390x-linux-gnu qemu-s390x qemu-user
  TENSORNORM_ONE_IN=5 skip="$more_of_the_same|$long_sums" run_tests s390x
}
# layers, values and both file formats fuzzed for half a minute each, as many at a time as there are processors
check_fuzz() {
  need_sanitizers
  SEED=1 tests/fuzz/fuzz.sh 30
}
# every way to use the library: headers alone, g++ and clang++, C++17 and C++20, find_package, FetchContent, pkg-config
check_use() {
  need clang++ clang pkg-config pkg-config python3 python3
  tests/consumer/every_way.sh
}
# the tests with g++, C++20, -O0 for this machine, and that they run 98 % of the lines of include/
check_coverage() {
  need gcovr gcovr
  target=tensornorm_tests build coverage -DCMAKE_CXX_STANDARD=20
  find build/coverage -name '*.gcda' -delete  # the counts of an earlier run
  TENSORNORM_CASES=200 TENSORNORM_ONE_IN=5 skip=$more_of_the_same run_in_pieces coverage
  tests/coverage.sh build/coverage
}
# the tests of threads with ThreadSanitizer and AVX2
check_threads() {
  need_sanitizers
  run_tests thread-sanitize -DCMAKE_CXX_FLAGS="$(level_3)"
}
# the Debian package, the recipes, gdb's printer
check_package() {
  ./run package
  need gdb gdb
  packaging/gdb/check.sh
}
# the tests of memory and of files with Valgrind and AVX2: nothing uninitialised decides or is written
check_valgrind() {
  need valgrind valgrind
  target=tensornorm_tests build valgrind -DCMAKE_CXX_FLAGS="$(level_3)"
  quietly build/valgrind.tests.log valgrind --quiet --num-callers=5 --error-exitcode=1 \
    build/valgrind/tests/tensornorm_tests
}
# including the library costs a compiler less than 1.3 times the instructions that Eigen's Tensor header does
check_compile_time() {
  need clang++ clang valgrind valgrind
  bench/compile_time.sh 0
}
# the same bits from g++ and clang++, optimised or not, whether or not products and sums are contracted into FMAs
check_bits() {
  need clang++ clang
  tests/bits/compare.sh $(level_3)
}
# the documentation, every public name with a comment; the README shows what the demo prints
check_docs() {
  ./run docs
  build demo
  (cd build && cmake -Ddemo="$PWD/demo/examples/tensornorm_demo" -P ../docs/snippets/readme.cmake)
}
# instructions an element, counted by valgrind, against their bounds; the other programs of bench/ compile
check_instructions() {
  need /usr/include/benchmark/benchmark.h libbenchmark-dev valgrind valgrind
  target=tensornorm_instructions build bench
  bench/instructions.sh build/bench/bench/tensornorm_instructions
  local program
  for program in benchmarks goals limits machine report scaling; do
    g++ -std=c++17 -O1 -Wall -Wextra -Werror -isystem /usr/include/eigen3 -I include -fsyntax-only \
      -DEIGEN_USE_THREADS -DTENSORNORM_BENCH_COMPILER='""' -DTENSORNORM_BENCH_FLAGS='""' "bench/$program.cpp"
  done
}
# files from Python and back
check_python() {
  need /usr/lib/python3/dist-packages/numpy/__init__.py python3-numpy
  tests/python/round_trip.sh
}

# The steps, the longest first. Two run at a time, as none keeps all cores busy from its beginning to its end.
run_checks() {
  local steps step name=() running=0 failed=() TIMEFORMAT='   %0R s; on all cores together %0U s, and %0S s in the system'
  steps=$(sed -n 's/^check_\([a-z0-9_]*\)() .*/\1/p' tests/checks.sh)
  about() { grep -B1 "^check_$1()" tests/checks.sh | sed -n '1s/^# //p'; }
  if [ "${1:-}" = list ]; then
    for step in $steps; do printf '%-14s%s\n' "$step" "$(about "$step")"; done
    return
  fi
  for step in "$@"; do
    declare -F "check_$step" >/dev/null || { echo "no such step: $step; ./run check list has them" >&2; exit 2; }
  done
  need_to_test
  mkdir -p build/checks
  # Prints what the first step to end has to say.
  collect() {
    local pid verdict=0
    wait -n -p pid || verdict=$?
    cat "build/checks/${name[$pid]}.log"
    ((verdict == 0)) || failed+=("${name[$pid]}")
    running=$((running - 1))
  }
  for step in ${*:-$steps}; do
    ((running < 2)) || collect
    { echo "-- $step: $(about "$step")" && time "check_$step"; } >"build/checks/$step.log" 2>&1 &
    name[$!]=$step
    running=$((running + 1))
  done
  while ((running > 0)); do collect; done
  ((${#failed[@]} == 0)) || { echo "failed: ${failed[*]}" >&2; exit 1; }
}
