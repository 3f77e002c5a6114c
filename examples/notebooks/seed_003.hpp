// Seed notebook 003: running statistics over many steps on one batch, with momentum 0.1, with momentum 1, and without
// tracking but with buffers set by hand. Cells not listed print nothing about the layer (In [13]: installed packages).
#pragma once

#include <tensornorm/tensornorm.hpp>

#include "cell.hpp"
#include "text.hpp"

namespace notebooks::seed_003 {

using BatchNorm2d = tensornorm::BatchNorm2d<>;

/// nn.BatchNorm2d(2, affine = False, momentum = momentum, track_running_stats = track)
inline BatchNorm2d layer(double momentum, bool track) {
  tensornorm::BatchNormOptions options;
  options.affine = false;
  options.momentum = momentum;
  options.track_running_stats = track;
  return BatchNorm2d(2, options);
}

/// The batch of every cell: channel 0 is 1 and 2, channel 1 is 1 and 3.
inline Tensor4 input() {
  Tensor4 x(2, 2, 2, 2);
  x.setValues({{{{1, 1}, {1, 1}}, {{1, 1}, {1, 1}}}, {{{2, 2}, {2, 2}}, {{3, 3}, {3, 3}}}});
  return x;
}

/// A line of the notebook's print(m.running_mean, m.running_var, m.momentum).
inline std::string statistics_line(const BatchNorm2d& m) {
  return torch_text(m.running_mean()) + " " + torch_text(m.running_var()) + " " +
         python_text(m.options().momentum.value()) + "\n";
}

/// Both running statistics to 8 decimals, where the notebook has 4.
inline std::string statistics_digits(const BatchNorm2d& m) {
  return fixed_text(m.running_mean(), 8) + " " + fixed_text(m.running_var(), 8) + "\n";
}

// In [14]: 100 steps, then eval mode.
inline void add_eval(Cells& cells) {
  BatchNorm2d m = layer(0.1, true);
  const Tensor4 x = input();
  for (int i = 0; i < 100; ++i) m(x);
  const char* const statistics = "1.5000 1.9999 0.2857 1.1429 0.1";
  cells.push_back({"003 In [14]: after 100 steps, before eval()", "m.running_mean, m.running_var, m.momentum",
                   statistics, statistics_line(m)});
  m.eval();
  cells.push_back({"003 In [14]: after 100 steps, after eval()", "m.running_mean, m.running_var, m.momentum",
                   statistics, statistics_line(m)});
  cells.push_back({"003 In [14]: after 100 steps, to 8 decimals", "m.running_mean, m.running_var",
                   "1.49995959 1.99994695 0.28573316 1.14285290", statistics_digits(m), Source::torch});

  Tensor4 one(1, 2, 2, 2);
  one.setValues({{{{1, 1}, {1, 1}}, {{2, 2}, {2, 2}}}});
  const Tensor4 y = m(one);
  // Printed with sci_mode=False, so channel 1 need not be exactly zero, only of a positive sign.
  cells.push_back({"003 In [14]: m(input1) in eval mode", "m(input1)",
                   R"(-0.9353 -0.9353
                      -0.9353 -0.9353
                       0.0000  0.0000
                       0.0000  0.0000)",
                   fixed_text(y, 4)});
  // Exactly (1 - 1.49995959)/sqrt(0.28573316 + 1e-5) = -0.935291473; torch 1.13 has -0.93529129, three floats away,
  // because it folds the mean into a shift and adds x*scale.
  cells.push_back({"003 In [14]: channel 0 in eval mode, to 6 decimals", "m(input1)[0, 0]",
                   repeated("-0.935291 -0.935291", 2), fixed_text(table(y).topRows(2), 6), Source::torch,
                   Digits::last_by_1});
  // (2 - 1.99994695)/sqrt(1.14285290 + 1e-5); torch 1.13 has 4.959e-05, for the same reason.
  cells.push_back({"003 In [14]: channel 1 in eval mode, to 4 digits", "m(input1)[0, 1]",
                   repeated("4.962e-05 4.962e-05", 2), table_text("%.3e", table(y).bottomRows(2)), Source::arithmetic});
}

