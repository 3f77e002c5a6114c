// The parts of the demo, in the order in which they run. Each prints itself and counts its checks.
#pragma once

#include <filesystem>

#include "demo/report.hpp"

namespace demo {

/// The values that five PyTorch notebooks printed, beside this library's.
void notebooks_section(Report& report);
/// UCI Wine: what normalising does for a classifier, training against eval, the running mean. Writes `curves`, a CSV
/// file.
void wine_section(Report& report, const std::filesystem::path& data, const std::filesystem::path& curves);
/// UCI digits: the same numbers in every layout, and from several threads.
void digits_section(Report& report, const std::filesystem::path& data);
/// UCI digits: a network learns them with batch norm and without.
void figure1_section(Report& report, const std::filesystem::path& data);
/// Two networks trained in PyTorch: the same logits here, also with their batch norms folded.
void networks_section(Report& report, const std::filesystem::path& data);
/// A layer of ResNet-50 against memcpy. Has no checks: time is not parity.
void timing_section(Report& report);

}  // namespace demo
