// The JSON header of a safetensors file: read without trust in a single number of it, and written.
#pragma once

#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#else
#error "tensornorm/safetensors.hpp needs nlohmann-json, version 3 (Debian: apt-get install nlohmann-json3-dev)"
#endif

#include <map>
#include <set>
#include <string>
#include <vector>

#include "../array.hpp"

namespace tensornorm { inline namespace v0 { namespace detail {

/// What a safetensors file says of one tensor: its values are bytes [begin, end) of the data section.
struct TensorEntry {
  std::string name;
  std::string dtype;
  Array::Shape shape;
  std::vector<std::int64_t> data_offsets;

  std::int64_t begin() const { return data_offsets[0]; }
  std::int64_t end() const { return data_offsets[1]; }
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in the header's order
  std::map<std::string, std::string> metadata;
};

/// The dtypes that safetensors and StateDict have in common, in the order in which the format's own writer stores them.
struct SafetensorsType {
  const char* name;
  DType dtype;
  std::int64_t bytes;
};
inline constexpr SafetensorsType safetensors_types[] = {{"I64", DType::int64, 8},
                                                        {"F64", DType::float64, 8},
                                                        {"F32", DType::float32, 4},
                                                        {"BF16", DType::bfloat16, 2},
                                                        {"F16", DType::float16, 2}};

/// Takes the header's JSON event by event. An event that has no place in a header ends the parse with a fault.
class SafetensorsHeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  SafetensorsHeader header;
  std::string fault;  // empty: none

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) return enter(Place::names);
    if (place_ == Place::numbers) return fail(where(), "is nested too deeply");
    if (place_ != Place::names) return unexpected("an object");
    if (name_ == "__metadata__") return enter(Place::metadata);
    header.tensors.push_back({name_, {}, {}, {}});
    fields_.clear();
    return enter(Place::tensor);
  }
  bool end_object() override {
    if (place_ == Place::tensor && !check_fields()) return false;
    return enter(place_ == Place::names ? Place::outside : Place::names);
  }
  bool start_array(std::size_t) override {
    if (place_ == Place::numbers) return fail(where(), "is nested too deeply");
    if (place_ != Place::tensor || (field_ != "shape" && field_ != "data_offsets")) return unexpected("an array");
    return enter(Place::numbers);
  }
  bool end_array() override { return enter(Place::tensor); }

  bool key(string_t& key) override {
    if (place_ == Place::names) {
      name_ = key;
      return names_.insert(key).second || fail('"', key, "\" stands there twice");
    }
    field_ = key;
    if (place_ == Place::metadata) {
      return header.metadata.emplace(key, std::string()).second || fail("__metadata__ has \"", key, "\" twice");
    }
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return fail(where(), "should be dtype, shape or data_offsets");
    }
    return fields_.insert(key).second || fail(where(), "stands there twice");
  }
  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      header.metadata[field_] = value;
      return true;
    }
    if (place_ != Place::tensor || field_ != "dtype") return unexpected("a string");
    header.tensors.back().dtype = value;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::numbers) return unexpected("a number");
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return fail(where(), "has a number of 2^63 or more: ", value);
    }
    TensorEntry& tensor = header.tensors.back();
    (field_ == "shape" ? tensor.shape : tensor.data_offsets).push_back(static_cast<std::int64_t>(value));
    return true;
  }
  bool number_integer(number_integer_t value) override {
    return place_ == Place::numbers ? fail(where(), "has a negative number: ", value) : unexpected("a number");
  }
  bool number_float(number_float_t, const string_t& digits) override {
    return place_ == Place::numbers ? fail(where(), "has ", digits, ", which is not a plain whole number below 2^63")
                                    : unexpected("a number");
  }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    const std::string what = error.what();  // which goes on to quote the header
    const bool encoding = what.rfind("ill-formed UTF-8", what.find("; last read")) != std::string::npos;
    return encoding ? fail("header is not UTF-8 at its byte ", position)
                    : fail("header is not JSON from its byte ", position, " on: ", error.what());
  }

 private:
  enum class Place { outside, names, metadata, tensor, numbers };

  bool enter(Place place) {
    place_ = place;
    return true;
  }
  std::string where() const { return text('"', name_, "\": ", field_, ' '); }
  template <typename... Parts>
  bool fail(const Parts&... parts) {
    fault = text(parts...);
    return false;
  }
  bool unexpected(const char* what) {
    if (place_ == Place::names) return fail('"', name_, "\" should be an object, not ", what);
    if (place_ == Place::metadata) return fail("__metadata__ should hold strings; \"", field_, "\" is ", what);
    return fail(where(), "should not hold ", what);
  }
  bool check_fields() {
    const TensorEntry& tensor = header.tensors.back();
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (fields_.count(field) == 0) return fail('"', name_, "\" has no ", field);
    }
    return tensor.data_offsets.size() == 2 || fail('"', name_, "\": data_offsets should be two numbers");
  }

  Place place_ = Place::outside;
  std::string name_, field_;      // of what is being read
  std::set<std::string> names_;   // of tensors, seen so far
  std::set<std::string> fields_;  // of the present tensor, likewise
};

/// A string as JSON has it. Throws std::invalid_argument when it is not UTF-8.
inline std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error& error) {
    fail_argument("names and metadata should be UTF-8: ", error.what());
  }
}

/// The header's JSON as the format's own writer spells it, padded with spaces so that the values are aligned. It is put
/// together as text: objects of nlohmann-json want memory when they are destroyed, too.
inline std::string header_text(const SafetensorsHeader& header) {
  std::string json = "{";
  const auto add_key = [&json](const std::string& key) { json += (json.back() == '{' ? "" : ",") + quoted(key) + ':'; };
  if (!header.metadata.empty()) {
    add_key("__metadata__");
    json += '{';
    for (const auto& [key, value] : header.metadata) {
      add_key(key);
      json += quoted(value);
    }
    json += '}';
  }
  for (const TensorEntry& tensor : header.tensors) {
    add_key(tensor.name);
    json += "{\"dtype\":" + quoted(tensor.dtype) + ",\"shape\":" + shape_text(tensor.shape, ",") +
            ",\"data_offsets\":" + shape_text(tensor.data_offsets, ",") + '}';
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');
  return json;
}

}}}  // namespace tensornorm::v0::detail
