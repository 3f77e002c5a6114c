#!/bin/sh
# Counts instructions an element with callgrind and holds them against the bounds in instructions_bounds.txt.
#
#   bench/instructions.sh path/to/tensornorm_instructions             prints the table; fails if a bound is exceeded
#   bench/instructions.sh path/to/tensornorm_instructions --update    writes bounds 15 % above what it counts,
#                                                                            where they were not below that
#
# Bounds belong to the compiler named in their file: another one may count more without being slower.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=${1:?usage: instructions.sh path/to/tensornorm_instructions [--update]}
bounds=$here/instructions_bounds.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

valgrind --quiet --tool=callgrind --collect-atstart=no --toggle-collect=counted_pass --dump-after=counted_pass \
  --callgrind-out-file="$work/counts" "$program" >"$work/rows" 2>"$work/log" || { cat "$work/log"; exit 1; }

# callgrind numbers its dumps .1, .2, ... in the order of the rows that the program printed.
row=0
while read -r name elements; do
  row=$((row + 1))
  count=$(awk '/^(summary|totals):/ {print $2; exit}' "$work/counts.$row")
  echo "$name $elements $count"
done <"$work/rows" >"$work/counted"

if [ "${2:-}" = --update ]; then
  {
    echo "# Most instructions an element: at most 15 % above those counted with $(${CXX:-g++} --version | head -n 1)"
    awk '
      FNR == NR { if ($1 !~ /^#/) bound[$1] = $2; next }
      {
        new = 1.15 * $3 / $2
        printf "%-40s %8.3f\n", $1, ($1 in bound) && bound[$1] < new ? bound[$1] : new
      }' "$bounds" "$work/counted"
  } >"$work/bounds"
  mv "$work/bounds" "$bounds"
fi

awk '
  FNR == NR { if ($1 !~ /^#/) bound[$1] = $2; next }
  {
    count = $3 / $2
    verdict = count <= 0 ? "NOT COUNTED" : !($1 in bound) ? "no bound" : count <= bound[$1] + 0 ? "ok" : "TOO MANY"
    if (verdict != "ok") bad = 1
    seen[$1]
    printf "%-40s %8.3f  bound %8.3f  %s\n", $1, count, bound[$1], verdict
  }
  END {
    for (name in bound) if (!(name in seen)) { print name "  NOT COUNTED"; bad = 1 }
    exit bad
  }' "$bounds" "$work/counted"
