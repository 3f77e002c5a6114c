// Seed notebook 004: a layer of its own, here tensornorm with options, then a linear map. It normalises with the
// unbiased variance, decays its running statistics by 0.95, starts the running variance at 0 and has no gamma or beta.
// The notebook prints nothing: its statistics and normalised values are from torch, and so is inference straight after
// training on x. Its nn.Linear and its x2 are random; the linear map here is ours, and of x2 only what holds for any.
#pragma once

#include <tensornorm/tensornorm.hpp>

#include "cell.hpp"
#include "formula.hpp"
#include "text.hpp"

namespace notebooks::seed_004 {

using BatchNorm1d = tensornorm::BatchNorm1d<>;

/// The notebook's BatchNorm(6, 3) before its linear map.
inline BatchNorm1d layer() {
  tensornorm::BatchNormOptions options;
  options.eps = 1e-3;
  options.momentum = tensornorm::momentum_from_decay(0.95);
  options.affine = false;
  options.correction = 1;
  options.running_correction = 1;
  BatchNorm1d bn(6, options);
  bn.running_var().setZero();
  return bn;
}

/// nn.Linear(6, 3), with a weight and bias that were chosen and not drawn.
struct Linear {
  Matrix weight{3, 6};  // (out, in)
  Row bias{3};

  Linear() {
    weight << 0.125f, 0.25f, 0.375f, 0.5f, 0.625f, 0.75f,  //
        1, -1, 1, -1, 1, -1,                               //
        -0.5f, 0, 0.25f, 0, -0.25f, 2;
    bias << 0.5f, -0.25f, 1;
  }

  Matrix operator()(const Matrix& x) const { return (x * weight.transpose()).rowwise() + bias; }
};

inline Matrix input() {
  Matrix x(3, 6);
  x << 1.1f, 1, 2, 3, 4, 5,    //
      10, 11, 12, 13, 14, 15,  //
      21, 22, 23, 24, 25, 26;
  return x;
}

// Training on x, then inference on x.
inline void add_training_and_inference(Cells& cells) {
  const Matrix x = input();
  const Linear linear;
  BatchNorm1d bn = layer();
  const Matrix normalised = bn(x);
  cells.push_back({"004 bn(x): normalised", "(x-mu)/torch.sqrt(var + self.eps)",
                   R"(-0.963034 -0.983751 -0.983751 -0.983751 -0.983751 -0.983751
                      -0.070221 -0.031734 -0.031734 -0.031734 -0.031734 -0.031734
                       1.033255  1.015485  1.015485  1.015485  1.015485  1.015485)",
                   fixed_text(normalised, 6), Source::torch, Digits::last_by_1});
  cells.push_back({"004 bn(x): running statistics", "self.running_mean, self.running_var",
                   R"(0.535000 0.566667 0.616667 0.666667 0.716667 0.766667
                      4.968500 5.516667 5.516667 5.516667 5.516667 5.516667)",
                   fixed_text(bn.running_mean(), 6) + "\n" + fixed_text(bn.running_var(), 6), Source::torch});
  cells.push_back({"004 bn(x): after the linear map", "bn(x)",
                   R"(-2.0798 -0.2293 -0.4860
                       0.4119 -0.2885  0.9716
                       3.1679 -0.2322  2.5143)",
                   fixed_text(linear(normalised), 4), Source::arithmetic});

  const Matrix inferred = bn.eval()(x);
  cells.push_back({"004 bn(x, inference=True): normalised",
                   "(x - self.running_mean)/ torch.sqrt(self.running_var + self.eps)",
                   R"(0.253450 0.184478 0.588910 0.993343  1.397775  1.802207
                      4.245846 4.441660 4.846093 5.250525  5.654957  6.059390
                      9.180269 9.124561 9.528994 9.933426 10.337858 10.742291)",
                   fixed_text(inferred, 6), Source::torch, Digits::last_by_1});
  cells.push_back({"004 bn(x, inference=True): after the linear map", "bn(x, inference=True)",
                   R"( 3.5206 -0.9899  4.2755
                      14.6626 -1.2547 10.7936
                      26.9866 -1.0032 17.6922)",
                   fixed_text(linear(inferred), 4), Source::arithmetic});
}

// A normalised column sums to 0, so that the linear map's mean over the samples is its bias, whatever x2 is.
inline void add_any_batch(Cells& cells) {
  Matrix x2(3, 6);
  x2 << 0.50f, 0.77f, 0.09f, 0.13f, 0.31f, 0.63f,  //
      0.90f, 0.40f, 0.17f, 0.92f, 0.68f, 0.79f,    //
      0.29f, 0.01f, 0.94f, 0.59f, 0.70f, 0.40f;
  BatchNorm1d bn = layer();
  const Linear linear;
  cells.push_back({"004 bn(x2): mean over the samples", "bn(x2).mean(dim=0)", "0.5000 -0.2500 1.0000",
                   fixed_text(mean(linear(bn(x2))), 4), Source::arithmetic});
}

// What PyTorch's own layer makes of x.
inline void add_defaults(Cells& cells) {
  tensornorm::BatchNormOptions options;
  options.eps = 1e-3;
  BatchNorm1d bn(6, options);
  cells.push_back({"004 nn.BatchNorm1d(x): the biased variance", "nn.BatchNorm1d(6, eps=0.001)(x)",
                   R"(-1.179467 -1.204841 -1.204841 -1.204841 -1.204841 -1.204841
                      -0.086003 -0.038866 -0.038866 -0.038866 -0.038866 -0.038866
                       1.265470  1.243707  1.243707  1.243707  1.243707  1.243707)",
                   fixed_text(bn(input()), 6), Source::torch, Digits::last_by_1});
}

inline Cells cells() {
  Cells cells;
  add_training_and_inference(cells);
  add_any_batch(cells);
  add_defaults(cells);
  return cells;
}

}  // namespace notebooks::seed_004
