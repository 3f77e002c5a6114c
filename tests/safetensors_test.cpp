// safetensors files, there and back: the bytes of the format's own writer, every type bit for bit, whole files or none.
// What is refused: safetensors_refused_test.cpp, and detail/safetensors_header_test.cpp for headers.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <sstream>
#include <string>
#include <tensornorm/npy.hpp>
#include <tensornorm/safetensors.hpp>
#include <tensornorm/tensornorm.hpp>
#include <vector>

#include "support/files.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using tn::Array;
using tn::DType;
using tn::StateDict;
using namespace tn_test;

namespace {

/// Values of type T with these bits.
template <typename T, typename Bits>
std::vector<T> values_of(const std::vector<Bits>& bits) {
  static_assert(sizeof(T) == sizeof(Bits));
  std::vector<T> values(bits.size());
  if (!bits.empty()) std::memcpy(static_cast<void*>(values.data()), bits.data(), bits.size() * sizeof(Bits));
  return values;
}

template <typename T, typename Bits>
Array array_of(const Array::Shape& shape, const std::vector<Bits>& bits) {
  return Array(shape, values_of<T>(bits));
}

std::string memory_of(const Array& array) {
  return array.visit([](const auto& values) { return raw(values); });
}

/// TENSORS and METADATA of tests/python/contents.py, in an order that is not the file's.
StateDict all_types() {
  using Words = std::vector<std::uint64_t>;
  using Halves = std::vector<std::uint16_t>;
  StateDict dict;
  dict.insert("none", Array({2, 0, 3}, std::vector<float>{}));
  dict.insert("f16", array_of<Eigen::half>({1, 7}, Halves{0x2E66, 0x8000, 1, 0x7BFF, 0x7C00, 0x7EEF, 0xFCEF}));
  dict.insert("bf16", array_of<Eigen::bfloat16>({7}, Halves{0x3DCD, 0x8000, 1, 0x7F7F, 0x7F80, 0x7FEF, 0xFFBF}));
  dict.insert("f64", array_of<double>({7}, Words{0x3FB999999999999A, 0x8000000000000000, 1, 0x7FEFFFFFFFFFFFFF,
                                                 0x7FF0000000000000, 0x7FF800000000BEEF, 0xFFF000000000BEEF}));
  dict.insert("f32", array_of<float>({7, 1}, std::vector<std::uint32_t>{0x3DCCCCCD, 0x80000000, 1, 0x7F7FFFFF,
                                                                        0x7F800000, 0x7FC0BEEF, 0xFF80BEEF}));
  dict.insert("i64",
              array_of<std::int64_t>({2, 2}, Words{0, ~Words::value_type{0}, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000}));
  dict.insert("\u043A\u043B\u044E\u0447 \"\u2603\"\t\x01\\", array_of<Eigen::half>({2}, Halves{0x3C00, 0x4000}));
  dict.insert("../a/b.c", array_of<Eigen::bfloat16>({1, 1, 1}, Halves{0x3F80}));
  dict.insert("bn.num_batches_tracked", Array({}, std::vector<std::int64_t>{42}));
  dict.metadata() = {{"format", "pt"}, {"bn.eps", "1e-05"}, {"\u043A\u043B\u044E\u0447\n", "\"'\u2603"}};
  return dict;
}

void check_same(const StateDict& dict, const StateDict& expected) {
  CHECK(dict.size() == expected.size());
  for (const auto& entry : expected) {
    const std::string& name = entry.first;
    const Array& array = entry.second;
    CAPTURE(name);
    REQUIRE(dict.contains(name));
    CHECK(dict.at(name).dtype() == array.dtype());
    CHECK(dict.at(name).shape() == array.shape());
    CHECK(memory_of(dict.at(name)) == memory_of(array));
  }
  CHECK(dict.metadata() == expected.metadata());
}

std::string saved(const StateDict& dict) {
  std::ostringstream out;
  tn::save_safetensors(out, dict);
  return out.str();
}

StateDict loaded(const std::string& bytes) {
  std::istringstream in(bytes);
  return tn::load_safetensors(in, "file");
}

}  // namespace

