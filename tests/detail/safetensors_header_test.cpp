// Headers that are none: JSON with something wrong in it, or JSON that says something else than a header does. Each is
// refused, and told why; a JSON parser alone would let some of them pass.
#include <doctest/doctest.h>

#include <string>

#include "support/files.hpp"
#include "support/safetensors_answers.hpp"

using namespace tn_test;

TEST_CASE("headers that are no JSON object") {
  for (const char* json : {"   ", "null", "1", "\"a\"", "[{}]", "x{}", "\xEF\xBB\xBF{}", "\xFF\xFE{\0}\0"}) {
    header(json, "header is not a JSON object");
  }
  for (const char* json : {"{",
                           "}",
                           "{}{}",
                           "{} {}",
                           "{},",
                           "{}]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"__metadata__\":{}",
                           "{,}",
                           "{'a':{}}",
                           "{a:{}}",
                           "{}//",
                           "/**/{}",
                           "{\"a\n\":{}}",
                           "{\"\\ud800\":{}}",
                           "{\"\\x\":{}}",
                           "{\"__metadata__\":{\"a\":\"b\",}}",
                           "{\"a\":NaN}",
                           "{\"__metadata__\":{}01}",
                           "{\"a\":1e999}"}) {
    header(json, "header is not ");  // JSON, or a JSON object
  }
}

TEST_CASE("zero bytes, at which a parser might stop") {
  using namespace std::string_literals;
  for (const std::string& json : {"{}\0"s, "{}\0\0\0\0\0\0"s, "{}\0junk"s, "{\0}"s, "{\"a\0\":1}"s}) {
    header(json, "header has a zero byte");
  }
}

