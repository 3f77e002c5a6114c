#!/bin/sh
# Draws what tensornorm_goals and tensornorm_scaling have written: SVG and PNG, with gnuplot.
#
#   bench/plot.sh goals.json [scaling.json] [folder for the pictures, docs/plots]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
goals=${1:?usage: plot.sh goals.json [scaling.json] [folder]}
scaling=${2:-}
folder=${3:-$here/../docs/plots}
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The files have one flat object a line: field(name) is its value.
fields='function field(name,  rest) {
  if (!match($0, "\"" name "\": ")) return ""
  rest = substr($0, RSTART + RLENGTH)
  if (rest ~ /^"/) { rest = substr(rest, 2); sub(/".*/, "", rest) } else sub(/[,}].*/, "", rest)
  return rest
}'
caption() {
  awk "$fields"'/"processor"/ {
    print field("processor") " (" field("caches") "), " field("compiler") " " field("flags") "; " field("command"); exit
  }' "$1"
}

# Layer, limit, ours, libtorch and oneDNN (its fastest layout) of one pass, on one thread, in float.
columns() {
  awk -v pass="$1" -v limit_a="$2" -v limit_b="$3" "$fields"'
    function least(a, b) { return a == "" || b + 0 < a + 0 ? b : a }
    field("threads") == "1" && field("scalar") == "float" {
      layer = field("layer"); who = field("contender"); time = field("median_us")
      if (!(layer in seen)) { seen[layer] = 1; order[++count] = layer }
      if (who == limit_a || who == limit_b) limit[layer] = least(limit[layer], time)
      if (who == pass) ours[layer] = time
      if (who == "libtorch " pass) torch[layer] = time
      if (who ~ "^oneDNN .* " pass "$") onednn[layer] = least(onednn[layer], time)
    }
    function shown(t) { return t == "" ? "?" : t }
    function rounded(t) { return sprintf(t < 10 ? "%.2g" : "%.0f", t) }
    END {
      for (i = 1; i <= count; ++i) {
        l = order[i]
        if (limit[l] == "") continue
        name = l; sub(/ NHWC/, "\\nNHWC", name)
        printf "\"%s\\n%s us\" %s ", name, rounded(limit[l]), limit[l]
        printf "%s %s %s\n", shown(ours[l]), shown(torch[l]), shown(onednn[l])
      }
    }' "$goals"
}

bars() {  # file, heading, pass, limits, their name
  columns "$3" "$4" "$5" >"$work/$1"
  gnuplot -e "data='$work/$1'; heading='$2'; limit_name='$6'; caption='$(caption "$goals")'; output='$folder/$1'" \
    "$here/bars.gp"
}
bars training 'Training forward, float, one thread' training memcpy 'streaming copy' 'limit: copying the tensor'
bars eval 'Eval forward, float, one thread' eval memcpy 'streaming copy' 'limit: copying the tensor'
bars backward 'Backward, float, one thread' backward 'three streams' 'three streams past caches' \
  'limit: reading two tensors, writing one'

if [ -n "$scaling" ]; then
  awk "$fields"'
    field("pass") != "" {
      sweep = field("sweep")
      if (sweep != last) { if (last != "") print "\n"; last = sweep }
      if (field("pass") == "training") printf "%s", field("elements")
      printf " %s %s", field("ps_per_byte"), field("limit_ps_per_byte")
      if (field("pass") == "backward") printf "\n"
    }' "$scaling" >"$work/scaling"
  names=$(awk "$fields"'
    field("pass") != "" && !(field("sweep") in seen) { seen[field("sweep")]; printf "\"%s\" ", field("sweep") }' "$scaling")
  gnuplot -e "data='$work/scaling'; names='$names'; caption='$(caption "$scaling")'; output='$folder/scaling'" \
    "$here/scaling.gp"
fi
ls "$folder"
