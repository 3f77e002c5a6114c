// A layer's parameters and statistics as a table, to look at while debugging.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "batch_norm.hpp"

namespace tensornorm { inline namespace v0 {

/// Prints the layer, its mode and counter, and a row a channel: what it has of weight, bias, running_mean and
/// running_var, in six digits. Of more than `most` channels, the first and the last are shown. O(channels shown).
template <typename Scalar, int SpatialDims>
std::ostream& print_state(std::ostream& out, const BatchNorm<Scalar, SpatialDims>& bn, Eigen::Index most = 16) {
  std::string table = detail::text(bn, bn.is_training() ? ", training" : ", eval");
  if (bn.options().track_running_stats) table += detail::text(", ", bn.num_batches_tracked(), " batches tracked");
  table += '\n';
  const auto cell = [&table](std::size_t width, const std::string& entry) {
    table.append(width - std::min(width, entry.size()), ' ');
    table += entry;
  };

  using Vector = typename BatchNorm<Scalar, SpatialDims>::Vector;
  const std::pair<const char*, const Vector*> columns[] = {{"weight", &bn.weight()},
                                                           {"bias", &bn.bias()},
                                                           {"running_mean", &bn.running_mean()},
                                                           {"running_var", &bn.running_var()}};
  constexpr std::size_t channel_width = 9, width = 14;
  cell(channel_width, "channel");
  for (const auto& [name, values] : columns) {
    if (values->size() > 0) cell(width, name);
  }
  table += '\n';

  const auto row = [&](Eigen::Index c) {
    cell(channel_width, detail::text(c));
    for (const auto& [name, values] : columns) {
      if (values->size() == 0) continue;
      const bool has = c < values->size();  // not when a user gave it another size
      cell(width, has ? detail::text((*values)[c]) : "-");
    }
    table += '\n';
  };
  const Eigen::Index C = bn.num_features(), head = C <= most ? C : most - most / 2, tail = C <= most ? 0 : most / 2;
  for (Eigen::Index c = 0; c < head; ++c) row(c);
  if (head < C) cell(channel_width, "..."), table += '\n';
  for (Eigen::Index c = C - tail; c < C; ++c) row(c);
  return out << table;
}

}}  // namespace tensornorm::v0
