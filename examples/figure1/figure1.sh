#!/usr/bin/env bash
# Trains and draws: figure1.sh tensornorm_figure1 [folder for figure1.svg and figure1.png, docs]
# The numbers behind the curves stay beside the program, in figure1.csv.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=${1:?usage: figure1.sh tensornorm_figure1 [folder]}
folder=${2:-$here/../../docs}
curves=$(dirname "$program")/figure1.csv
mkdir -p "$folder"
"$program" "$here/../data" "$curves"
gnuplot -e "data='$curves'; output='$folder/figure1'" "$here/figure1.gp"
echo "The pictures: $folder/figure1.svg, $folder/figure1.png"
