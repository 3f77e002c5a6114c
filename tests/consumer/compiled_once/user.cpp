#include "norm.hpp"
// after the layer
#include "training_step.hpp"

int main() { return training_step() ? 0 : 1; }
