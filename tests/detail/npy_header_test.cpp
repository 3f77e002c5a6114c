// .npy files that are refused, each in words of its own: what numpy can write and Array does not hold, and what numpy
// never wrote.
#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tensornorm/npy.hpp>
#include <vector>

#include "support/files.hpp"

using namespace tn_test;

namespace {

/// What the loader says to these bytes; "loaded" when it takes them. Any other exception than its own is let out.
std::string answer(const std::string& bytes) {
  std::istringstream in(bytes);
  try {
    tensornorm::load_npy(in, "array");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "loaded";
}

/// The bytes are refused, naming the source, with these words. Returns the message.
std::string refused(const std::string& bytes, const std::string& words) {
  const std::string message = answer(bytes);
  INFO(message);
  INFO(words);
  CHECK(message.rfind("array: ", 0) == 0);
  CHECK(message.find(words) != std::string::npos);
  return message;
}

/// Files of 4 bytes of data with this dict, shape or type.
std::string with_dict(const std::string& dict) { return npy_file(dict, "1234"); }
std::string with_shape(const std::string& shape) {
  return with_dict("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }");
}
std::string with_type(const std::string& descr) {
  return with_dict("{'descr': " + descr + ", 'fortran_order': False, 'shape': (1,), }");
}

std::string from_numpy(const std::string& name, const std::string& words) {
  return refused(read_bytes(fixture("refused_" + name + ".npy")), words);
}

const std::string kStrange = "header is not what numpy writes, from here on: ";

}  // namespace

TEST_CASE(".npy: the file that the others are made from is right") {
  CHECK(answer(with_shape("(1,)")) == "loaded");
  CHECK(answer(with_type("'<f4'")) == "loaded");
}

TEST_CASE(".npy: each kind of fault has words of its own") {
  const std::string good = with_shape("(1,)");
  std::string of_numpx = good, of_version_4 = good, of_version_1_1 = good;
  of_numpx[5] = 'X';
  of_version_4[6] = '\4';
  of_version_1_1[7] = '\1';
  const std::vector<std::string> messages{
      refused(of_numpx, "does not begin as a .npy file does"),
      refused(of_version_4, "is of version 4.0: expected 1.0, 2.0 or 3.0"),
      refused(of_version_1_1, "is of version 1.1"),
      refused(good.substr(0, 50), "is truncated in its header"),
      refused(npy_file("{}" + std::string(10'000, ' ')), "claims a header of 10038 bytes: expected at most 10000"),
      refused(with_dict(std::string("{}\0", 3)), "header has a zero byte"),
      from_numpy("big_endian", "has values of type >f4, which is big-endian: expected <f4, <f8, <i8, <i4 or |u1"),
      from_numpy("objects", "has values of type |O: expected"),
      from_numpy("structured", "header is of a structured type"),
      from_numpy("half", "has values of type <f2: expected"),
      refused(with_shape("(-1,)"), "header has a negative size"),
      refused(with_shape("(3)"), kStrange + "\"), }"),
      refused(with_shape("(9223372036854775808,)"), "header has a size of 2^63 or more"),
      refused(with_shape("(4294967296, 4294967296)"), "has more values than can be counted"),
      refused(with_shape("(2,)"), "of shape [2] and type <f4 takes 8 bytes of values, and has 4"),
      refused(good + "1", "of shape [1] and type <f4 takes 4 bytes of values, and has 5"),
      refused(with_dict("{'descr': '<f4', 'fortran_order': False, }"), "header lacks one of descr, fortran_order and"),
      refused(with_dict("{'descr': '<f4', 'descr': '<f4', "), "header has descr twice"),
      refused(with_dict("{'order': 'C', "), "header has \"order\": expected descr, fortran_order and shape"),
  };
  CHECK(std::set<std::string>(messages.begin(), messages.end()).size() == messages.size());
}

TEST_CASE("types that Array does not hold are named") {
  from_numpy("truth", "has values of type |b1: expected");
  from_numpy("complex", "has values of type <c8: expected");
  from_numpy("text", "has values of type <U2: expected");
  for (const std::string descr : {">f8", ">i4", ">c16"})
    refused(with_type('\'' + descr + '\''), descr + ", which is big-endian");
  for (const std::string descr : {"=f4", "f4", "|f4", "<u1", "|i1", "<i2", "<f16", "<V4", "|S4", ""}) {
    refused(with_type('\'' + descr + '\''), "has values of type " + descr + ": expected");
  }
  refused(with_type("('<f4', (2,))"), "header is of a structured type");
  refused(with_type("None"), "header is of a structured type");
}

TEST_CASE("shapes that are no tuples of whole numbers") {
  for (const char* shape : {"(1)",     "(1 1)",   "(,)",     "(,1)",   "(1,,)", "(1, , 1)", "1",     "[1]",
                            "[1,]",    "1,",      "(1.0,)",  "(1e0,)", "(+1,)", "(0x1,)",   "(1L,)", "('1',)",
                            "((1,),)", "(None,)", "(True,)", "(1,",    "(1,}",  "(",        "",      "(1_0,)"}) {
    refused(with_shape(shape), kStrange);
  }
  for (const char* shape : {"(-1, 4)", "(1, -1)", "(-9223372036854775809,)"}) {
    refused(with_shape(shape), "header has a negative size");
  }
  for (const char* shape : {"(18446744073709551616,)", "(18446744073709551617,)", "(99999999999999999999999,)"}) {
    refused(with_shape(shape), "header has a size of 2^63 or more");
  }
  for (const char* shape : {"(9223372036854775807,)", "(4611686018427387904, 1)", "(3037000500, 3037000500, 0)"}) {
    refused(with_shape(shape), "has more values than can be counted");
  }
  for (const char* shape : {"(0,)", "(1, 0)", "(2, 3)", "(2305843009213693951,)"})
    refused(with_shape(shape), "bytes of values, and has 4");
}

TEST_CASE("headers that are no dict of three") {
  const std::string rest = "'fortran_order': False, 'shape': (1,)";
  for (const std::string& dict :
       {std::string(), std::string("["), "'descr': '<f4', " + rest, "{" + rest + " 'descr': '<f4'}",
        "{'descr' '<f4', " + rest + "}", "{'descr': '<f4'; " + rest + "}", "{'descr': '<f4', " + rest + "} x",
        "{'descr': '<f4', " + rest + "}}", "{'descr': '<f4', " + rest, "{, 'descr': '<f4', " + rest + "}",
        "{'descr': '<f4',, " + rest + "}", "{descr: '<f4', " + rest + "}", "{'descr\": '<f4', " + rest + "}",
        "{'descr': '<f4, " + rest.substr(0, 3), "{'descr': '<\\x664', " + rest + "}",
        std::string("{'descr': '<f4', 1: 2}")}) {
    refused(with_dict(dict), kStrange);
  }
  for (const std::string order : {"false", "1", "None", "'False'", "Falsey", "Tru", ""}) {
    refused(with_dict("{'descr': '<f4', 'fortran_order': " + order + ", 'shape': (1,)}"), kStrange);
  }
  for (const std::string unfinished : {"{'descr", "{'descr': \"<f4", "{'descr': '<f4\""}) {
    refused(with_dict(unfinished), kStrange + "\"\"");
  }
  refused(with_dict("{}"), "header lacks one of");
  refused(with_dict("{'descr': '<f4', " + rest + ", 'shape': (1,)}"), "header has shape twice");
}

TEST_CASE("lengths that are not there") {
  for (const std::size_t size : {0U, 5U, 7U})
    refused(with_shape("(1,)").substr(0, size), "does not begin as a .npy file does");
  const std::string start = "\x93NUMPY";
  using namespace std::string_literals;
  refused(start + "\1\0"s, "is truncated in its header");
  refused(start + "\1\0\1"s, "is truncated in its header");
  refused(start + "\2\0\1\0\0"s, "is truncated in its header");
  refused(start + "\1\0"s + raw<std::uint16_t>({65535}), "claims a header of 65535 bytes");
  refused(start + "\2\0"s + raw<std::uint32_t>({4294967295U}), "claims a header of 4294967295 bytes");
  refused(start + "\2\0"s + raw<std::uint32_t>({9999}), "is truncated in its header");
  refused(start + "\0\0"s + raw<std::uint16_t>({0}), "is of version 0.0");
}

TEST_CASE(".npy: a file cut short anywhere is refused, and one byte more, too") {
  for (const char* name : {"f4_fortran.npy", "version_2.npy"}) {
    const std::string whole = read_bytes(fixture(name));
    REQUIRE(answer(whole) == "loaded");
    const std::size_t data = whole.find('\n') + 1;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      refused(whole.substr(0, size), size < 8      ? "does not begin as a .npy file does"
                                     : size < data ? "is truncated in its header"
                                                   : "bytes of values, and has ");
    }
    CHECK(answer(whole + '\0') != "loaded");
  }
}

TEST_CASE(".npy: a file with any byte of its header changed is loaded or refused, and nothing worse") {
  const std::string whole = read_bytes(fixture("f8_fortran.npy"));
  int refusals = 0;
  for (std::size_t at = 0; at < 128; ++at) {
    for (const char byte : {'\0', '\xFF', '\'', '(', ')', '}', ',', '-', '9', 'T', ' '}) {
      std::string changed = whole;
      changed[at] = byte;
      if (answer(changed) != "loaded") ++refusals;
    }
  }
  CHECK(refusals > 1000);
}
