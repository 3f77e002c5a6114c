# Bars of one pass: its time over that of the memory's limit, layer by layer. Called by plot.sh with
#   data (columns: the layer with its limit, the limit, ours, libtorch, oneDNN, each in us or ?),
#   heading, limit_name, caption, output (without its ending)
set datafile missing "?"
set style data histograms
set style histogram clustered gap 1.2
set style fill solid 0.9 noborder
set boxwidth 0.9
set logscale y 2
set yrange [0.5:64]
set ytics ("0.5" 0.5, "1" 1, "2" 2, "4" 4, "8" 8, "16" 16, "32" 32, "64" 64)
set ylabel "time, in multiples of the limit" font ",11"
set xtics nomirror font ",9"
set ytics font ",10"
set grid ytics lc rgb "#d8d8d8" lw 1
set border 3 lc rgb "#606060"
set key top right horizontal font ",11"
set tmargin 5
set bmargin 6.5
set title heading font ",15" offset 0,1.2
set label 1 caption at graph 0, graph 1.0 offset 0,1.0 font ",9" textcolor rgb "#505050" noenhanced
set label 2 "microseconds of the limit below each layer" at graph 1, graph 0 right offset 0,-4.6 font ",9" \
  textcolor rgb "#505050"
stats data using 4 nooutput
torch = STATS_records
stats data using 5 nooutput
onednn = STATS_records
do for [ending in "svg png"] {
  if (ending eq "svg") { set terminal svg size 1280,560 font "DejaVu Sans,11" background rgb "white" } \
  else { set terminal pngcairo size 1280,560 font "DejaVu Sans,11" background rgb "white" }
  set output output.".".ending
  plot data using ($3/$2):xtic(1) title "tensornorm" lc rgb "#0b6e4f", \
       (torch > 0 ? data : "/dev/null") using ($4/$2) title (torch > 0 ? "PyTorch" : "") lc rgb "#e07a1f", \
       (onednn > 0 ? data : "/dev/null") using ($5/$2) \
         title (onednn > 0 ? "oneDNN, best layout" : "") lc rgb "#4a7fb5", \
       1 with lines lw 2 lc rgb "#202020" title limit_name
}
