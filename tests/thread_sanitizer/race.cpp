// What no program may do: two threads that train one layer. ThreadSanitizer must say so, else its silence about the
// tests would mean nothing.
#include <tensornorm/tensornorm.hpp>
#include <thread>

int main() {
  tensornorm::BatchNorm1d<> bn(3);
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(50, 3);
  const auto train = [&] { bn(x); };
  std::thread other(train);
  train();
  other.join();
}