// In [15]: the running statistics before each of 50 steps; the listing is cut off in its row 18.
inline void add_momentum_tenth(Cells& cells) {
  BatchNorm2d m = layer(0.1, true);
  const Tensor4 x = input();
  cells.push_back({"003 In [15]: shape of the input", "input1.shape", "torch.Size([2, 2, 2, 2])", size_text(x)});
  std::string rows;
  std::string later_rows;
  for (int i = 0; i < 50; ++i) {
    (i < 18 ? rows : later_rows) += statistics_line(m);
    m(x);
  }
  cells.push_back({"003 In [15]: rows 0 to 17, momentum 0.1", "m.running_mean, m.running_var, m.momentum",
                   R"(0. 0. 1. 1. 0.1
                      0.1500 0.2000 0.9286 1.0143 0.1
                      0.2850 0.3800 0.8643 1.0271 0.1
                      0.4065 0.5420 0.8064 1.0387 0.1
                      0.5159 0.6878 0.7544 1.0491 0.1
                      0.6143 0.8190 0.7075 1.0585 0.1
                      0.7028 0.9371 0.6653 1.0669 0.1
                      0.7826 1.0434 0.6274 1.0745 0.1
                      0.8543 1.1391 0.5932 1.0814 0.1
                      0.9189 1.2252 0.5624 1.0875 0.1
                      0.9770 1.3026 0.5348 1.0930 0.1
                      1.0293 1.3724 0.5099 1.0980 0.1
                      1.0764 1.4351 0.4874 1.1025 0.1
                      1.1187 1.4916 0.4673 1.1065 0.1
                      1.1568 1.5425 0.4491 1.1102 0.1
                      1.1912 1.5882 0.4328 1.1134 0.1
                      1.2220 1.6294 0.4181 1.1164 0.1
                      1.2498 1.6665 0.4048 1.1190 0.1)",
                   rows});
  cells.push_back({"003 In [15]: rows 18 to 49, momentum 0.1", "m.running_mean, m.running_var, m.momentum",
                   R"(1.2749 1.6998 0.3929 1.1214 0.1
                      1.2974 1.7298 0.3822 1.1236 0.1
                      1.3176 1.7568 0.3726 1.1255 0.1
                      1.3359 1.7812 0.3639 1.1272 0.1
                      1.3523 1.8030 0.3561 1.1288 0.1
                      1.3671 1.8227 0.3490 1.1302 0.1
                      1.3803 1.8405 0.3427 1.1315 0.1
                      1.3923 1.8564 0.3370 1.1326 0.1
                      1.4031 1.8708 0.3319 1.1336 0.1
                      1.4128 1.8837 0.3272 1.1345 0.1
                      1.4215 1.8953 0.3231 1.1354 0.1
                      1.4293 1.9058 0.3194 1.1361 0.1
                      1.4364 1.9152 0.3160 1.1368 0.1
                      1.4428 1.9237 0.3130 1.1374 0.1
                      1.4485 1.9313 0.3102 1.1380 0.1
                      1.4536 1.9382 0.3078 1.1384 0.1
                      1.4583 1.9444 0.3056 1.1389 0.1
                      1.4625 1.9499 0.3036 1.1393 0.1
                      1.4662 1.9549 0.3018 1.1396 0.1
                      1.4696 1.9594 0.3002 1.1400 0.1
                      1.4726 1.9635 0.2987 1.1402 0.1
                      1.4754 1.9672 0.2974 1.1405 0.1
                      1.4778 1.9704 0.2963 1.1407 0.1
                      1.4800 1.9734 0.2952 1.1410 0.1
                      1.4820 1.9761 0.2943 1.1411 0.1
                      1.4838 1.9784 0.2934 1.1413 0.1
                      1.4855 1.9806 0.2926 1.1415 0.1
                      1.4869 1.9825 0.2919 1.1416 0.1
                      1.4882 1.9843 0.2913 1.1417 0.1
                      1.4894 1.9859 0.2908 1.1418 0.1
                      1.4905 1.9873 0.2903 1.1419 0.1
                      1.4914 1.9885 0.2898 1.1420 0.1)",
                   later_rows, Source::torch});
  cells.push_back({"003 In [15]: after 50 steps, to 8 decimals", "m.running_mean, m.running_var",
                   "1.49226880 1.98969257 0.28939542 1.14212048", statistics_digits(m), Source::torch});
}

