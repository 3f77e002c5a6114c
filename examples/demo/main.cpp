// tensornorm_demo [data directory [CSV file to write]]
// Runs the library on real input and compares with values that PyTorch printed. Exits 0 only if every check passes.
#include <exception>
#include <filesystem>
#include <iostream>

#include "demo/sections.hpp"

int main(int argc, char** argv) {
  const std::filesystem::path data = argc > 1 ? argv[1] : TENSORNORM_DEMO_DATA;
  const std::filesystem::path curves = argc > 2 ? argv[2] : "proline_running_mean.csv";
  try {
    demo::Report report;
    demo::notebooks_section(report);
    demo::wine_section(report, data, curves);
    demo::digits_section(report, data);
    demo::figure1_section(report, data);
    demo::networks_section(report, data);
    demo::timing_section(report);

    report.heading("Summary");
    report.line(std::to_string(report.checks() - report.failures()) + " of " + std::to_string(report.checks()) +
                " checks pass");
    return report.failures() == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "tensornorm_demo: " << error.what() << '\n';
    return 2;
  }
}
