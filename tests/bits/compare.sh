#!/usr/bin/env bash
# compare.sh FLAG ...: with the same instruction set, which the flags choose, results have the same bits whatever the
# compiler, its optimisation and its contraction of products and sums. Builds digests.cpp in several ways and compares.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=build/bits
mkdir -p "$folder"

# digests_of COMPILER FLAG ...: what the program prints that is built so.
digests_of() {
  "$@" -std=c++17 -Wall -Wextra -Werror -isystem /usr/include/eigen3 -I include tests/bits/digests.cpp \
    -o "$folder/digests"
  "$folder/digests"
}
digests_of g++ -O2 "$@" >"$folder/first.txt"
while read -r way; do
  # shellcheck disable=SC2086  # a way is several words
  digests_of $way "$@" >"$folder/other.txt"
  if ! diff "$folder/first.txt" "$folder/other.txt"; then
    echo "g++ -O2 and $way $*: other bits" >&2
    exit 1
  fi
done <<'END'
g++ -O0
clang++ -O2 -ffp-contract=fast
END
echo "$(wc -l <"$folder/first.txt") digests, of all builds the same"
