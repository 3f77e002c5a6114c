// UCI Wine: 13 measurements of very different size. What normalising does for a classifier that compares distances, and
// what a layer returns in its two modes.
#include <algorithm>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tensornorm/tensornorm.hpp>

#include "demo/csv.hpp"
#include "demo/sections.hpp"
#include "demo/wine.hpp"

namespace demo {

Eigen::Index Wine::feature(const std::string& name) const {
  const auto found = std::find(features.begin(), features.end(), name);
  if (found == features.end()) throw std::runtime_error("wine.csv has no column " + name);
  return found - features.begin();
}

namespace {

Wine load_wine(const std::filesystem::path& data) {
  const CsvTable table = read_csv(data / "wine.csv");
  const Eigen::Index count = table.values.cols() - 1;  // the last column is the class
  const Eigen::MatrixXf x = table.values.leftCols(count).cast<float>();
  const Eigen::MatrixXi cultivar = table.values.rightCols(1).cast<int>();
  return {{table.names.begin(), table.names.end() - 1},
          every_nth_row(x, 0, 2),
          every_nth_row(x, 1, 2),
          every_nth_row(cultivar, 0, 2),
          every_nth_row(cultivar, 1, 2)};
}

/// How many test wines have their nearest training wine's cultivar, with both sets as given.
int nearest_neighbour_hits(const Wine& wine, const Eigen::MatrixXf& train, const Eigen::MatrixXf& test) {
  const Eigen::MatrixXd neighbours = train.cast<double>();
  int hits = 0;
  for (Eigen::Index row = 0; row < test.rows(); ++row) {
    Eigen::Index nearest = 0;
    (neighbours.rowwise() - test.row(row).cast<double>()).rowwise().squaredNorm().minCoeff(&nearest);
    if (wine.train_cultivar(nearest) == wine.test_cultivar(row)) ++hits;
  }
  return hits;
}

/// A layer that has seen the three training batches, with the cumulative average; in training mode.
tensornorm::BatchNorm1d<float> trained_layer(const Wine& wine) {
  tensornorm::BatchNormOptions options;
  options.momentum = std::nullopt;
  tensornorm::BatchNorm1d<float> bn(wine.train.cols(), options);
  for (Eigen::Index k = 0; k < wine_batches; ++k) bn(wine_batch(wine, k));
  return bn;
}

void accuracy(Report& report, const Wine& wine, const tensornorm::BatchNorm1d<float>& eval) {
  const auto row = [&](const std::string& name, int hits, int expected) {
    std::ostringstream text;
    text << left(name, 28) << hits << '/' << wine.test.rows() << "   expected " << expected << '/' << wine.test.rows();
    report.check(hits == expected, text.str());
  };
  report.line("Nearest neighbour, 89 wines to learn from, 89 to name:");
  row("raw measurements", nearest_neighbour_hits(wine, wine.train, wine.test), 58);
  row("after BatchNorm1d in eval", nearest_neighbour_hits(wine, eval(wine.train), eval(wine.test)), 83);
}

/// Mean and biased variance of a column, with `width` columns each.
std::string mean_and_variance(const Eigen::VectorXf& column, int decimals, int width) {
  const Eigen::VectorXd x = column.cast<double>();
  return fixed(x.mean(), decimals, width) + fixed((x.array() - x.mean()).square().mean(), decimals, width);
}

void training_against_eval(Report& report, const Wine& wine, const tensornorm::BatchNorm1d<float>& eval) {
  const Eigen::MatrixXf x = wine_batch(wine, 0);
  tensornorm::BatchNorm1d<float> copy = eval;  // a pass in training mode moves the running statistics
  const Eigen::MatrixXf training_y = copy.train()(x), eval_y = eval(x);

  report.line("");
  report.line("One batch of 30 wines, before and after the layer. Training mode uses the batch's own statistics, so");
  report.line("every feature leaves with mean 0 and variance 1; eval mode uses those of all batches, so not quite.");
  report.line("");
  report.line(left("", 14) + right("in", 24) + right("training", 24) + right("eval", 24));
  std::string heads = left("", 14);
  for (int pair = 0; pair < 3; ++pair) heads += right("mean", 12) + right("var", 12);
  report.line(heads);
  for (const std::string name : {"hue", "alcohol", "magnesium", "proline"}) {
    const Eigen::Index c = wine.feature(name);
    report.line(left(name, 14) + mean_and_variance(x.col(c), 2, 12) + mean_and_variance(training_y.col(c), 3, 12) +
                mean_and_variance(eval_y.col(c), 3, 12));
  }

  const Eigen::ArrayXd means = training_y.cast<double>().colwise().mean().array().transpose();
  const Eigen::ArrayXd variances = training_y.cast<double>().array().square().colwise().mean().transpose();
  const Eigen::ArrayXd biased =
      (x.cast<double>().rowwise() - x.cast<double>().colwise().mean()).array().square().colwise().mean().transpose();
  const double eps = eval.options().eps;
  const Eigen::ArrayXd off = means.abs().max((variances - biased / (biased + eps)).abs());
  const double worst = off.maxCoeff();
  report.check((off < 1e-5).all(),
               "training: mean 0 and variance v/(v + eps), all 13 features, to" + scientific(worst, 8));
}

/// One wine among fewer and fewer others: only in training mode does the answer depend on them.
void company(Report& report, const Wine& wine, const tensornorm::BatchNorm1d<float>& eval) {
  const Eigen::Index proline = wine.feature("proline");
  tensornorm::BatchNorm1d<float> training = eval;
  training.train();
  std::string heads, training_row, eval_row;
  double spread = 0;  // from what it is alone: a sum, which NaN does not get lost in
  bool refused = false;
  const double alone = static_cast<double>(eval(wine.test.topRows(1))(0, proline));
  for (const Eigen::Index others : {88, 8, 1, 0}) {
    const Eigen::MatrixXf x = wine.test.topRows(others + 1);
    const auto eval_value = static_cast<double>(eval(x)(0, proline));
    spread += std::abs(eval_value - alone);
    heads += right(others == 0 ? "alone" : "with " + std::to_string(others), 12);
    eval_row += fixed(eval_value, 4, 12);
    try {
      training_row += fixed(static_cast<double>(training(x)(0, proline)), 4, 12);
    } catch (const std::invalid_argument&) {
      refused = others == 0;
      training_row += right("refused", 12);
    }
  }
  report.line("");
  report.line("The first test wine's proline as the layer returns it, in a batch with other wines:");
  report.line("");
  report.line(left("", 14) + heads);
  report.line(left("training", 14) + training_row);
  report.line(left("eval", 14) + eval_row);
  report.check(spread < 1e-5, "eval: the same in any company, to" + scientific(spread, 8));
  report.check(refused, "training: a batch of one is refused, as in PyTorch");
}

}  // namespace

void wine_section(Report& report, const std::filesystem::path& data, const std::filesystem::path& curves) {
  report.heading("UCI Wine (178 wines, 13 measurements)");
  const Wine wine = load_wine(data);
  tensornorm::BatchNorm1d<float> bn = trained_layer(wine);
  bn.eval();
  accuracy(report, wine, bn);
  training_against_eval(report, wine, bn);
  company(report, wine, bn);
  wine_running_mean(report, wine, curves);
}

}  // namespace demo
