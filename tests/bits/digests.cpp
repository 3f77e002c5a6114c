// Prints a digest of every result's bits, for layers of float and double, in all walks: compare.sh builds it in several
// ways, and no line may differ. What the results are worth is for the other tests to say.
#include <cstdint>
#include <cstdio>
#include <random>
#include <tensornorm/tensornorm.hpp>

namespace {

using Eigen::Index;

/// FNV-1a, of 64 bits.
class Digest {
 public:
  template <typename X>
  void add(const X& x) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(x.data());
    for (std::size_t k = 0; k < static_cast<std::size_t>(x.size()) * sizeof(*x.data()); ++k) {
      value_ = (value_ ^ bytes[k]) * 0x100000001b3;
    }
  }
  unsigned long long value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

/// Exact, and so the same in every build, which numbers by way of logarithms are not.
class Random {
 public:
  /// Of mean 0 and deviation 1/2, a multiple of 2^-24.
  double operator()() { return uniform() + uniform() + uniform() - 1.5; }

 private:
  double uniform() { return static_cast<double>(engine_() >> 8) * 0x1p-24; }
  std::mt19937 engine_;
};

struct Data {
  const char* name;
  double mean, deviation;
};

template <typename Scalar>
void print_digests(const char* scalar, const Eigen::array<Index, 4>& dims, const Data& data) {
  using X = Eigen::Tensor<Scalar, 4, Eigen::RowMajor>;
  Random random;
  // Of these products none is rounded, or nothing but 0 is added to it.
  const auto number = [&](double mean, double deviation) { return static_cast<Scalar>(mean + deviation * random()); };
  X x(dims), dy(dims), y(dims), dx(dims);
  for (Index k = 0; k < x.size(); ++k) {
    x.data()[k] = number(data.mean, data.deviation);
    dy.data()[k] = number(0.25, 1);
  }
  tensornorm::BatchNorm2d<Scalar> bn(dims[1]);
  for (Index c = 0; c < dims[1]; ++c) {
    bn.weight()[c] = static_cast<Scalar>(1 + random());
    bn.bias()[c] = static_cast<Scalar>(random());
  }
  Digest training, gradients, eval, folded;
  bn.forward(x, y);
  training.add(y);
  bn.backward(x, dy, dx);
  gradients.add(dx);
  gradients.add(bn.weight_grad());
  gradients.add(bn.bias_grad());
  bn.forward(y, y);  // in place; both batches are in the running statistics
  training.add(bn.running_mean());
  training.add(bn.running_var());
  bn.eval();
  bn.forward(x, y);
  eval.add(y);
  bn.backward(x, dy, dx);
  eval.add(dx);
  const auto affine = tensornorm::fold(bn);
  folded.add(affine.scale);
  folded.add(affine.shift);
  std::printf("%-6s %-9s %dx%dx%dx%d: training %016llx, gradients %016llx, eval %016llx, folded %016llx\n", scalar,
              data.name, int(dims[0]), int(dims[1]), int(dims[2]), int(dims[3]), training.value(), gradients.value(),
              eval.value(), folded.value());
}

template <typename Scalar>
void print_all(const char* scalar) {
  const Data all_data[] = {{"centred", 0, 1}, {"far out", 3e4, 1}, {"subnormal", 0, 1e-39}, {"huge", 0, 1e38}};
  for (const Data& data : all_data) {
    const auto print = [&](Index n, Index c, Index h, Index w) { print_digests<Scalar>(scalar, {n, c, h, w}, data); };
    print(2, 3, 1, 1);
    print(3, 5, 7, 7);      // short runs
    print(40, 6, 8, 8);     // planes walked as rows
    print(33, 3, 14, 14);   // runs that share tiles
    print(2, 3, 40, 41);    // long runs, with a remainder
    print(3, 2, 220, 221);  // several chunks
    print(600, 70, 1, 1);   // rows, several taken together
    print(200, 1100, 1, 1);
  }
}

}  // namespace

int main() {
  print_all<float>("float");
  print_all<double>("double");
}
