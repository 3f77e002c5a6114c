// Files that are no safetensors files, each refused in words of its own: the list of what the format's own readers
// check and more of its last kind, offsets that do not cover the data once. Headers:
// detail/safetensors_header_test.cpp.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "support/files.hpp"
#include "support/safetensors_answers.hpp"

using namespace tn_test;

TEST_CASE("safetensors: the file that the others are made from is right") {
  CHECK(answer(tensor(kGood, "1234")) == "loaded");
  CHECK(answer(shaped("[1]")) == "loaded");
  CHECK(answer(two("[0,4]", "[4,8]")) == "loaded");
  CHECK(answer(two("[4,8]", "[0,4]")) == "loaded");
}

TEST_CASE("safetensors: each kind of fault has words of its own") {
  const std::string nested = times(100000, "[");
  const std::vector<std::string> messages{
      refused("1234567", "shorter than the 8 bytes"),
      refused(raw<std::uint64_t>({3}) + "{}", "claims a header of 3 bytes, and has only 2 left"),
      refused(raw<std::uint64_t>({~std::uint64_t{0}}) + "{}",
              "claims a header of 18446744073709551615 bytes: expected "
              "at most 100000000"),
      header("{\"\xFF\":1}", "header is not UTF-8 at its byte 3"),
      header("[]", "header is not a JSON object"),
      header("{}x", "header is not JSON from its byte 3 on"),
      header("{\"a\":{\"shape\":" + nested, "\"a\": shape is nested too deeply"),
      refused(safetensors_file("{\"a\":{" + kGood + "},\"a\":{" + kGood + "}}", "1234"), "\"a\" stands there twice"),
      refused(shaped("[1]", "[4,0]"), "\"a\" has data_offsets that run backwards: [4, 0]"),
      refused(shaped("[1]", "[-4,0]"), "\"a\": data_offsets has a negative number: -4"),
      refused(two("[0,4]", "[2,6]"), "\"b\" begins at byte 2, inside the one before it, which ends at 4"),
      refused(two("[0,4]", "[5,9]"), "\"b\" ends at byte 9 of a data section of 8: truncated"),
      refused(two("[0,4]", "[0,4]"), "\"b\" begins at byte 0, inside the one before it"),
      refused(shaped("[4611686018427387904,2]"), "\"a\" has more values than can be counted"),
      refused(shaped("[2]"), "\"a\" of shape [2] and dtype F32 takes 8 bytes; its data_offsets span 4"),
      refused(shaped("[1.0]"), "\"a\": shape has 1.0, which is not a plain whole number"),
      refused(tensor(R"("dtype":"I32","shape":[1],"data_offsets":[0,4])", "1234"), "\"a\" has the dtype I32"),
      header(R"({"__metadata__":{"eps":1e-5}})", "__metadata__ should hold strings; \"eps\" is a number"),
      refused(tensor(kGood, "123"), "\"a\" ends at byte 4 of a data section of 3: truncated"),
      refused(tensor(kGood, "12345"), "1 bytes follow the last tensor"),
      refused(safetensors_file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "12345678"),
              "\"a\" begins at byte 4, after a hole that begins at 0"),
  };
  CHECK(std::set<std::string>(messages.begin(), messages.end()).size() == messages.size());
}

TEST_CASE("lengths") {
  for (const std::size_t size : {0U, 1U, 7U}) refused(std::string(size, '\0'), "shorter than the 8 bytes");
  refused(std::string(8, '\0'), "header is not a JSON object");
  refused(raw<std::uint64_t>({1}), "has only 0 left");
  refused(raw<std::uint64_t>({100'000'000}), "claims a header of 100000000 bytes, and has only 0 left");
  refused(raw<std::uint64_t>({100'000'001}), "expected at most 100000000");
  // 8 + N wraps around to less than the file's size.
  for (const std::uint64_t wrapped : {0U, 1U, 2U})
    refused(raw<std::uint64_t>({wrapped - 8}) + "{}", "expected at most");
  refused(raw<std::uint64_t>({std::uint64_t{1} << 63}) + "{}", "expected at most");
}

TEST_CASE("types that are not read: named, with the tensor") {
  for (const std::string type : {"BOOL", "U8", "I8", "I16", "I32", "U64", "F8_E4M3", "C64", "f32", "F32 ", ""}) {
    refused(tensor("\"dtype\":\"" + type + "\",\"shape\":[0],\"data_offsets\":[0,0]"),
            "tensor \"a\" has the dtype " + type + ": expected F64, F32, F16, BF16 or I64");
  }
}

TEST_CASE("shapes whose bytes overflow") {
  refused(shaped("[2305843009213693952]", "[0,0]"), "\"a\" has more values than can be counted");  // times 4: 2^63
  refused(shaped("[4294967296,4294967296]", "[0,0]"),
          "\"a\" has more values than can be counted: its shape is "
          "[4294967296, 4294967296]");
  refused(shaped("[4294967296,4294967296,0]", "[0,0]"), "\"a\" has more values than can be counted");
  refused(shaped("[2305843009213693951]", "[0,9223372036854775804]"), "of a data section of 4: truncated");
}

TEST_CASE("sizes and offsets that disagree") {
  refused(shaped("[]", "[0,8]"), "\"a\" of shape [] and dtype F32 takes 4 bytes; its data_offsets span 8");
  refused(shaped("[0]"), "takes 0 bytes; its data_offsets span 4");
  refused(shaped("[1]", "[0,0]"), "takes 4 bytes; its data_offsets span 0");
  refused(tensor(R"("dtype":"F16","shape":[1],"data_offsets":[0,4])", "1234"), "takes 2 bytes");
}

TEST_CASE("every byte of the data belongs to one tensor") {
  refused(two("[4,8]", "[4,8]"), "\"a\" begins at byte 4, after a hole that begins at 0");
  refused(two("[0,4]", "[3,7]"), "\"b\" begins at byte 3, inside the one before it, which ends at 4");
  refused(two("[4,8]", "[1,5]"), "\"b\" begins at byte 1, after a hole that begins at 0");
  refused(safetensors_file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                           R"("b":{"dtype":"F32","shape":[0],"data_offsets":[2,2]}})",
                           "1234"),
          "\"b\" begins at byte 2, inside the one before it");
  refused(safetensors_file("{}", "1"), "1 bytes follow the last tensor");
  refused(safetensors_file(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})", "1234"), "after a hole");
}

TEST_CASE("safetensors: a file cut short anywhere is refused, and one byte more, too") {
  const std::string whole = read_bytes(fixture("all_types.safetensors"));
  REQUIRE(answer(whole) == "loaded");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(answer(whole.substr(0, size)) != "loaded");
  }
  CHECK(answer(whole + '\0') != "loaded");
}

TEST_CASE("safetensors: a file with any byte of its header changed is loaded or refused, and nothing worse") {
  const std::string whole = read_bytes(fixture("all_types.safetensors"));
  const std::size_t data = whole.size() - 158;
  int refusals = 0;
  for (std::size_t at = 0; at < data; ++at) {
    for (const char byte : {'\0', '\xFF', '"', '{', '}', '[', ',', '-', '9', ' '}) {
      std::string changed = whole;
      changed[at] = byte;
      if (answer(changed) != "loaded") ++refusals;
    }
  }
  CHECK(refusals > 4000);
}
