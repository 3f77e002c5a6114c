// The five notebooks, one function each; every call runs the notebook anew.
#pragma once

#include <string>
#include <vector>

#include "cell.hpp"
#include "seed_000.hpp"
#include "seed_001.hpp"
#include "seed_002.hpp"
#include "seed_003.hpp"
#include "seed_004.hpp"

namespace notebooks {

struct Notebook {
  std::string document;
  std::string title;
  Cells (*cells)();
};

inline std::vector<Notebook> all() {
  return {
      {"000", "BatchNorm1d beside its formula, in training and eval mode", &seed_000::cells},
      {"001", "BatchNorm1d and 2d over arange: momentum, gradients, an optimiser's step", &seed_001::cells},
      {"002", "BatchNorm2d with the biased and the unbiased variance", &seed_002::cells},
      {"003", "running statistics over many steps, and buffers set by hand", &seed_003::cells},
      {"004", "a layer with other conventions, expressed with options", &seed_004::cells},
  };
}

}  // namespace notebooks