TEST_CASE("a file of every type that Python wrote") {
  const StateDict dict = tn::load_safetensors(fixture("all_types.safetensors"));
  check_same(dict, all_types());
  CHECK(dict.begin()->first == "bn.num_batches_tracked");  // in the file's order
}

TEST_CASE("the same written: the same bytes, in whatever order the entries came") {
  CHECK(saved(all_types()) == read_bytes(fixture("all_types.safetensors")));
  CHECK(saved({}) == read_bytes(fixture("empty.safetensors")));
}

TEST_CASE("the bytes that the format's own tests expect of its writer") {
  // safetensors/src/tensor.rs, test_serialization, test_serialization_forced_alignement, test_empty
  const std::vector<float> values{0, 1, 2, 3, 4, 5};
  StateDict dict, padded, metadata;
  dict.insert("attn.0", Array({1, 2, 3}, values));
  CHECK(saved(dict) == std::string("@\0\0\0\0\0\0\0", 8) +
                           R"({"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}})" + raw(values));
  padded.insert("attn0", Array({1, 1, 2, 3}, values));
  CHECK(saved(padded) == std::string("H\0\0\0\0\0\0\0", 8) +
                             R"({"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       )" +
                             raw(values));
  CHECK(saved({}) == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  metadata.metadata()["framework"] = "pt";
  CHECK(saved(metadata) == std::string("(\0\0\0\0\0\0\0", 8) + R"({"__metadata__":{"framework":"pt"}}     )");
}

TEST_CASE("a layer's state: the counter first, then the parameters by name, whole numbers before double") {
  const std::string text = saved(tn::BatchNorm2d<double>(3).state_dict("bn."));
  std::size_t at = 0;
  for (const char* name : {"bn.num_batches_tracked", "bn.bias", "bn.running_mean", "bn.running_var", "bn.weight"}) {
    CAPTURE(name);
    const std::size_t found = text.find('"' + std::string(name) + '"');
    CHECK(found != std::string::npos);
    CHECK(found >= at);
    at = found;
  }
}

TEST_CASE("an older writer's file: no padding, so unaligned data, white space, any order of names and fields") {
  const StateDict dict = tn::load_safetensors(fixture("old.safetensors"));
  REQUIRE(dict.size() == 3);
  CHECK(dict.begin()->first == "b");
  CHECK(dict.at("b").values<float>() == std::vector<float>{0.5f});
  CHECK(dict.at("a").values<Eigen::half>() == std::vector<Eigen::half>{Eigen::half(1.5f)});
  CHECK(dict.at("z").values<std::int64_t>() == std::vector<std::int64_t>{-7});
}

TEST_CASE("safetensors: headers that are unusual and right") {
  CHECK(loaded(safetensors_file("{}")).empty());
  CHECK(loaded(safetensors_file(" \t\r\n{ } \n ")).empty());
  CHECK(loaded(safetensors_file(R"({"__metadata__":{}})")).metadata().empty());
  const auto one = [](const char* tensor, const std::string& data) {
    const StateDict dict = loaded(safetensors_file(std::string("{") + tensor + "}", data));
    REQUIRE(dict.size() == 1);
    return dict.begin()->second;
  };
  CHECK(one(R"("":{"dtype":"F32","shape":[],"data_offsets":[0,4]})", "1234").shape().empty());
  CHECK(one(R"("a":{"dtype":"I64","shape":[0],"data_offsets":[0,0]})", "").shape() == Array::Shape{0});
  CHECK(one(R"("a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]})", "").size() == 0);
  CHECK(one(R"("\u0061":{"dtype":"\u00463\u0032","shape":[1],"data_offsets":[0,4]})", "1234").size() == 1);
  // Tensors without values between, before and after one that has some.
  const StateDict dict = loaded(safetensors_file(R"({"z":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},)"
                                                 R"("y":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
                                                 R"("x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                                 "1234"));
  CHECK(dict.size() == 3);
  CHECK(memory_of(dict.at("x")) == "1234");
}

