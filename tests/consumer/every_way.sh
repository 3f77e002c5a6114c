#!/usr/bin/env bash
# Every way in which another project may come by this library, each used once: tests/consumer/every_way.sh [WORK FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=$(mkdir -p "${1:-build/consumer}" && cd "${1:-build/consumer}" && pwd)
installed=$out/installed
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wdouble-promotion -Werror"
json=OFF
[ -e /usr/include/nlohmann/json.hpp ] && json=ON
exec 3>&1

# step NAME COMMAND ...: runs it silently; one line says how it went, and the end of its output when it failed.
step() {
  name=$1 began=$SECONDS
  shift
  "$@" >"$out/log" 2>&1
  echo "pass  $name ($((SECONDS - began)) s)"
}
trap 'status=$?; ((status == 0)) || { echo "FAIL  $name"; tail -n 40 "$out/log"; } >&3' EXIT

# configure NAME OPTION ...: the consumer, afresh, in a build folder of that name.
configure() { cmake -S tests/consumer -B "$out/$1" --fresh -DCMAKE_PREFIX_PATH="$installed" "${@:2}"; }

consume() {
  configure consumer "$@"
  cmake --build "$out/consumer" -j "$(nproc)"
  "$out/consumer/consumer"
}

headers_alone() {
  cmake --preset headers -B "$out/headers" --fresh -DCMAKE_CXX_STANDARD=17
  cmake --build "$out/headers" -j "$(nproc)" --target all_verify_interface_header_sets
}

# The tree is moved after it was installed: nothing in it may know where it was.
install_and_move() {
  rm -rf "$out/first" "$installed"
  cmake --install "$out/headers" --prefix "$out/first"
  mv "$out/first" "$installed"
  if grep -r -e "$out" -e "$PWD" "$installed"; then return 1; fi
}

# Every header in both translation units, as -I and not -isystem.
plain_compiler() {
  local flags="-std=c++$2 $warnings -I include -isystem /usr/include/eigen3"
  for header in include/tensornorm/*.hpp; do
    [ $json = OFF ] && [[ $header == */safetensors.hpp ]] || echo "#include <${header#include/}>"
  done >"$out/every_header.hpp"
  $1 $flags -include "$out/every_header.hpp" tests/consumer/{main,layer}.cpp -o "$out/plain"
  "$out/plain"
}

# Eigen's own sizes in 32 bits, beside tensors that have them in 64.
narrow_index() {
  g++ -std=c++17 $warnings -DEIGEN_DEFAULT_DENSE_INDEX_TYPE=int -I include -isystem /usr/include/eigen3 \
    tests/consumer/any_index.cpp -o "$out/narrow_index"
  "$out/narrow_index"
}

# Some warnings only an optimiser can give. The compilers run at the same time.
optimised() {
  for compiler in g++ clang++; do
    $compiler -std=c++20 -O2 -march=native $warnings -I include -isystem /usr/include/eigen3 \
      tests/consumer/every_type.cpp -o "$out/optimised_by_$compiler" &
  done
  wait -n
  wait -n
  for compiler in g++ clang++; do "$out/optimised_by_$compiler"; done
}

with_pkg_config() {
  export PKG_CONFIG_PATH=$installed/share/pkgconfig
  local flags
  flags=$(pkg-config --cflags 'tensornorm >= 0.1')
  eval "flags=($flags)"  # as pkg-config quotes them
  g++ -std=c++17 "${flags[@]}" tests/consumer/{main,layer}.cpp -o "$out/with_pkg_config"
  "$out/with_pkg_config"
  if pkg-config 'tensornorm >= 0.99'; then return 1; fi
}

as_system_headers() {
  consume -DHOW="$1" -DSYSTEM=ON -DEIGEN=TARGET
  grep -qF -e "-isystem $PWD/include " -e "-isystem \\\"$PWD/include\\\" " "$out/consumer/compile_commands.json"
}

