# Time a byte against size, a panel a pass, a line a sweep. Called by plot.sh with
#   data (blocks split by two empty lines, a sweep each, columns: elements, training, its limit, eval, its limit,
#   backward, its limit; each in picoseconds a byte), names (of the sweeps, each in quotes), caption, output
set logscale x 2
set logscale y 10
set xrange [64:2**28]
set yrange [2:1000]
set format x "2^{%L}"
set xtics 64,16 font ",9"
set ytics font ",9"
set grid lc rgb "#d8d8d8"
set border 3 lc rgb "#606060"
set xlabel "elements" font ",10"
array colours = ["#0b6e4f", "#e07a1f", "#4a7fb5", "#9b3f8f", "#c04040", "#a08000", "#707070"]
array passes = ["training forward", "eval forward", "backward"]
do for [ending in "svg png"] {
  if (ending eq "svg") { set terminal svg size 1280,520 font "DejaVu Sans,11" background rgb "white" } \
  else { set terminal pngcairo size 1280,520 font "DejaVu Sans,11" background rgb "white" }
  set output output.".".ending
  set multiplot layout 1,3 title "Picoseconds a byte against the size of a layer, float, one thread\n" font ",15"
  set label 1 caption at screen 0.5, screen 0.92 center font ",9" textcolor rgb "#505050" noenhanced
  do for [p=1:3] {
    set title passes[p] font ",12" offset 0,-0.5
    set tmargin at screen 0.82
    set key at graph 0.98, graph 0.98 right font ",9"
    plot for [i=1:words(names)] data index (i-1) using 1:(column(2*p)) with lines lw 2 lc rgb colours[i] \
           title (p == 1 ? word(names, i) : ""), \
         data index 2 using 1:(column(2*p+1)) with lines lw 2 dt 2 lc rgb "#202020" title (p == 1 ? "the limit" : "")
    unset label 1
  }
  unset multiplot
}
