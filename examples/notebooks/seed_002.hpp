// Seed notebook 002: BatchNorm2d over arange, and the same by hand with the unbiased variance.
#pragma once

#include <tensornorm/tensornorm.hpp>

#include "cell.hpp"
#include "formula.hpp"
#include "text.hpp"

namespace notebooks::seed_002 {

inline Cells cells() {
  Cells cells;
  tensornorm::BatchNorm2d<> norm(3);
  cells.push_back({"002 In [13]: norm", "nn.BatchNorm2d(3)",
                   "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)", repr_text(norm)});
  cells.push_back({"002 In [14]: running_mean", "norm.running_mean.data", "0. 0. 0.", torch_text(norm.running_mean())});
  cells.push_back({"002 In [15]: running_var", "norm.running_var.data", "1. 1. 1.", torch_text(norm.running_var())});
  cells.push_back({"002 In [16]: gamma", "norm.weight.data", "1. 1. 1.", torch_text(norm.weight())});
  cells.push_back({"002 In [17]: beta", "norm.bias.data", "0. 0. 0.", torch_text(norm.bias())});
  cells.push_back({"002 In [18]: eps", "norm.eps", "1e-05", python_text(norm.options().eps)});

  const Tensor4 x = arange(1, 3, 4, 4);
  cells.push_back({"002 In [19]: x", "torch.arange(48.0).reshape(1, 3, 4, 4)",
                   R"( 0.  1.  2.  3.
                       4.  5.  6.  7.
                       8.  9. 10. 11.
                      12. 13. 14. 15.
                      16. 17. 18. 19.
                      20. 21. 22. 23.
                      24. 25. 26. 27.
                      28. 29. 30. 31.
                      32. 33. 34. 35.
                      36. 37. 38. 39.
                      40. 41. 42. 43.
                      44. 45. 46. 47.)",
                   torch_text(x)});
  // Every channel comes out the same.
  const char* const biased = R"(-1.6270 -1.4100 -1.1931 -0.9762
                                -0.7593 -0.5423 -0.3254 -0.1085
                                 0.1085  0.3254  0.5423  0.7593
                                 0.9762  1.1931  1.4100  1.6270)";
  cells.push_back({"002 In [20]: norm(x)", "norm(x)", repeated(biased, 3), torch_text(norm(x))});

  // By hand the notebook divides by n - 1, and so does the layer if asked to.
  tensornorm::BatchNormOptions options;
  options.correction = 1;
  tensornorm::BatchNorm2d<> corrected(3, options);
  const char* const unbiased = R"(-1.5753 -1.3653 -1.1552 -0.9452
                                  -0.7351 -0.5251 -0.3151 -0.1050
                                   0.1050  0.3151  0.5251  0.7351
                                   0.9452  1.1552  1.3653  1.5753)";
  cells.push_back(
      {"002 In [28]: x normalised with the unbiased variance",
       "(x - x.mean(dim=(0, 2, 3), keepdim=True)) / torch.sqrt((x.var(dim=(0, 2, 3), keepdim=True) + norm.eps))",
       repeated(unbiased, 3), torch_text(corrected(x))});
  const Eigen::array<int, 3> all_but_channels = {0, 2, 3};
  const Eigen::Tensor<float, 1, Eigen::RowMajor> mean = x.mean(all_but_channels);
  cells.push_back({"002 In [25]: mean of each channel", "x.mean(dim=(0, 2, 3), keepdim=True)", "7.5000 23.5000 39.5000",
                   torch_text(Eigen::Map<const Row>(mean.data(), mean.size()))});
  return cells;
}

}  // namespace notebooks::seed_002
