// Seed notebook 001: BatchNorm1d and BatchNorm2d over arange, their momentum, gradients and one optimiser step.
// This file has its first half; In [32] to [36] are in seed_001_2d.hpp. Cells not listed print nothing, or the address
// of a generator (In [27]). The notebook's prose writes the momentum formula the wrong way round; what it prints is
// running = (1 - momentum)*running + momentum*batch.
#pragma once

#include <tensornorm/tensornorm.hpp>

#include "cell.hpp"
#include "formula.hpp"
#include "seed_001_2d.hpp"
#include "text.hpp"

namespace notebooks::seed_001 {

using BatchNorm1d = tensornorm::BatchNorm1d<>;

// Three evenly spaced samples: every batch of the first half normalises to this.
inline const char* const three_rows = R"(-1.2247 -1.2247 -1.2247 -1.2247 -1.2247
                                          0.0000  0.0000  0.0000  0.0000  0.0000
                                          1.2247  1.2247  1.2247  1.2247  1.2247)";

/// torch.optim.RMSprop as the notebook has it: not centered, momentum 0, weight_decay 0.
struct RmsProp {
  double alpha = 0.99;
  double eps = 1e-8;
  double lr = 0.01;

  /// Its first step, from a running square of 0.
  void first_step(Eigen::VectorXf& parameter, const Eigen::VectorXf& gradient) const {
    const auto square = static_cast<float>(1 - alpha) * gradient.array().square();
    const auto step = static_cast<float>(lr) * gradient.array() / (square.sqrt() + static_cast<float>(eps));
    parameter.array() -= step;
  }
};

/// As vars(layer) prints it, without the entries that belong to torch.nn.Module alone.
inline std::string vars_text(const BatchNorm1d& bn) {
  const tensornorm::BatchNormOptions& options = bn.options();
  return "training " + python_text(bn.is_training()) + "\n" + state_text(bn) +                          //
         "\nnum_features " + std::to_string(bn.num_features()) + "\neps " + python_text(options.eps) +  //
         "\nmomentum " + python_text(options.momentum.value()) + "\naffine " + python_text(options.affine) +
         "\ntrack_running_stats " + python_text(options.track_running_stats);
}

// In [2] to [10], and [23] to [30]: one layer, its statistics, its gradients and an optimiser's step.
inline void add_defaults_and_affine(Cells& cells) {
  const Matrix input1d = arange(3, 5);
  cells.push_back({"001 In [2]: input1d", "torch.arange(N * D).reshape(N, D).float()",
                   R"( 0.  1.  2.  3.  4.
                       5.  6.  7.  8.  9.
                      10. 11. 12. 13. 14.)",
                   torch_text(input1d)});
  BatchNorm1d bn1d(5);
  cells.push_back({"001 In [3]: bn1d", "nn.BatchNorm1d(D)",
                   "BatchNorm1d(5, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)", repr_text(bn1d)});
  cells.push_back({"001 In [4]: state dict of a new layer", "bn1d.state_dict()",
                   R"(weight 1. 1. 1. 1. 1.
                      bias 0. 0. 0. 0. 0.
                      running_mean 0. 0. 0. 0. 0.
                      running_var 1. 1. 1. 1. 1.
                      num_batches_tracked 0)",
                   state_text(bn1d)});
  cells.push_back({"001 In [5]: vars of a new layer", "vars(bn1d)",
                   R"(training True
                      weight 1. 1. 1. 1. 1.
                      bias 0. 0. 0. 0. 0.
                      running_mean 0. 0. 0. 0. 0.
                      running_var 1. 1. 1. 1. 1.
                      num_batches_tracked 0
                      num_features 5
                      eps 1e-05
                      momentum 0.1
                      affine True
                      track_running_stats True)",
                   vars_text(bn1d)});
  const Matrix output1d = bn1d(input1d);
  cells.push_back({"001 In [6]: output1d", "bn1d(input1d)", three_rows, torch_text(output1d)});
  cells.push_back({"001 In [7]: state dict after one batch", "bn1d.state_dict()",
                   R"(weight 1. 1. 1. 1. 1.
                      bias 0. 0. 0. 0. 0.
                      running_mean 0.5000 0.6000 0.7000 0.8000 0.9000
                      running_var 3.4000 3.4000 3.4000 3.4000 3.4000
                      num_batches_tracked 1)",
                   state_text(bn1d)});
  const Row m = mean(input1d);
  const Row v = var(input1d, 0);
  cells.push_back({"001 In [8]: mean", "torch.Tensor.mean(input1d, 0)", "5. 6. 7. 8. 9.", torch_text(m)});
  cells.push_back({"001 In [9]: biased variance", "torch.Tensor.var(input1d, 0, False)",
                   "16.6667 16.6667 16.6667 16.6667 16.6667", torch_text(v)});
  // By hand without eps; the layer has 1e-05, which four digits do not show.
  cells.push_back({"001 In [10]: normalised by hand", "(input1d - m) / torch.sqrt(v)", three_rows,
                   torch_text(standardise(input1d, m, v, 0))});

  cells.push_back({"001 In [23]: output1d again", "output1d", three_rows, torch_text(output1d)});
  bn1d.backward(input1d, Matrix::Ones(3, 5));  // output1d.sum().backward()
  // Exactly 0: RMSprop divides by the gradient's own size, so that 1e-8 would move weight by as much as 1 does.
  cells.push_back({"001 In [25]: weight.grad", "bn1d.weight.grad", "0. 0. 0. 0. 0.", torch_text(bn1d.weight_grad())});
  cells.push_back({"001 In [26]: bias.grad", "bn1d.bias.grad", "3. 3. 3. 3. 3.", torch_text(bn1d.bias_grad())});
  const RmsProp optimizer;
  cells.push_back({"001 In [28]: optimizer", "torch.optim.RMSprop(bn1d.parameters(), lr=0.01)",
                   "alpha: 0.99 eps: 1e-08 lr: 0.01",
                   "alpha: " + python_text(optimizer.alpha) + " eps: " + python_text(optimizer.eps) +
                       " lr: " + python_text(optimizer.lr)});
  optimizer.first_step(bn1d.weight(), bn1d.weight_grad());
  optimizer.first_step(bn1d.bias(), bn1d.bias_grad());
  cells.push_back({"001 In [29]: weight after the step", "bn1d.weight", "1. 1. 1. 1. 1.", torch_text(bn1d.weight()),
                   Source::torch});
  cells.push_back({"001 In [30]: bias after the step", "bn1d.bias", "-0.1000 -0.1000 -0.1000 -0.1000 -0.1000",
                   torch_text(bn1d.bias())});
}

