// Small safetensors files, right and wrong, and what the loader says to them.
#pragma once

#include <doctest/doctest.h>

#include <sstream>
#include <stdexcept>
#include <string>
#include <tensornorm/safetensors.hpp>

#include "support/files.hpp"

namespace tn_test {

/// What the loader says to these bytes; "loaded" when it takes them. Any other exception than its own is let out.
inline std::string answer(const std::string& bytes) {
  std::istringstream in(bytes);
  try {
    tensornorm::load_safetensors(in, "weights");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "loaded";
}

/// The bytes are refused, naming the source, with these words. Returns the message.
inline std::string refused(const std::string& bytes, const std::string& words) {
  const std::string message = answer(bytes);
  INFO(message);
  INFO(words);
  CHECK(message.rfind("weights: ", 0) == 0);
  CHECK(message.find(words) != std::string::npos);
  return message;
}

inline std::string header(const std::string& json, const std::string& words) {
  return refused(safetensors_file(json), words);
}

/// A file of one tensor called a.
inline std::string tensor(const std::string& fields, const std::string& data = "") {
  return safetensors_file("{\"a\":{" + fields + "}}", data);
}
inline std::string shaped(const std::string& shape, const std::string& offsets = "[0,4]") {
  return tensor("\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":" + offsets, "1234");
}

/// Two tensors of one float each at these offsets, in 8 bytes.
inline std::string two(const std::string& first, const std::string& second) {
  const std::string fields = "\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":";
  return safetensors_file("{\"a\":{" + fields + first + "},\"b\":{" + fields + second + "}}", "12345678");
}

inline std::string times(std::size_t count, const std::string& text) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

inline const std::string kGood = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";

}  // namespace tn_test
