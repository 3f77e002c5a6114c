// The running mean forgets at the rate that momentum sets: from 0, where it starts, to the true mean of the feature.
#include <cmath>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "demo/csv.hpp"
#include "demo/terminal_plot.hpp"
#include "demo/wine.hpp"

namespace demo {
namespace {

constexpr int epochs = 20;

struct Series {
  std::string label;
  char mark;
  std::optional<double> momentum;
  std::map<int, double> torch;     // after an epoch: what torch 1.13 gives, to one decimal
  std::vector<double> proline{0};  // after 0, 1, 2, ... batches
};

void train(const Wine& wine, Series& series) {
  const Eigen::Index proline = wine.feature("proline");
  tensornorm::BatchNormOptions options;
  options.momentum = series.momentum;
  tensornorm::BatchNorm1d<float> bn(wine.train.cols(), options);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (Eigen::Index k = 0; k < wine_batches; ++k) {
      bn(wine_batch(wine, k));
      series.proline.push_back(static_cast<double>(bn.running_mean()(proline)));
    }
  }
}

void print_table(Report& report, const std::vector<Series>& all) {
  const std::vector<int> shown{1, 2, 5, 10, 20};
  std::string heads;
  for (const int epoch : shown) heads += right("epoch " + std::to_string(epoch), 10);
  report.line(left("running mean after", 26) + heads);
  for (const Series& series : all) {
    std::string ours, torch;
    bool same = true;
    for (const int epoch : shown) {
      const double value = series.proline[static_cast<std::size_t>(epoch * wine_batches)];
      const auto expected = series.torch.find(epoch);
      const bool known = expected != series.torch.end();
      ours += fixed(value, 1, 10);
      if (known) torch += fixed(expected->second, 1, 10);
      same = same && (!known || fixed(value, 1) == fixed(expected->second, 1));
    }
    const std::string name = left("momentum " + series.label, 20);
    if (series.torch.empty())
      report.line("      " + name + ours);
    else
      report.check(same, name + ours + "\n" + left("        torch 1.13", 28) + torch);
  }
}

void write_curves(const std::filesystem::path& path, const std::vector<Series>& all) {
  CsvTable table;
  table.names = {"batches"};
  const auto rows = static_cast<Eigen::Index>(all.front().proline.size());
  table.values.resize(rows, static_cast<Eigen::Index>(all.size()) + 1);
  table.values.col(0).setLinSpaced(rows, 0, static_cast<double>(rows - 1));
  for (const Series& series : all) {
    const auto column = static_cast<Eigen::Index>(table.names.size());
    table.names.push_back("momentum " + series.label);
    table.values.col(column) = Eigen::Map<const Eigen::VectorXd>(series.proline.data(), rows);
  }
  write_csv(path, table);
}

}  // namespace

void wine_running_mean(Report& report, const Wine& wine, const std::filesystem::path& curves) {
  std::vector<Series> all{
      {"0.01", '+', 0.01, {}},
      {"0.1", 'o', 0.1, {{1, 202.9}, {2, 350.9}, {5, 594.7}, {10, 717.1}, {20, 747.5}}},
      {"0.5", '*', 0.5, {{1, 654.8}, {2, 736.7}, {5, 748.4}}},
      {"absent", 'x', std::nullopt, {}},
  };
  for (Series& series : all) train(wine, series);

  const double true_mean = wine.train.col(wine.feature("proline")).cast<double>().mean();
  report.line("");
  report.line("The running mean of proline starts at 0; the true mean of the training wines is " + fixed(true_mean, 1) +
              ".");
  report.line("Momentum is the weight of a new batch; absent, all batches weigh the same.");
  report.line("");
  print_table(report, all);
  const double cumulative = all.back().proline.back();
  report.check(fixed(true_mean, 1) == "749.1", "true mean " + fixed(true_mean, 1) + ", expected 749.1");
  report.check(std::abs(cumulative - true_mean) < 0.05,
               "momentum absent: within 0.05 of it, at " + fixed(cumulative, 4));

  TerminalPlot plot;
  for (const Series& series : all) plot.curves.push_back({"momentum " + series.label, series.mark, series.proline});
  plot.top = 800;
  plot.columns_a_tick = 5 * static_cast<int>(wine_batches);
  plot.tick_step = 5;
  plot.x_label = "epochs of three batches";
  plot.level = true_mean;
  plot.level_label = "true mean";
  report.line("");
  std::cout << plot;
  write_curves(curves, all);
  report.line("");
  report.line("The same curves as numbers: " + curves.string());
}

}  // namespace demo
