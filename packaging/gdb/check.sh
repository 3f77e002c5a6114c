#!/usr/bin/env bash
# Runs the quickstart under gdb and looks at what the printer shows of its layer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p build/gdb
eigen=${EIGEN_INCLUDE:-/usr/include/eigen3}
g++ -std=c++17 -g -O0 -I include -isystem "$eigen" examples/quickstart.cpp -o build/gdb/quickstart
shown=$(gdb -q -batch -ex "source packaging/gdb/tensornorm_gdb.py" -ex "break tensornorm::v0::detail::layer_text" \
  -ex run -ex "up" -ex "print layer" -ex "up" -ex "print bn" build/gdb/quickstart 2>&1 || true)
# A reference to the layer, in the library's own frame, and the layer itself.
layer='BatchNorm2d(3), eval, 1 batches tracked = {weight = {1, 1, 1}, bias = {0, 0, 0}, running_mean = {0.4'
if [ "$(grep -c "$layer" <<<"$shown")" != 2 ]; then
  echo "$shown" | tail -n 20
  exit 1
fi
echo "gdb shows a layer as its options, mode and numbers a channel"
