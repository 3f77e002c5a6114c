// Seed notebook 001, second half: BatchNorm2d over arange, In [32] to [36].
#pragma once

#include <tensornorm/tensornorm.hpp>

#include "cell.hpp"
#include "formula.hpp"
#include "text.hpp"

namespace notebooks::seed_001 {

// The listings of In [32] and [35] are cut off in the last sample.
inline void add_2d(Cells& cells) {
  const Tensor4 input2d = arange(3, 2, 4, 5);
  cells.push_back({"001 In [32]: input2d as far as listed", "torch.arange(N * C * H * W).reshape(N, C, H, W).float()",
                   R"(  0.   1.   2.   3.   4.
                        5.   6.   7.   8.   9.
                       10.  11.  12.  13.  14.
                       15.  16.  17.  18.  19.
                       20.  21.  22.  23.  24.
                       25.  26.  27.  28.  29.
                       30.  31.  32.  33.  34.
                       35.  36.  37.  38.  39.
                       40.  41.  42.  43.  44.
                       45.  46.  47.  48.  49.
                       50.  51.  52.  53.  54.
                       55.  56.  57.  58.  59.
                       60.  61.  62.  63.  64.
                       65.  66.  67.  68.  69.
                       70.  71.  72.  73.  74.
                       75.  76.  77.  78.  79.
                       80.  81.  82.  83.  84.
                       85.  86.  87.  88.  89.
                       90.  91.  92.  93.  94.
                       95.  96.  97.  98.  99.
                      100. 101. 102. 103. 104.
                      105. 106. 107. 108. 109.
                      110. 111. 112. 113. 114.
                      115.)",
                   first_words(torch_text(input2d), 116)});
  tensornorm::BatchNorm2d<> bn2d(2);
  cells.push_back({"001 In [33]: bn2d", "nn.BatchNorm2d(C)",
                   "BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)", repr_text(bn2d)});
  cells.push_back({"001 In [34]: state dict of a new layer", "bn2d.state_dict()",
                   R"(weight 1. 1.
                      bias 0. 0.
                      running_mean 0. 0.
                      running_var 1. 1.
                      num_batches_tracked 0)",
                   state_text(bn2d)});
  const Tensor4 output2d = bn2d(input2d);
  cells.push_back({"001 In [35]: output2d as far as listed", "bn2d(input2d)",
                   R"(-1.4925 -1.4624 -1.4322 -1.4021 -1.3719
                      -1.3418 -1.3116 -1.2815 -1.2513 -1.2212
                      -1.1910 -1.1609 -1.1307 -1.1006 -1.0704
                      -1.0403 -1.0101 -0.9799 -0.9498 -0.9196
                      -1.4925 -1.4624 -1.4322 -1.4021 -1.3719
                      -1.3418 -1.3116 -1.2815 -1.2513 -1.2212
                      -1.1910 -1.1609 -1.1307 -1.1006 -1.0704
                      -1.0403 -1.0101 -0.9799 -0.9498 -0.9196
                      -0.2864 -0.2563 -0.2261 -0.1960 -0.1658
                      -0.1357 -0.1055 -0.0754 -0.0452 -0.0151
                       0.0151  0.0452  0.0754  0.1055  0.1357
                       0.1658  0.1960  0.2261  0.2563  0.2864
                      -0.2864 -0.2563 -0.2261 -0.1960 -0.1658
                      -0.1357 -0.1055 -0.0754 -0.0452 -0.0151
                       0.0151  0.0452  0.0754  0.1055  0.1357
                       0.1658  0.1960  0.2261  0.2563  0.2864
                       0.9196  0.9498  0.9799  1.0101  1.0403
                       1.0704)",
                   first_words(torch_text(output2d), 86)});
  const char* const last_channel = R"(0.9196 0.9498 0.9799 1.0101 1.0403
                                      1.0704 1.1006 1.1307 1.1609 1.1910
                                      1.2212 1.2513 1.2815 1.3116 1.3418
                                      1.3719 1.4021 1.4322 1.4624 1.4925)";
  cells.push_back({"001 In [35]: last sample of output2d", "output2d[2]", repeated(last_channel, 2),
                   torch_text(table(output2d).bottomRows(2 * 4)), Source::torch});
  cells.push_back({"001 In [36]: state dict after one batch", "bn2d.state_dict()",
                   R"(weight 1. 1.
                      bias 0. 0.
                      running_mean 4.9500 6.9500
                      running_var 112.7559 112.7559
                      num_batches_tracked 1)",
                   state_text(bn2d)});
  cells.push_back({"001 In [36]: running variance to 8 decimals", "bn2d.running_var", "112.75593567 112.75593567",
                   fixed_text(bn2d.running_var(), 8), Source::torch});

  // The same sums by hand: a row for each value of a channel, a column for each channel.
  const Eigen::array<int, 4> channels_last = {0, 2, 3, 1};
  const Tensor4 shuffled = input2d.shuffle(channels_last);
  const Matrix values = Eigen::Map<const Table>(shuffled.data(), 3 * 4 * 5, 2);
  cells.push_back(
      {"001 In [36]: batch mean and both variances", "input2d.mean, var((0, 2, 3))",
       R"(49.5000 69.5000
                      1099.9166 1099.9166
                      1118.5593 1118.5593)",
       fixed_text(mean(values), 4) + "\n" + fixed_text(var(values, 0), 4) + "\n" + fixed_text(var(values, 1), 4),
       Source::torch});
}

}  // namespace notebooks::seed_001
