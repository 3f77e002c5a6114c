// What mistakes say.
#include <iostream>
#include <stdexcept>
#include <tensornorm/tensornorm.hpp>

namespace {

template <typename Call>
void attempt(const Call& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    std::cout << "invalid_argument: " << error.what() << '\n';
  } catch (const std::logic_error&
               error) {  // what std::invalid_argument is, too
    std::cout << "logic_error: " << error.what() << '\n';
  }
}

}  // namespace

int main() {
  //! [code]
  tensornorm::BatchNorm2d<> bn(3);
  tensornorm::BatchNorm1d<> rows(3);
  const tensornorm::BatchNorm1d<> constant(3);
  const Eigen::MatrixXf x = Eigen::MatrixXf::Ones(4, 3),
                        one_row = x.topRows(1);
  const Eigen::Tensor<float, 4> pictures(8, 32, 32, 3);
  Eigen::MatrixXf y(4, 2);
  tensornorm::BatchNormOptions options;
  options.eps = -1;

  attempt([&] { bn(pictures); });
  attempt([&] { rows(one_row); });
  attempt([&] { rows.forward(x, y); });
  attempt([&] { tensornorm::BatchNorm1d<> negative(3, options); });
  attempt([&] { rows.backward(x, x); });
  attempt([&] { constant(x); });
  attempt([&] {
    rows.load_state_dict(tensornorm::BatchNorm1d<>(2).state_dict());
  });
  //! [code]
}
