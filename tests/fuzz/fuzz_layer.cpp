#include "fuzz/layer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tn_fuzz::fuzz_layer(data, size);
  return 0;
}
