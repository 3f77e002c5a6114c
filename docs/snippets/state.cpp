// A layer's state by name, and another layer that takes it over.
#include <iomanip>
#include <iostream>
#include <tensornorm/tensornorm.hpp>

int main() {
  std::cout << std::fixed << std::setprecision(4);
  //! [code]
  tensornorm::BatchNorm1d<> trained(2), restored(2);
  trained(Eigen::MatrixXf{{1, 10}, {3, 30}});
  trained.weight() << 2, 0.5f;

  const tensornorm::StateDict state = trained.state_dict("bn1.");
  for (const auto& [name, array] : state) {
    std::cout << name;
    for (const double value : array.as<double>())
      std::cout << ' ' << value;
    std::cout << '\n';
  }

  restored.load_state_dict(state, "bn1.");
  std::cout << restored.eval()(Eigen::MatrixXf{{1, 10}}) << '\n';
  //! [code]
}
