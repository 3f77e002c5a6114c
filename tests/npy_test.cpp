// .npy files: what numpy wrote is read, of either order; what is written is what numpy would write.
// Headers that are refused: detail/npy_header_test.cpp.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <limits>
#include <locale>
#include <sstream>
#include <string>
#include <tensornorm/npy.hpp>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/bits.hpp"
#include "support/files.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using tn::Array;
using tn::DType;
using namespace tn_test;

namespace {

/// 0, 1, 2, ... in C order, of shape [2, 3, 4]: COUNTED of tests/python/contents.py.
template <typename T>
Array counted() {
  std::vector<T> values;
  for (int i = 0; i < 24; ++i) values.push_back(static_cast<T>(i));
  return Array({2, 3, 4}, values);
}

Array load(const std::string& name) { return tn::load_npy(fixture(name + ".npy")); }

std::string saved(const Array& array) {
  std::ostringstream out;
  tn::save_npy(out, array);
  return out.str();
}

Array loaded(const std::string& bytes) {
  std::istringstream in(bytes);
  return tn::load_npy(in, "file");
}

/// numpy's files of 0 .. 23, in both orders, hold them; and its C order is what we write.
template <typename T>
void check_type(const std::string& name, DType dtype) {
  CAPTURE(name);
  for (const char* order : {"", "_fortran"}) {
    const Array array = load(name + order);
    CHECK(array.dtype() == dtype);
    CHECK(array.shape() == Array::Shape{2, 3, 4});
    CHECK(array.values<T>() == counted<T>().template values<T>());
  }
  CHECK(saved(counted<T>()) == read_bytes(fixture(name + ".npy")));
}

/// Thousands apart, as in the locale of many a program.
struct Grouped : std::numpunct<char> {
  char do_thousands_sep() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

}  // namespace

TEST_CASE("every type, in both orders, read and written as numpy does") {
  check_type<float>("f4", DType::float32);
  check_type<double>("f8", DType::float64);
  check_type<std::int64_t>("i8", DType::int64);
  check_type<std::int32_t>("i4", DType::int32);
  check_type<std::uint8_t>("u1", DType::uint8);
}

TEST_CASE("versions 2 and 3 of the format") {
  CHECK(load("version_2").values<float>() == counted<float>().values<float>());
  CHECK(load("version_3_fortran").values<double>() == counted<double>().values<double>());
}

TEST_CASE("a number, a vector and nothing: read, and written as numpy does") {
  const Array scalar = load("scalar"), vector = load("vector"), empty = load("empty");
  CHECK(scalar.shape().empty());
  CHECK(scalar.values<float>() == std::vector<float>{7});
  CHECK(vector.shape() == Array::Shape{3});
  CHECK(std::isnan(vector.values<double>()[0]));
  CHECK(std::signbit(vector.values<double>()[1]));
  CHECK(vector.values<double>()[2] == std::numeric_limits<double>::infinity());
  CHECK(empty.shape() == Array::Shape{2, 0, 3});
  CHECK(empty.dtype() == DType::int32);
  CHECK(saved(scalar) == read_bytes(fixture("scalar.npy")));
  CHECK(saved(vector) == read_bytes(fixture("vector.npy")));
  CHECK(saved(empty) == read_bytes(fixture("empty.npy")));
}

TEST_CASE("into Eigen: the same tensor from either order") {
  using X = Eigen::Tensor<float, 3, Eigen::ColMajor>;
  const X x = load("f4").to<X>(), y = load("f4_fortran").to<X>();
  CHECK(same_bits(x, y));
  CHECK(x(1, 2, 3) == 23);
  CHECK(x(0, 2, 1) == 9);
  std::ostringstream out;
  tn::save_npy(out, Array::from(x));
  CHECK(out.str() == read_bytes(fixture("f4.npy")));
}

TEST_CASE("NaNs keep their payloads") {
  const std::string bits = raw<std::uint32_t>({0x7FC0BEEF, 0xFF80BEEF, 0x80000000});
  const Array array = loaded(npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", bits));
  CHECK(raw(array.values<float>()) == bits);
  const Array back = loaded(saved(array));
  CHECK(raw(back.values<float>()) == bits);
}

TEST_CASE(".npy: headers that are unusual and right") {
  const auto shape = [](const std::string& dict) { return loaded(npy_file(dict, "1234")).shape(); };
  CHECK(shape("{\"shape\": (1, 1), \"fortran_order\": True, \"descr\": \"<f4\"}") == Array::Shape{1, 1});
  CHECK(shape("{'descr':'<f4','fortran_order':False,'shape':()}") == Array::Shape{});
  CHECK(shape("{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 1 , ) , } ") == Array::Shape{1});
  CHECK(shape("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1,)}") == Array::Shape{1, 1});
}

TEST_CASE(".npy: a stream is read from where it stands") {
  std::istringstream in("before" + read_bytes(fixture("f4.npy")));
  in.seekg(6);
  CHECK(tn::load_npy(in, "file").values<float>() == counted<float>().values<float>());
}

TEST_CASE("the header ends where a multiple of 64 bytes does, and the data begins there") {
  for (int axes = 0; axes <= 64; ++axes) {  // 3 bytes of header each
    const Array array(Array::Shape(static_cast<std::size_t>(axes), 1), std::vector<float>{5});
    const std::string bytes = saved(array);
    CHECK((bytes.size() - 4) % 64 == 0);
    CHECK(bytes[bytes.size() - 5] == '\n');
    CHECK(loaded(bytes).shape() == array.shape());
  }
  const Array many(Array::Shape(65, 1), std::vector<float>{5});
  check_throws<std::invalid_argument>({"array", "at most 64 axes", "65"}, [&] { saved(many); });
}

TEST_CASE("a program's locale does not get into a file") {
  const Array array({1234567}, std::vector<std::uint8_t>(1234567));
  const std::string expected = saved(array);
  CHECK(expected.find("(1234567,)") != std::string::npos);
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouped));
  const std::string grouped = saved(array);
  std::locale::global(before);
  CHECK(grouped.substr(0, 128) == expected.substr(0, 128));
}

