# Figure 1 as SVG and PNG. Called by figure1.sh with
#   data (what tensornorm_figure1 wrote), output (without its ending)
set datafile separator comma columnheaders
stats data using "plain mean" nooutput
best = 100*STATS_max

# On the logarithmic axis the later points crowd: 30 a decade are kept.
keep(step) = step >= 20 && (step < 300 || int(30*log10(step)) > int(30*log10(step-20)))
set table $curves separator tab
plot data using 1:2:3:4:5:6:7:8:9:10:11:12:13 with table if (keep($1))
unset table
set datafile separator tab
set datafile nocolumnheaders

set border 3 lc rgb "#606060"
set grid lt 1 lw 1 lc rgb "#e0e0e0"
set tics nomirror
set logscale x 10
set xrange [20:20000]
set xtics add (20)
set xlabel "training steps"
set style fill transparent solid 0.25 noborder
set key top left reverse Left samplen 1.5 font ",12"
without = "#d55e00"
with_it = "#0072b2"

do for [ending in "svg png"] {
  if (ending eq "svg") { set terminal svg size 1360,480 font "DejaVu Sans,13" fontscale 1.25 background rgb "white" } \
  else { set terminal pngcairo size 1360,480 font "DejaVu Sans,13" background rgb "white" }
  set output output.".".ending
  set multiplot layout 1,3 margins 0.055,0.975,0.15,0.89 spacing 0.06

  set title "(a) Test accuracy, mean and range of 5 seeds" font ",13"
  set ylabel "test digits recognised, %" offset 1
  set yrange [0:100]
  set ytics 20
  set label 1 sprintf("best without: %.1f %%", best) at 22,best+4.5 font ",12" textcolor rgb "#404040"
  set label 2 "with batch norm" at 34,70 font ",12" textcolor rgb with_it
  set label 3 "without" at 1150,70 font ",12" textcolor rgb without
  plot $curves using 1:(100*$9):(100*$10) with filledcurves lc rgb with_it notitle, \
       $curves using 1:(100*$3):(100*$4) with filledcurves lc rgb without notitle, \
       best with lines dt 2 lc rgb "#404040" notitle, \
       $curves using 1:(100*$8) with lines lw 2.5 lc rgb with_it notitle, \
       $curves using 1:(100*$2) with lines lw 2.5 lc rgb without notitle
  unset label

  set ylabel "input of the sigmoid"
  set yrange [-3:3]
  set ytics 1
  do for [first in "5 11"] {
    colour = first == 5 ? without : with_it
    set title (first == 5 ? "(b) Input of one sigmoid, without batch norm" : "(c) Input of one sigmoid, with batch norm")
    plot $curves using 1:int(first):int(first)+2 with filledcurves lc rgb colour title "15th to 85th percentile", \
         $curves using 1:int(first)+1 with lines lw 2.5 lc rgb colour title "median"
  }
  unset multiplot
}
