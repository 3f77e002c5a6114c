// tensornorm_figure1 [data directory [CSV file to write [learning rate [standard deviation of the first weights]]]]
// Trains the network of Ioffe and Szegedy's Figure 1 on UCI digits, without and with batch norm, from several seeds.
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "demo/csv.hpp"
#include "demo/report.hpp"
#include "figure1/digits.hpp"
#include "figure1/training.hpp"

namespace {

using namespace figure1;
using demo::fixed, demo::right;

constexpr int seeds = 5;

/// A line on stderr that replaces itself; nothing when stderr is not a terminal.
class Progress {
 public:
  ~Progress() { show(""); }
  void show(const std::string& text) const {
    if (terminal_) std::cerr << "\r\033[K" << text << std::flush;
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
};

/// Two networks from one seed: the same first weights, the same batches.
struct Pair {
  Curve plain, batch_norm;
};

std::vector<Pair> train_all(const Digits& digits, Settings settings) {
  const Progress progress;
  std::vector<Pair> pairs;
  for (int seed = 1; seed <= seeds; ++seed) {
    settings.seed = static_cast<std::uint64_t>(seed);
    const auto curve = [&](bool batch_norm, const std::string& name) {
      settings.architecture.batch_norm = batch_norm;
      return train(digits, settings, [&](int step) {
        progress.show("seed " + std::to_string(seed) + " of " + std::to_string(seeds) + ", " + name +
                      " batch norm: " + "step " + std::to_string(step) + " of " + std::to_string(settings.steps));
      });
    };
    Curve plain = curve(false, "without");
    pairs.push_back({std::move(plain), curve(true, "with")});
  }
  return pairs;
}

double best_accuracy(const Curve& curve) {
  double best = 0;
  for (const Point& point : curve) best = std::max(best, point.accuracy);
  return best;
}

/// The mean over the seeds of each curve's best.
double mean_best(const std::vector<Pair>& pairs, Curve Pair::*which) {
  double sum = 0;
  for (const Pair& pair : pairs) sum += best_accuracy(pair.*which);
  return sum / static_cast<double>(pairs.size());
}

constexpr double never = std::numeric_limits<double>::infinity();

/// The first step after which the accuracy is at least `accuracy`, or never.
double first_step(const Curve& curve, double accuracy) {
  for (const Point& point : curve)
    if (point.accuracy >= accuracy) return point.step;
  return never;
}

std::string percent(double share, int decimals, int width = 0) { return fixed(100 * share, decimals, width) + " %"; }
std::string or_never(double value, const std::string& text) { return value < never ? text : "never"; }

/// A line a seed: when each network first reaches `share` of the plain one's best accuracy.
void print_race(const std::vector<Pair>& pairs, double share) {
  std::cout << "\n  seed   accuracy   without        with   fraction of the steps\n";
  std::vector<double> fractions;
  for (const auto& [plain, batch_norm] : pairs) {
    const double goal = share * best_accuracy(plain);
    const double slow = first_step(plain, goal), fast = first_step(batch_norm, goal);
    const double fraction = fast == slow ? 1 : fast / slow;  // both are 0 where the plain network learns nothing
    fractions.push_back(fraction);
    std::cout << fixed(static_cast<double>(fractions.size()), 0, 6) << percent(goal, 2, 9) << fixed(slow, 0, 10)
              << right(or_never(fast, fixed(fast, 0)), 12) << right(or_never(fraction, percent(fraction, 1)), 10)
              << '\n';
  }
  std::sort(fractions.begin(), fractions.end());
  const auto text = [](double fraction) { return or_never(fraction, percent(fraction, 1)); };
  std::cout << "  median " << text(fractions[fractions.size() / 2]) << ", from " << text(fractions.front()) << " to "
            << text(fractions.back()) << " over the seeds\n";
}

/// Columns of one network: accuracy over the seeds, then the percentiles of the first seed.
void append(demo::CsvTable& table, const std::vector<Pair>& pairs, Curve Pair::*which, const std::string& name) {
  for (const char* column : {"mean", "min", "max", "p15", "p50", "p85"}) table.names.push_back(name + ' ' + column);
  const Eigen::Index first = table.values.cols();
  table.values.conservativeResize(Eigen::NoChange, first + 6);
  for (Eigen::Index row = 0; row < table.values.rows(); ++row) {
    const auto point = static_cast<std::size_t>(row);
    Eigen::VectorXd accuracy(static_cast<Eigen::Index>(pairs.size()));
    std::transform(pairs.begin(), pairs.end(), accuracy.begin(),
                   [&](auto& pair) { return (pair.*which)[point].accuracy; });
    const auto& [p15, p50, p85] = (pairs.front().*which)[point].percentiles;
    table.values.row(row).tail(6) << accuracy.mean(), accuracy.minCoeff(), accuracy.maxCoeff(), p15, p50, p85;
  }
}

void write_curves(const std::filesystem::path& path, const std::vector<Pair>& pairs) {
  const Curve& any = pairs.front().plain;
  demo::CsvTable table{{"step"}, Eigen::MatrixXd(static_cast<Eigen::Index>(any.size()), 1)};
  std::transform(any.begin(), any.end(), table.values.data(), [](const Point& point) { return point.step; });
  append(table, pairs, &Pair::plain, "plain");
  append(table, pairs, &Pair::batch_norm, "batch norm");
  demo::write_csv(path, table);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::filesystem::path data = argc > 1 ? argv[1] : TENSORNORM_DEMO_DATA;
    const std::filesystem::path curves = argc > 2 ? argv[2] : "figure1.csv";
    Settings settings;
    if (argc > 3) settings.learning_rate = std::stod(argv[3]);
    if (argc > 4) settings.architecture.weight_sd = std::stod(argv[4]);

    const Digits digits = load_digits(data);
    std::cout << "UCI digits: " << digits.train_x.rows() << " pictures to train on, " << digits.test_x.rows()
              << " to test with. Three hidden layers of 100 sigmoid units,\nbatches of " << settings.batch << ", "
              << settings.steps << " steps of plain gradient descent, learning rate " << settings.learning_rate
              << ", first weights N(0, " << settings.architecture.weight_sd << "^2).\n\n";
    const std::vector<Pair> pairs = train_all(digits, settings);
    write_curves(curves, pairs);

    std::cout << "Best test accuracy, mean of " << seeds << " seeds: " << percent(mean_best(pairs, &Pair::plain), 2)
              << " without batch norm, " << percent(mean_best(pairs, &Pair::batch_norm), 2) << " with it.\n\n"
              << "The step at which each network first reaches the best accuracy of the one without batch norm:\n";
    print_race(pairs, 1);
    std::cout << "\nThe same for 99 % of that accuracy, which one or two lucky pictures do not decide:\n";
    print_race(pairs, 0.99);
    std::cout << "\nThe curves as numbers: " << curves.string() << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "tensornorm_figure1: " << error.what() << '\n';
    return 2;
  }
}