TEST_CASE(".npy: what the stream had been told to fill up is not filled up") {
  std::ostringstream out;
  out << std::setw(400) << std::setfill('x');
  tn::save_npy(out, counted<float>());
  CHECK(out.str() == saved(counted<float>()));
}

TEST_CASE("types that a .npy file is not written of") {
  check_throws<std::invalid_argument>({"half"}, [] { saved(Array({1}, std::vector<Eigen::half>(1))); });
  check_throws<std::invalid_argument>({"bfloat16"}, [] { saved(Array({1}, std::vector<Eigen::bfloat16>(1))); });
}

TEST_CASE(".npy: a stream that does not take what is written") {
  std::ofstream full("/dev/full", std::ios::binary);
  if (full) check_throws<std::runtime_error>({"stream"}, [&] { tn::save_npy(full, counted<double>()); });
}

TEST_CASE("a file on disk: whole or not at all") {
  const TemporaryDirectory directory;
  const auto path = directory / "x.npy";
  tn::save_npy(path, counted<float>());
  CHECK(read_bytes(path) == read_bytes(fixture("f4.npy")));
  CHECK(tn::load_npy(path).values<float>() == counted<float>().values<float>());
  check_throws<std::invalid_argument>({"half"}, [&] { tn::save_npy(path, Array({1}, std::vector<Eigen::half>(1))); });
  CHECK(read_bytes(path) == read_bytes(fixture("f4.npy")));
  CHECK_FALSE(std::filesystem::exists(directory / "x.npy.partial"));
  check_throws<std::runtime_error>({(directory / "none").string(), "cannot be opened"},
                                   [&] { tn::load_npy(directory / "none"); });
}
