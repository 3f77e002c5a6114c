// State dicts in safetensors files, the format in which PyTorch models are exchanged
// (https://github.com/huggingface/safetensors). Needs nlohmann-json 3; not part of the umbrella header.
//
//   8 bytes: N, little-endian | N bytes of JSON: dtype, shape and place of every tensor | their values
//
// In Python: `safetensors.torch.save_file(model.state_dict(), "weights.safetensors")`.
#pragma once

#include <numeric>
#include <optional>

#include "detail/file.hpp"
#include "detail/little_endian.hpp"
#include "detail/safetensors_header.hpp"
#include "state_dict.hpp"

namespace tensornorm { inline namespace v0 {

namespace detail {

inline constexpr std::uint64_t largest_header = 100'000'000;  // bytes, as in the format's reference reader

inline const SafetensorsType& safetensors_type(const std::string& source, const TensorEntry& tensor) {
  for (const SafetensorsType& type : safetensors_types) {
    if (tensor.dtype == type.name) return type;
  }
  fail_file(source, "tensor \"", tensor.name, "\" has the dtype ", tensor.dtype,
            ": expected F64, F32, F16, BF16 or I64");
}

/// Throws unless the tensors cover the `bytes` of the data section, each byte once. Returns their order in it.
inline std::vector<std::size_t> check_offsets(const std::string& source, const std::vector<TensorEntry>& tensors,
                                              std::int64_t bytes) {
  for (const TensorEntry& tensor : tensors) {
    const auto fail = [&](const auto&... parts) { fail_file(source, "tensor \"", tensor.name, "\" ", parts...); };
    const std::int64_t size_of_value = safetensors_type(source, tensor).bytes, count = count_elements(tensor.shape);
    std::int64_t size = 0;
    if (count < 0 || __builtin_mul_overflow(count, size_of_value, &size)) {
      fail("has more values than can be counted: its shape is ", shape_text(tensor.shape));
    }
    if (tensor.begin() > tensor.end()) {
      fail("has data_offsets that run backwards: [", tensor.begin(), ", ", tensor.end(), ']');
    }
    if (tensor.end() - tensor.begin() != size) {
      fail("of shape ", shape_text(tensor.shape), " and dtype ", tensor.dtype, " takes ", size,
           " bytes; its data_offsets span ", tensor.end() - tensor.begin());
    }
    if (tensor.end() > bytes) fail("ends at byte ", tensor.end(), " of a data section of ", bytes, ": truncated");
  }

  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return tensors[a].data_offsets < tensors[b].data_offsets; });
  std::int64_t end = 0;
  for (const std::size_t i : order) {
    const TensorEntry& tensor = tensors[i];
    if (tensor.begin() != end) {
      fail_file(source, "tensor \"", tensor.name, "\" begins at byte ", tensor.begin(),
                tensor.begin() < end ? ", inside the one before it, which ends at " : ", after a hole that begins at ",
                end);
    }
    end = tensor.end();
  }
  if (end != bytes) fail_file(source, bytes - end, " bytes follow the last tensor");
  return order;
}

inline SafetensorsHeader parse_header(const std::string& source, const std::string& json) {
  // What the parser would let pass: a byte order mark before the object, and anything after a zero byte.
  const std::size_t first = json.find_first_not_of(" \t\n\r");
  if (first == std::string::npos || json[first] != '{') fail_file(source, "header is not a JSON object");
  if (json.find('\0') != std::string::npos) fail_file(source, "header has a zero byte");
  SafetensorsHeaderReader reader;
  if (!nlohmann::json::sax_parse(json, &reader)) fail_file(source, reader.fault);
  return std::move(reader.header);
}

}  // namespace detail