// In [11] to [22]: momentum 1, which forgets, and momentum 0.5 over two batches.
inline void add_momentum(Cells& cells) {
  const Matrix input1d = arange(3, 5);
  tensornorm::BatchNormOptions options;
  options.momentum = 1;
  BatchNorm1d bn1d_m1(5, options);
  cells.push_back({"001 In [11]: bn1d_m1", "nn.BatchNorm1d(D, momentum=1)",
                   "BatchNorm1d(5, eps=1e-05, momentum=1, affine=True, track_running_stats=True)", repr_text(bn1d_m1)});
  cells.push_back({"001 In [12]: bn1d_m1(input1d)", "bn1d_m1(input1d)", three_rows, torch_text(bn1d_m1(input1d))});
  cells.push_back({"001 In [13]: state dict with momentum 1", "bn1d_m1.state_dict()",
                   R"(weight 1. 1. 1. 1. 1.
                      bias 0. 0. 0. 0. 0.
                      running_mean 5. 6. 7. 8. 9.
                      running_var 25. 25. 25. 25. 25.
                      num_batches_tracked 1)",
                   state_text(bn1d_m1)});
  cells.push_back({"001 In [14]: unbiased variance", "torch.Tensor.var(input1d, 0, True)", "25. 25. 25. 25. 25.",
                   torch_text(var(input1d, 1))});

  options.momentum = 0.5;
  BatchNorm1d bn1d_m_half(5, options);
  cells.push_back({"001 In [15]: bn1d_m_half", "nn.BatchNorm1d(D, momentum=0.5)",
                   "BatchNorm1d(5, eps=1e-05, momentum=0.5, affine=True, track_running_stats=True)",
                   repr_text(bn1d_m_half)});
  cells.push_back(
      {"001 In [16]: bn1d_m_half(input1d)", "bn1d_m_half(input1d)", three_rows, torch_text(bn1d_m_half(input1d))});
  cells.push_back({"001 In [17]: state dict with momentum 0.5", "bn1d_m_half.state_dict()",
                   R"(weight 1. 1. 1. 1. 1.
                      bias 0. 0. 0. 0. 0.
                      running_mean 2.5000 3.0000 3.5000 4.0000 4.5000
                      running_var 13. 13. 13. 13. 13.
                      num_batches_tracked 1)",
                   state_text(bn1d_m_half)});
  const float running_var = bn1d_m_half.running_var()(0);
  const Matrix input1d_2 = arange(3, 5, 2);
  cells.push_back({"001 In [18]: input1d_2", "torch.arange(0, 2 * N * D, 2).reshape(N, D).float()",
                   R"( 0.  2.  4.  6.  8.
                      10. 12. 14. 16. 18.
                      20. 22. 24. 26. 28.)",
                   torch_text(input1d_2)});
  cells.push_back({"001 In [19]: bn1d_m_half(input1d_2)", "bn1d_m_half(input1d_2)", three_rows,
                   torch_text(bn1d_m_half(input1d_2))});
  cells.push_back({"001 In [20]: state dict after two batches", "bn1d_m_half.state_dict()",
                   R"(weight 1. 1. 1. 1. 1.
                      bias 0. 0. 0. 0. 0.
                      running_mean 6.2500 7.5000 8.7500 10.0000 11.2500
                      running_var 56.5000 56.5000 56.5000 56.5000 56.5000
                      num_batches_tracked 2)",
                   state_text(bn1d_m_half)});
  const Row v = var(input1d_2, 1);
  cells.push_back({"001 In [21]: unbiased variance", "torch.Tensor.var(input1d_2, 0, True)", "100. 100. 100. 100. 100.",
                   torch_text(v)});
  cells.push_back({"001 In [22]: running variance by hand", "13*0.5 + 100*0.5", "56.5",
                   python_text(static_cast<double>(running_var * 0.5f + v(0) * 0.5f))});
}

inline Cells cells() {
  Cells cells;
  add_defaults_and_affine(cells);
  add_momentum(cells);
  add_2d(cells);
  return cells;
}

}  // namespace notebooks::seed_001
