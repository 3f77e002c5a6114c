// Two micro-batches normalised with the statistics of both: the halves of
// a training pass, without a layer.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  namespace fn = tensornorm::functional;
  const Eigen::DefaultDevice device;
  const Eigen::MatrixXf a{{1, 10}, {3, 30}}, b{{8, 20}, {0, 60}, {4, 20}};
  const auto view_a = tensornorm::channel_view(a),
             view_b = tensornorm::channel_view(b);
  fn::Scratch scratch;  // one thread needs none

  Eigen::ArrayXd mean_a(2), m2_a(2), mean_b(2), m2_b(2), mean(2), m2(2),
      invstd(2);
  fn::batch_moments(device, view_a, {mean_a.data(), m2_a.data(), nullptr},
                    scratch);
  fn::batch_moments(device, view_b, {mean_b.data(), m2_b.data(), nullptr},
                    scratch);
  for (int c = 0; c < 2; ++c) {
    const tensornorm::Moments of_a{2, mean_a[c], m2_a[c]},
        of_b{3, mean_b[c], m2_b[c]};
    const tensornorm::Moments both = tensornorm::merge(of_a, of_b);
    mean[c] = both.mean;
    m2[c] = both.m2;
  }

  const fn::BatchStatistics both{mean.data(), m2.data(), invstd.data()};
  fn::batch_invstd(0, 2, 5, 1e-5, 0, both);
  Eigen::MatrixXf y_a(2, 2);
  fn::normalize(device, view_a, both, fn::Affine<float>{nullptr, nullptr},
                tensornorm::channel_view(y_a));
  std::cout << y_a << '\n';
  //! [code]

  //! [backward]
  const Eigen::MatrixXf dy_a{{0, 1}, {2, 0}}, dy_b{{1, 1}, {0, 3}, {1, 0}};
  const auto view_dy_a = tensornorm::channel_view(dy_a),
             view_dy_b = tensornorm::channel_view(dy_b);
  Eigen::ArrayXd dy(2), dy_dev(2), dy_of_b(2), dy_dev_of_b(2);
  fn::gradient_sums(device, view_a, view_dy_a, both,
                    {dy.data(), dy_dev.data()}, scratch);
  fn::gradient_sums(device, view_b, view_dy_b, both,
                    {dy_of_b.data(), dy_dev_of_b.data()}, scratch);
  dy += dy_of_b;
  dy_dev += dy_dev_of_b;

  Eigen::MatrixXf dx_a(2, 2);
  fn::input_gradient(device, view_a, view_dy_a, both,
                     fn::Affine<float>{nullptr, nullptr}, 5, 0,
                     fn::GradientSums{dy.data(), dy_dev.data()},
                     tensornorm::channel_view(dx_a));
  std::cout << dx_a << '\n';
  //! [backward]

  //! [whole]
  Eigen::MatrixXf whole(5, 2);
  whole << a, b;
  tensornorm::BatchNorm1d bn(2);
  std::cout << bn(whole).topRows(2) << '\n';
  Eigen::MatrixXf dwhole(5, 2);
  dwhole << dy_a, dy_b;
  std::cout << bn.backward(whole, dwhole).topRows(2) << '\n';
  //! [whole]
}
