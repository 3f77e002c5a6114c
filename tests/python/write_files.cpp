// Reads every .safetensors and .npy file of a directory that the library takes, and writes it to another directory.
#include <filesystem>
#include <iostream>
#include <tensornorm/npy.hpp>
#include <tensornorm/safetensors.hpp>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: write_files FROM TO\n";
    return 2;
  }
  int written = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    const std::filesystem::path& from = entry.path();
    const auto to = argv[2] / from.filename();
    if (from.filename().string().rfind("refused_", 0) == 0) continue;
    if (from.extension() == ".safetensors") {
      tensornorm::save_safetensors(to, tensornorm::load_safetensors(from));
    } else {
      tensornorm::save_npy(to, tensornorm::load_npy(from));
    }
    ++written;
  }
  std::cout << "C++: read and wrote " << written << " files\n";
}