// In [16]: momentum 1 keeps the last batch alone; the listing is cut off in its row 19.
inline void add_momentum_one(Cells& cells) {
  BatchNorm2d m = layer(1, true);
  const Tensor4 x = input();
  cells.push_back({"003 In [16]: shape of the input", "input1.shape", "torch.Size([2, 2, 2, 2])", size_text(x)});
  std::string rows;
  std::string later_rows;
  std::string digits;
  for (int i = 0; i < 100; ++i) {
    (i < 19 ? rows : later_rows) += statistics_line(m);
    m(x);
    digits += statistics_digits(m);
  }
  const char* const row = "1.5000 2.0000 0.2857 1.1429 1";
  cells.push_back({"003 In [16]: rows 0 to 18, momentum 1", "m.running_mean, m.running_var, m.momentum",
                   "0. 0. 1. 1. 1\n" + repeated(row, 18), rows});
  cells.push_back({"003 In [16]: rows 19 to 99, momentum 1", "m.running_mean, m.running_var, m.momentum",
                   repeated(row, 81), later_rows, Source::torch});
  cells.push_back({"003 In [16]: after each of 100 steps, to 8 decimals", "m.running_mean, m.running_var",
                   repeated("1.50000000 2.00000000 0.28571430 1.14285719", 100), digits, Source::torch});
}

// In [17]: no tracking, but buffers assigned by hand: training ignores them, eval mode uses them. The listing is cut
// off in the fourth of 11 outputs, after 14 of its values.
inline void add_buffers_by_hand(Cells& cells) {
  BatchNorm2d m = layer(1, false);
  m.running_mean() = Eigen::VectorXf::Zero(2);
  m.running_var() = Eigen::VectorXf::Constant(2, 0.5f);
  const Tensor4 x = input();
  cells.push_back({"003 In [17]: shape of the input", "input1.shape", "torch.Size([2, 2, 2, 2])", size_text(x)});
  std::string outputs;
  std::string digits;
  for (int i = 0; i < 11; ++i) {
    const Tensor4 y = m(x);
    outputs += torch_text(y) + "\n";
    digits += fixed_text(y, 8) + "\n";
  }
  const std::string output = repeated("-1.0000 -1.0000", 4) + repeated("1.0000 1.0000", 4);
  const std::string output_digits = repeated("-0.99997997 -0.99997997", 2) + repeated("-0.99999499 -0.99999499", 2) +
                                    repeated("0.99997997 0.99997997", 2) + repeated("0.99999499 0.99999499", 2);
  const std::size_t listed = 3 * 16 + 14;
  cells.push_back({"003 In [17]: outputs as far as listed", "m(input1)", first_words(repeated(output, 4), listed),
                   first_words(outputs, listed)});
  cells.push_back({"003 In [17]: all 11 outputs", "m(input1)", repeated(output, 11), outputs, Source::torch});
  cells.push_back(
      {"003 In [17]: all 11 outputs, to 8 decimals", "m(input1)", repeated(output_digits, 11), digits, Source::torch});
  cells.push_back({"003 In [17]: the buffers afterwards", "m.running_mean, m.running_var", "0. 0. 0.5000 0.5000",
                   torch_text(m.running_mean()) + " " + torch_text(m.running_var()), Source::torch});
  m.eval();
  cells.push_back(
      {"003 In [17]: the same input in eval mode, to 6 decimals", "m.eval()(input1)",
       repeated("1.414199 1.414199", 4) + repeated("2.828399 2.828399", 2) + repeated("4.242598 4.242598", 2),
       fixed_text(m(x), 6), Source::torch, Digits::last_by_1});
}

inline Cells cells() {
  Cells cells;
  add_eval(cells);
  add_momentum_tenth(cells);
  add_momentum_one(cells);
  add_buffers_by_hand(cells);
  return cells;
}

}  // namespace notebooks::seed_003