TEST_CASE("strings that are not UTF-8") {
  for (const char* name :
       {"\x80", "\xC3", "\xC0\x80", "\xE2\x98", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80"}) {
    header(std::string("{\"") + name + "\":{" + kGood + "}}", "header is not UTF-8 at its byte ");
  }
  header("{\"__metadata__\":{\"a\":\"\xFF\"}}", "header is not UTF-8");
  header("{\xFF}", "header is not JSON from its byte 2 on");
  // The parser's words quote the header, which may speak of encodings.
  header("{\"UTF-8\n\":1}", "header is not JSON from its byte ");
  header("{\"ill-formed UTF-8\n\":1}", "header is not JSON from its byte ");
}

TEST_CASE("nesting, however deep, ends at the first level that has no place") {
  const std::string arrays = times(100000, "["), objects = times(100000, "{\"a\":");
  header(arrays, "header is not a JSON object");
  header("{\"a\":" + arrays, "\"a\" should be an object, not an array");
  header(objects, "\"a\": a should be dtype, shape or data_offsets");
  header("{\"a\":{\"dtype\":" + arrays, "\"a\": dtype should not hold an array");
  header("{\"a\":{\"dtype\":" + objects, "\"a\": dtype should not hold an object");
  header("{\"a\":{\"data_offsets\":" + arrays, "\"a\": data_offsets is nested too deeply");
  header("{\"a\":{\"shape\":[" + objects, "\"a\": shape is nested too deeply");
  header("{\"__metadata__\":{\"a\":" + arrays, "\"a\" is an array");
  header("{\"__metadata__\":{\"a\":" + objects, "\"a\" is an object");
  refused(shaped("[[1]]"), "\"a\": shape is nested too deeply");
}

TEST_CASE("keys that stand there twice, in whatever spelling") {
  const std::string fields = "{" + kGood + "}";
  header("{\"ab\":" + fields + ",\"\\u0061b\":" + fields + "}", "\"ab\" stands there twice");
  header("{\"\\/\":" + fields + ",\"/\":" + fields + "}", "\"/\" stands there twice");
  header(R"({"__metadata__":{},"__metadata__":{}})", "\"__metadata__\" stands there twice");
  header(R"({"__metadata__":{},"__metadat\u0061__":{}})", "\"__metadata__\" stands there twice");
  header(R"({"__metadata__":{"eps":"1","\u0065ps":"2"}})", "__metadata__ has \"eps\" twice");
  refused(tensor(kGood + ",\"dtype\":\"F32\"", "1234"), "\"a\": dtype stands there twice");
  refused(tensor(kGood + ",\"sh\\u0061pe\":[1]", "1234"), "\"a\": shape stands there twice");
  refused(tensor(R"("data_offsets":[0,2],)" + kGood, "1234"), "\"a\": data_offsets stands there twice");
}

TEST_CASE("a tensor has dtype, shape and data_offsets, all three and no other") {
  refused(tensor(""), "\"a\" has no dtype");
  refused(tensor(R"("shape":[1],"data_offsets":[0,4])", "1234"), "\"a\" has no dtype");
  refused(tensor(R"("dtype":"F32","data_offsets":[0,4])", "1234"), "\"a\" has no shape");
  refused(tensor(R"("dtype":"F32","shape":[1])", "1234"), "\"a\" has no data_offsets");
  refused(tensor(kGood + ",\"strides\":[1]", "1234"), "\"a\": strides should be dtype, shape or data_offsets");
  for (const char* offsets : {"[]", "[0]", "[0,4,4]", "[0,4,0,4]"}) {
    refused(shaped("[1]", offsets), "\"a\": data_offsets should be two numbers");
  }
}

TEST_CASE("values of another kind than they should be") {
  for (const char* value : {"[]", "1", "-1", "1.5", "\"x\"", "null", "true"}) {
    header(std::string("{\"a\":") + value + "}", "\"a\" should be an object, not ");
    header(std::string("{\"__metadata__\":") + value + "}", "\"__metadata__\" should be an object, not ");
  }
  for (const char* value : {"1", "-1", "1.5", "null", "true", "{}", "[]", "[\"x\"]"}) {
    header(std::string("{\"__metadata__\":{\"a\":") + value + "}}", "__metadata__ should hold strings; \"a\" is ");
    refused(tensor(std::string("\"dtype\":") + value), "\"a\": dtype should not hold ");
  }
  for (const char* value : {"1", "\"x\"", "null", "true", "{}", "[\"1\"]", "[null]", "[true]"}) {
    const std::string message = refused(shaped(value), "\"a\": shape should not hold ");
    CHECK(message.find("nested") == std::string::npos);
    refused(shaped("[1]", value), "\"a\": data_offsets should not hold ");
  }
}

TEST_CASE("sizes and offsets are plain whole numbers from 0 to 2^63 - 1") {
  for (const char* number : {"1.0", "1e3", "1E0", "0.5", "1e-5", "18446744073709551616", "-9223372036854775809"}) {
    refused(shaped(std::string("[") + number + "]"),
            "\"a\": shape has " + std::string(number) + ", which is not a plain");
    refused(shaped("[1]", std::string("[0,") + number + "]"), "\"a\": data_offsets has " + std::string(number));
  }
  for (const char* number : {"-1", "-0", "-9223372036854775808"}) {
    refused(shaped(std::string("[") + number + "]"), "\"a\": shape has a negative number");
    refused(shaped("[1]", std::string("[") + number + ",4]"), "\"a\": data_offsets has a negative number");
  }
  for (const char* number : {"9223372036854775808", "18446744073709551615"}) {
    refused(shaped(std::string("[") + number + "]"),
            "\"a\": shape has a number of 2^63 or more: " + std::string(number));
    refused(shaped("[1]", std::string("[0,") + number + "]"), "\"a\": data_offsets has a number of 2^63 or more");
  }
  for (const char* number : {"01", "+1", "1.", ".5", "0x1", "1_0", "Infinity"}) {
    refused(shaped(std::string("[") + number + "]"), "header is not JSON");
  }
}
