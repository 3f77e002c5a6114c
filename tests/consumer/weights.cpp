#include <tensornorm/batch_norm.hpp>
#include <tensornorm/safetensors.hpp>

int main() {
  tensornorm::BatchNorm1d<> saved(3), loaded(3);
  saved.weight() << 1, 2, 3;
  tensornorm::save_safetensors("weights.safetensors", saved.state_dict("bn."));
  loaded.load_state_dict(tensornorm::load_safetensors("weights.safetensors"), "bn.");
  return loaded.weight() == saved.weight() ? 0 : 1;
}
