// One step of training, the same however the layer's code is compiled.
#pragma once

inline bool training_step() {
  Eigen::Tensor<float, 4, Eigen::RowMajor> x(8, 3, 4, 4), y, dx;
  x.setRandom();
  tensornorm::BatchNorm2d<> bn(3);
  bn.forward(x, y);
  bn.backward(x, y, dx);
  bn.eval().forward(x, y);
  return bn.weight_grad().size() == 3 && y.size() == dx.size();
}