/// All tensors and the metadata of a safetensors file, from where the stream stands to its end.
/// Reads F64, F32, F16, BF16 and I64. Nothing in the file is believed: memory is allocated only for bytes it has.
/// Throws std::runtime_error that names the source and the fault. O(bytes) time.
inline StateDict load_safetensors(std::istream& in, const std::string& source) {
  const std::uint64_t file_bytes = detail::remaining_bytes(source, in);
  if (file_bytes < 8) detail::fail_file(source, "is shorter than the 8 bytes that say how long its header is");
  std::uint64_t length = 0;
  if (!detail::read_numbers(in, &length, 1)) detail::fail_file(source, "cannot be read");
  if (length > detail::largest_header) {
    detail::fail_file(source, "claims a header of ", length, " bytes: expected at most ", detail::largest_header);
  }
  if (length > file_bytes - 8) {
    detail::fail_file(source, "claims a header of ", length, " bytes, and has only ", file_bytes - 8, " left");
  }
  std::string json(static_cast<std::size_t>(length), ' ');
  if (!detail::read_numbers(in, json.data(), json.size())) detail::fail_file(source, "cannot be read");
  detail::SafetensorsHeader header = detail::parse_header(source, json);

  const auto data_bytes = static_cast<std::int64_t>(file_bytes - 8 - length);
  const auto order = detail::check_offsets(source, header.tensors, data_bytes);
  std::vector<std::optional<Array>> arrays(header.tensors.size());
  for (const std::size_t i : order) {
    const detail::TensorEntry& tensor = header.tensors[i];
    arrays[i] = detail::with_type_of(detail::safetensors_type(source, tensor).dtype, [&](auto zero) {
      std::vector<decltype(zero)> values(static_cast<std::size_t>(detail::count_elements(tensor.shape)));
      if (!detail::read_numbers(in, values.data(), values.size())) detail::fail_file(source, "cannot be read");
      return Array(tensor.shape, std::move(values));
    });
  }
  StateDict dict;
  dict.metadata() = std::move(header.metadata);
  for (std::size_t i = 0; i < arrays.size(); ++i) dict.insert(header.tensors[i].name, std::move(*arrays[i]));
  return dict;
}

/// The same from a file.
inline StateDict load_safetensors(const std::filesystem::path& path) {
  std::ifstream in = detail::open_file(path);
  return load_safetensors(in, path.string());
}

namespace detail {

/// The bytes of a safetensors file into a stream that may fail.
inline void write_safetensors(std::ostream& out, const StateDict& dict) {
  struct Item {
    const std::string* name;
    const Array* array;
    const SafetensorsType* type;
  };
  std::vector<Item> items;
  for (const auto& [name, array] : dict) {
    const auto* type = std::find_if(std::begin(safetensors_types), std::end(safetensors_types),
                                    [&dtype = array](const auto& t) { return t.dtype == dtype.dtype(); });
    if (type == std::end(safetensors_types)) {
      fail_argument("\"", name, "\" should be of reals or 64-bit whole numbers to go into a safetensors file");
    }
    if (name == "__metadata__") fail_argument("a tensor in a safetensors file cannot be called __metadata__");
    items.push_back({&name, &array, type});
  }
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return a.type != b.type ? a.type < b.type : *a.name < *b.name; });

  SafetensorsHeader header{{}, dict.metadata()};
  std::int64_t end = 0;
  for (const Item& item : items) {
    const std::int64_t begin = end;
    end += item.array->size() * item.type->bytes;
    header.tensors.push_back({*item.name, item.type->name, item.array->shape(), {begin, end}});
  }
  const std::string json = header_text(header);
  if (json.size() > largest_header) {
    fail_argument("names and metadata should fit a header of ", largest_header, " bytes, not ", json.size());
  }

  write_numbers(out, std::vector<std::uint64_t>{json.size()});
  write_bytes(out, json);
  for (const Item& item : items) item.array->visit([&out](const auto& values) { write_numbers(out, values); });
}

}  // namespace detail

/// Writes a safetensors file as the format's own writer does: tensors by type (int64, float64, float32, bfloat16,
/// float16; it takes no other) and then by name, the header padded to a multiple of 8 bytes. O(bytes).
/// Throws std::invalid_argument for a dict that such a file cannot hold, std::runtime_error when writing fails.
inline void save_safetensors(std::ostream& out, const StateDict& dict) {
  detail::write_safetensors(out, dict);
  if (!out.flush()) throw std::runtime_error("safetensors: the stream does not take what is written");
}

/// The same to a file. It appears whole or not at all: it is written beside its place first, as `path`.partial, so that
/// a path is for one thread at a time.
inline void save_safetensors(const std::filesystem::path& path, const StateDict& dict) {
  detail::write_file(path, [&](std::ostream& out) { detail::write_safetensors(out, dict); });
}

}}  // namespace tensornorm::v0
