// Precompiled, and so read by every test file before anything else: Eigen's tensors and doctest, which are slow to
// read, and the passes of all scalars on all devices, which are slow to compile. Each is compiled once, in a file
// beside this.
#pragma once

#include <doctest/doctest.h>

#include <tensornorm/tensornorm.hpp>

extern template struct tensornorm::LayerPasses<float>;
extern template struct tensornorm::LayerPasses<float, Eigen::ThreadPoolDevice>;
extern template struct tensornorm::LayerPasses<double>;
extern template struct tensornorm::LayerPasses<double, Eigen::ThreadPoolDevice>;
extern template struct tensornorm::LayerPasses<Eigen::half>;
extern template struct tensornorm::LayerPasses<Eigen::half, Eigen::ThreadPoolDevice>;
extern template struct tensornorm::LayerPasses<Eigen::bfloat16>;
extern template struct tensornorm::LayerPasses<Eigen::bfloat16, Eigen::ThreadPoolDevice>;
