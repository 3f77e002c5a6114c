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

  //! [whole]
  Eigen::MatrixXf whole(5, 2);
  whole << a, b;
  std::cout << tensornorm::BatchNorm1d<>(2)(whole).topRows(2) << '\n';
  //! [whole]
}