# One file in the place of the whole include folder, and it is what the headers say now.
single_header() {
  packaging/single_header.py --check
  mkdir -p "$out/single/tensornorm"
  cp packaging/tensornorm-single.hpp "$out/single/tensornorm/tensornorm.hpp"
  $1 -std=c++17 $warnings -I "$out/single" -isystem /usr/include/eigen3 tests/consumer/{main,layer}.cpp -o "$out/single/program"
  "$out/single/program"
}

# With explicit instantiation a program's own object files hold none of the passes, and without it they do.
compiled_once() {
  local passes=' [TW] void .*functional::.*<Eigen::DefaultDevice'
  for source in everything user norm; do
    $1 -std=c++17 $warnings -I include -isystem /usr/include/eigen3 -c tests/consumer/compiled_once/$source.cpp \
      -o "$out/$source.o"
  done
  nm -C "$out/everything.o" | grep -c "$passes"
  if nm -C "$out/user.o" | grep "$passes"; then return 1; fi
  $1 "$out/user.o" "$out/norm.o" -o "$out/user"
  "$out/user"
}

# The names in the cache of a project before and after it added the library; and it installs nothing of ours.
adds_nothing() {
  configure before -DHOW=NONE -DEIGEN=TARGET
  configure after -DHOW=SUBDIRECTORY -DEIGEN=TARGET
  for project in before after; do sed -n 's/^\([A-Za-z][^:]*\):.*/\1/p' "$out/$project/CMakeCache.txt" | sort >"$out/$project.names"; done
  comm -13 "$out/before.names" "$out/after.names" | tee "$out/added.names"
  [ -s "$out/added.names" ]
  if grep -v -i '^tensornorm_' "$out/added.names"; then return 1; fi
  rm -rf "$out/nothing"
  cmake --install "$out/after" --prefix "$out/nothing"
  [ ! -e "$out/nothing" ]
}

# The README's commands that build or install something, as they stand there.
readme_commands() {
  local compile commands build
  printf -v build %q "$out/readme_build"
  compile=$(sed -n 's/^| only headers | `\(.*\)` |$/\1/p' README.md)
  commands=$(sed -n '/^cmake -S/,/^cmake --install/p' README.md)
  ${compile/app.cpp/examples/quickstart.cpp} -o "$out/from_readme"
  "$out/from_readme"
  DESTDIR=$out/readme bash -ec "${commands//build\/install/$build}"
  diff -r include "$out/readme/usr/local/include"
}

versions() { cmake -S tests/consumer/versions -B "$out/versions" --fresh -DCMAKE_PREFIX_PATH="$installed"; }

weights() {
  configure weights -DSAFETENSORS=ON
  cmake --build "$out/weights" -j "$(nproc)"
  (cd "$out" && weights/weights)
}

[ $json = ON ] || echo "note  nlohmann-json is not installed: safetensors.hpp is left out"
# What a header forgets to include, it forgets with every compiler; in C++17 the system's headers include the least.
step "every header alone: g++, C++17" headers_alone
for compiler in g++ clang++; do
  for standard in 17 20; do
    step "plain -I, warnings are errors, two translation units: $compiler, C++$standard" plain_compiler $compiler $standard
  done
done
step "plain -I, warnings are errors, every scalar type, -O2 -march=native: g++ and clang++" optimised
step "plain -I, warnings are errors, an index of 32 bits: g++" narrow_index
step "installed, moved" install_and_move
step "find_package: g++, C++17" consume -DHOW=FIND
step "find_package: clang++, C++20" consume -DHOW=FIND -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_STANDARD=20
step "find_package: the versions it accepts, on another architecture" versions
if [ $json = ON ]; then step "find_package: COMPONENTS safetensors" weights; fi
step "pkg-config" with_pkg_config
for how in SUBDIRECTORY FETCH; do
  step "$how, warnings are errors" consume -DHOW=$how "-DCMAKE_CXX_FLAGS=$warnings"
  step "$how, SYSTEM, and the project's own Eigen3::Eigen" as_system_headers $how
done
step "a project that adds the library gets nothing else" adds_nothing
step "the commands of the README" readme_commands
for compiler in g++ clang++; do
  step "the passes compiled in one place: $compiler" compiled_once $compiler
  step "the single header: $compiler" single_header $compiler
done
echo "every way works"
