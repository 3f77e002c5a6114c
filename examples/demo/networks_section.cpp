// Two networks trained in PyTorch, run here: convolution and linear are Eigen expressions, batch norm is the library's.
#include <string>

#include "demo/sections.hpp"
#include "networks/parity.hpp"

namespace demo {

void networks_section(Report& report, const std::filesystem::path& data) {
  report.heading("Two networks trained in PyTorch (UCI digits, UCI Wine), in eval mode");
  report.line("Over the rows that training did not see; folded: batch norms folded into the layers beside them.");
  report.line("");
  report.line(left("", 6) + left("network", 20) + right("largest |logit - PyTorch's|", 27) + right("accuracy", 14) +
              right("PyTorch's", 14));
  for (const auto& all : {networks::digits_parity(data), networks::wine_parity(data)}) {
    for (const networks::Parity& parity : all) {
      report.check(parity.holds(), left(parity.name, 20) + scientific(parity.difference, 27) +
                                       right(parity.accuracy, 14) + right(parity.torch_accuracy, 14));
    }
  }
}

}  // namespace demo
