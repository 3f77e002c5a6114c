// an array holds double, float, half, bfloat16, int64_t, int32_t or uint8_t
#include <tensornorm/array.hpp>

tensornorm::Array wrong() { return tensornorm::Array({1}, std::vector<bool>{true}); }
