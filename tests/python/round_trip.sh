#!/usr/bin/env bash
# Files from Python to C++ and back: written anew by Python (the same bytes as fixtures/), read and written by the
# library, read by Python. Needs numpy, Eigen, nlohmann-json and a compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=${PYTHON:-/usr/bin/python3}
export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" tests/python/write_fixtures.py "$work/from_python"
diff -r tests/python/fixtures "$work/from_python"
echo "Python: wrote the bytes of tests/python/fixtures"

"${CXX:-g++}" -std=c++17 -O1 -I include -isystem "${EIGEN:-/usr/include/eigen3}" tests/python/write_files.cpp \
  -o "$work/write_files"
mkdir "$work/from_cpp"
"$work/write_files" "$work/from_python" "$work/from_cpp"
"$python" tests/python/read_files.py "$work/from_cpp" "$work/from_python"
