// Eigen's tensors, under whichever name the installed Eigen keeps them.
#pragma once

#if __has_include(<unsupported/Eigen/CXX11/Tensor>)
#include <unsupported/Eigen/CXX11/Tensor>
#else
#include <unsupported/Eigen/Tensor>
#endif