TEST_CASE("a name with a zero byte in it comes back") {
  StateDict dict;
  dict.insert(std::string("a\0b", 3), Array({}, std::vector<float>{1}));
  check_same(loaded(saved(dict)), dict);
}

TEST_CASE("safetensors: a stream is read from where it stands") {
  std::istringstream in("before" + saved(all_types()));
  in.seekg(6);
  check_same(tn::load_safetensors(in, "file"), all_types());
}

TEST_CASE("what a safetensors file cannot hold is refused, and nothing is written") {
  const auto refused = [](const char* word, const std::string& name, const Array& array,
                          const std::string& metadata = "") {
    StateDict dict;
    dict.insert("first", Array({}, std::vector<float>{1}));
    dict.insert(name, array);
    dict.metadata()["key"] = metadata;
    std::ostringstream out;
    check_throws<std::invalid_argument>({word}, [&] { tn::save_safetensors(out, dict); });
    CHECK(out.str().empty());
  };
  const Array number({}, std::vector<float>{1});
  refused("\"i\"", "i", Array({}, std::vector<std::int32_t>{1}));
  refused("\"u\"", "u", Array({}, std::vector<std::uint8_t>{1}));
  refused("__metadata__", "__metadata__", number);
  refused("UTF-8", "\xFF", number);
  refused("UTF-8", "a", number, "\xC3");
}

TEST_CASE("safetensors: what the stream had been told to fill up is not filled up") {
  std::ostringstream out, told;
  told << std::setw(4000) << std::setfill('x');
  tn::save_safetensors(out, all_types());
  tn::save_safetensors(told, all_types());
  CHECK(told.str() == out.str());
}

TEST_CASE("safetensors: a stream that does not take what is written") {
  std::ofstream full("/dev/full", std::ios::binary);
  if (full) check_throws<std::runtime_error>({"stream"}, [&] { tn::save_safetensors(full, all_types()); });
}

TEST_CASE("a file on disk: whole or not at all, and nothing is left beside it") {
  const TemporaryDirectory directory;
  const auto path = directory / "weights.safetensors", partial = directory / "weights.safetensors.partial";
  tn::save_safetensors(path, all_types());
  CHECK(read_bytes(path) == saved(all_types()));
  check_same(tn::load_safetensors(path), all_types());
  CHECK_FALSE(std::filesystem::exists(partial));

  StateDict unfit;
  unfit.insert("i", Array({}, std::vector<std::int32_t>{1}));
  check_throws<std::invalid_argument>({"\"i\""}, [&] { tn::save_safetensors(path, unfit); });
  CHECK(read_bytes(path) == saved(all_types()));
  CHECK_FALSE(std::filesystem::exists(partial));
  tn::save_safetensors(path, {});
  CHECK(read_bytes(path) == saved({}));
}

TEST_CASE("paths that cannot be read or written are named") {
  const TemporaryDirectory directory;
  const auto refused = [](const std::filesystem::path& path, const char* words, auto call) {
    check_throws<std::runtime_error>({path.string(), words}, [&] { call(path); });
  };
  const auto load = [](const auto& path) { tn::load_safetensors(path); };
  const auto save = [](const auto& path) { tn::save_safetensors(path, all_types()); };
  refused(directory / "none", "cannot be opened", load);
  refused(directory / "", "cannot be read", load);
  refused(directory / "none/file", "cannot be written", save);
  std::filesystem::create_directory(directory / "a");
  refused(directory / "a", "cannot be written", save);
  CHECK_FALSE(std::filesystem::exists(directory / "a.partial"));
  std::filesystem::create_directory(directory / "b.partial");  // someone else's
  refused(directory / "b", "cannot be written", save);
  CHECK(std::filesystem::exists(directory / "b.partial"));
  if (std::filesystem::exists("/dev/full")) {
    std::filesystem::create_symlink("/dev/full", directory / "full.partial");
    refused(directory / "full", "cannot be written", save);
    std::filesystem::create_symlink("/dev/full", directory / "full.partial");
    refused(directory / "full", "cannot be written",
            [](const auto& path) { tn::save_npy(path, Array({}, std::vector<float>{1})); });
  }
}
