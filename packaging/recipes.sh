#!/usr/bin/env bash
# The vcpkg port and the Conan recipe, as far as they run where neither tool is: see the stand_in files. What they
# package is what `cmake --install` installs, and programs are built on it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$PWD/build/recipes
mkdir -p "$out"
version=$(sed -n 's/^#define TENSORNORM_VERSION_.* //p' include/tensornorm/version.hpp | paste -sd.)
grep -qx "version: $version" CITATION.cff || { echo "CITATION.cff is not at $version, the library's version" >&2; exit 1; }

python3 - "$version" <<'PYTHON'
import json, sys
port = json.load(open("packaging/vcpkg/tensornorm/vcpkg.json"))
assert port["version-semver"] == sys.argv[1], f"vcpkg.json is at {port['version-semver']}, the library at {sys.argv[1]}"
assert {"name", "description", "license", "dependencies"} <= port.keys()
PYTHON
cmake -DPREFIX="$out/vcpkg" -P packaging/vcpkg/stand_in.cmake >"$out/log"
diff -r include "$out/vcpkg/include"
ls "$out/vcpkg/share/tensornorm" | paste -sd' '
cmake -S packaging/conan/test_package -B "$out/program" --fresh -DCMAKE_PREFIX_PATH="$out/vcpkg" >>"$out/log"
cmake --build "$out/program" >>"$out/log"
"$out/program/test_package"
echo "vcpkg: the port ran on stand-ins for vcpkg's functions; a program finds the package and runs"

[[ $(packaging/conan/stand_in.py "$out/conan") == *"; $version; "* ]]
diff -r include "$out/conan/package/include"
g++ -std=c++17 -I "$out/conan/package/include" -isystem /usr/include/eigen3 \
  packaging/conan/test_package/test_package.cpp -o "$out/with_conan"
"$out/with_conan"
echo "Conan: the recipe ran on stand-ins for Conan's modules; its test program runs on the packaged headers"
