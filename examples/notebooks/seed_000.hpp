// Seed notebook 000: a BatchNorm1d over two small batches, beside its formula written by hand, then in eval mode.
// Cells not listed print the inputs (In [5], [17], [25]: random there, literals here).
#pragma once

#include <tensornorm/tensornorm.hpp>

#include "cell.hpp"
#include "formula.hpp"
#include "text.hpp"

namespace notebooks::seed_000 {

inline Matrix batch(float a, float b, float c, float d, float e, float f) {
  Matrix x(2, 3);
  x << a, b, c, d, e, f;
  return x;
}

inline Cells cells() {
  const Matrix x1 = batch(2, 3, 1, 1, 3, 4);
  const Matrix x2 = batch(0, 3, 0, 3, 2, 2);
  const Matrix x3 = batch(1, 3, 3, 2, 0, 3);
  const float eps = 1e-5f;
  const float momentum = 0.1f;
  const std::string repr = "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)";
  Cells cells;

  // 2.1: the first batch. Its channel 1 is constant, and comes out exactly zero.
  tensornorm::BatchNorm1d<> m(3);
  cells.push_back({"000 In [3]: m", "m", repr, repr_text(m)});
  cells.push_back({"000 In [7]: mean and biased variance of x1", "x1.mean(dim=0), x1.var(dim=0, unbiased=False)",
                   R"(1.5000 3.0000 2.5000
                      0.2500 0.0000 2.2500)",
                   torch_text(mean(x1)) + "\n" + torch_text(var(x1, 0))});
  cells.push_back({"000 In [14]: x1 normalised by hand",
                   "(x1 - x1.mean(dim=0))/torch.sqrt(x1.var(dim=0, unbiased=False) + 1e-5)",
                   R"( 1.0000 0.0000 -1.0000
                      -1.0000 0.0000  1.0000)",
                   torch_text(standardise(x1, mean(x1), var(x1, 0), eps))});
  cells.push_back({"000 In [9]: m(x1)", "m(x1)",
                   R"( 1.0000 0.0000 -1.0000
                      -1.0000 0.0000  1.0000)",
                   torch_text(m(x1))});
  const Row last_mean = m.running_mean();
  const Row last_var = m.running_var();
  cells.push_back({"000 In [11]: running statistics after x1", "last_mean, last_var",
                   R"(0.1500 0.3000 0.2500
                      0.9500 0.9000 1.3500)",
                   torch_text(last_mean) + "\n" + torch_text(last_var)});
  cells.push_back({"000 In [12]: running mean by hand", "(1-0.1)*0 + 0.1*x1.mean(dim=0)", "0.1500 0.3000 0.2500",
                   torch_text((1 - momentum) * Row::Zero(3) + momentum * mean(x1))});
  cells.push_back({"000 In [15]: running variance by hand", "(1-0.1)*torch.ones(3) + 0.1*x1.var(dim=0)",
                   "0.9500 0.9000 1.3500", torch_text((1 - momentum) * Row::Ones(3) + momentum * var(x1, 1))});

  // 2.2: the second batch.
  cells.push_back({"000 In [18]: mean and unbiased variance of x2", "x2.mean(dim=0), x2.var(dim=0)",
                   R"(1.5000 2.5000 1.0000
                      4.5000 0.5000 2.0000)",
                   torch_text(mean(x2)) + "\n" + torch_text(var(x2, 1))});
  cells.push_back({"000 In [19]: x2 normalised by hand",
                   "(x2 - x2.mean(dim=0)) / torch.sqrt(x2.var(dim=0, unbiased=False)+1e-05)",
                   R"(-1.0000  1.0000 -1.0000
                       1.0000 -1.0000  1.0000)",
                   torch_text(standardise(x2, mean(x2), var(x2, 0), eps))});
  cells.push_back({"000 In [20]: m(x2)", "m(x2)",
                   R"(-1.0000  1.0000 -1.0000
                       1.0000 -1.0000  1.0000)",
                   torch_text(m(x2))});
  cells.push_back({"000 In [21]: running statistics after x2", "m.running_mean, m.running_var",
                   R"(0.2850 0.5200 0.3250
                      1.3050 0.8600 1.4150)",
                   torch_text(m.running_mean()) + "\n" + torch_text(m.running_var())});
  cells.push_back({"000 In [22]: running mean by hand", "(1-0.1)*last_mean + 0.1*x2.mean(dim=0)",
                   "0.2850 0.5200 0.3250", torch_text((1 - momentum) * last_mean + momentum * mean(x2))});
  cells.push_back({"000 In [23]: running variance by hand", "(1-0.1)*last_var + 0.1*x2.var(dim=0)",
                   "1.3050 0.8600 1.4150", torch_text((1 - momentum) * last_var + momentum * var(x2, 1))});

  // 3: eval mode normalises with the running statistics, not with those of x3.
  cells.push_back({"000 In [26]: m.eval()", "m.eval()", repr, repr_text(m.eval())});
  cells.push_back({"000 In [27]: m(x3)", "m(x3)",
                   R"(0.6259  2.6742 2.2488
                      1.5013 -0.5607 2.2488)",
                   torch_text(m(x3))});
  cells.push_back({"000 In [28]: x3 normalised by hand with its own statistics",
                   "(x3 - x3.mean(dim=0))/torch.sqrt(x3.var(dim=0, unbiased=False) + 1e-5)",
                   R"(-1.0000  1.0000 0.0000
                       1.0000 -1.0000 0.0000)",
                   torch_text(standardise(x3, mean(x3), var(x3, 0), eps))});
  cells.push_back({"000 In [29]: x3 normalised by hand with the running statistics",
                   "(x3 - m.running_mean)/torch.sqrt(m.running_var+1e-5)",
                   R"(0.6259  2.6742 2.2488
                      1.5013 -0.5607 2.2488)",
                   torch_text(standardise(x3, m.running_mean(), m.running_var(), eps))});
  return cells;
}

}  // namespace notebooks::seed_000
