// Threads inside a pass, and passes on many threads.
#define EIGEN_USE_THREADS  // before any header of Eigen
#include <algorithm>
#include <iostream>
#include <tensornorm/tensornorm.hpp>
#include <thread>

namespace {

using Tensor4 = Eigen::Tensor<float, 4, Eigen::RowMajor>;

const char* same_bits(const Tensor4& a, const Tensor4& b) {
  return std::equal(a.data(), a.data() + a.size(), b.data()) ? "the same"
                                                             : "different";
}

}  // namespace

int main() {
  Tensor4 x(8, 16, 28, 28);
  x.setRandom();
  //! [pool]
  Eigen::ThreadPool pool(3);
  Eigen::ThreadPoolDevice device(&pool, 4);  // the caller is the fourth

  tensornorm::BatchNorm2d<> on_one(16), on_four(16);
  Tensor4 y_one, y_four;
  on_one.forward(x, y_one);
  on_four.forward(device, x, y_four);
  std::cout << "training, 1 and 4 threads: " << same_bits(y_one, y_four)
            << '\n';
  //! [pool]
  //! [serve]
  on_one.eval();
  const auto& served = on_one;  // const: nothing but what is safe
  Tensor4 y_a, y_b;
  std::thread a([&] { served.forward(x, y_a); });
  std::thread b([&] { served.forward(x, y_b); });
  a.join();
  b.join();
  std::cout << "eval on two threads at once: " << same_bits(y_a, y_b)
            << '\n';
  //! [serve]
}
