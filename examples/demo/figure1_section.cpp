// Figure 1 of the batch norm paper in short: one seed, the first hundred epochs on UCI digits.
#include <iostream>
#include <string>
#include <vector>

#include "demo/report.hpp"
#include "demo/sections.hpp"
#include "demo/terminal_plot.hpp"
#include "figure1/digits.hpp"
#include "figure1/training.hpp"

namespace demo {
namespace {

/// Percent of the test digits recognised, after 0, 1, 2, ... epochs.
std::vector<double> accuracy(const figure1::Digits& digits, figure1::Settings settings, bool batch_norm) {
  settings.architecture.batch_norm = batch_norm;
  std::vector<double> percent;
  for (const figure1::Point& point : figure1::train(digits, settings)) percent.push_back(100 * point.accuracy);
  return percent;
}

}  // namespace

void figure1_section(Report& report, const std::filesystem::path& data) {
  constexpr int shown_steps = 400;
  constexpr double goal = 85;
  figure1::Settings settings;
  settings.steps = 2000;
  settings.evaluate_every = 20;  // an epoch: 1200 pictures in batches of 60
  const figure1::Digits digits = figure1::load_digits(data);
  const std::vector<double> plain = accuracy(digits, settings, false), with = accuracy(digits, settings, true);

  report.heading("Training on UCI digits: three hidden layers of 100 sigmoid units, with BatchNorm1d and without");
  report.line("Percent of the 597 test digits recognised; the same first weights, batches and learning rate.");
  report.line("");
  TerminalPlot plot;
  plot.curves = {{"with batch norm", '*', with}, {"without", 'o', plain}};
  plot.top = 100;
  plot.columns_a_tick = 20;
  plot.tick_step = plot.columns_a_tick * settings.evaluate_every;
  plot.x_label = "steps of 60 digits";
  plot.level = goal;
  plot.level_label = fixed(goal, 0) + " %";
  std::cout << plot;
  report.line("");

  const auto point = static_cast<std::size_t>(shown_steps / settings.evaluate_every);
  const std::string after = "after " + std::to_string(shown_steps) + " steps ";
  report.check(with[point] >= goal, after + "with batch norm:" + fixed(with[point], 1, 7) + " %, expected at least " +
                                        fixed(goal, 0) + " %");
  report.check(plain[point] < goal,
               after + "without:        " + fixed(plain[point], 1, 7) + " %, expected below " + fixed(goal, 0) + " %");
  report.line("./run figure1 trains five seeds for ten times as long and draws Figure 1 of the paper.");
}

}  // namespace demo
