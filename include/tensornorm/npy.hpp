// Arrays in .npy files, as numpy.save and numpy.load write and read them
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). Not part of the umbrella header.
//
//   \x93NUMPY | version, 2 bytes | length of the header, 2 bytes (version 1) or 4 (2, 3) | header | values
#pragma once

#include "detail/file.hpp"
#include "detail/little_endian.hpp"
#include "detail/npy_header.hpp"

namespace tensornorm { inline namespace v0 {

namespace detail {

inline constexpr std::uint32_t largest_npy_header = 10'000;  // bytes, as numpy.load allows
inline constexpr std::size_t most_npy_axes = 64;             // of an array of numpy 2; numpy 1 stops at 32
inline constexpr char npy_magic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

/// The header's text, from a stream that stands at its length; `left` bytes are to come.
inline std::string read_npy_header(const std::string& source, std::istream& in, bool long_header, std::uint64_t left) {
  std::uint16_t short_length = 0;
  std::uint32_t length = 0;
  const bool read = long_header ? read_numbers(in, &length, 1) : read_numbers(in, &short_length, 1);
  if (!read) fail_file(source, "is truncated in its header");
  if (!long_header) length = short_length;
  if (length > largest_npy_header) {
    fail_file(source, "claims a header of ", length, " bytes: expected at most ", largest_npy_header);
  }
  if (length + (long_header ? 4U : 2U) > left) fail_file(source, "is truncated in its header");
  std::string header(length, ' ');
  if (!read_numbers(in, header.data(), header.size())) fail_file(source, "cannot be read");
  if (header.find('\0') != std::string::npos) fail_file(source, "header has a zero byte");
  return header;
}

inline DType npy_dtype(const std::string& source, const std::string& descr) {
  for (const NpyType& type : npy_types) {
    if (descr == type.descr) return type.dtype;
  }
  const bool big_endian = !descr.empty() && descr[0] == '>';
  fail_file(source, "has values of type ", descr, big_endian ? ", which is big-endian" : "",
            ": expected <f4, <f8, <i8, <i4 or |u1");
}

/// Values in Fortran order (the first axis counts fastest) in C order.
template <typename T>
std::vector<T> from_fortran_order(const std::vector<T>& values, const Array::Shape& shape) {
  std::vector<T> c_order(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    c_order[i] = values[static_cast<std::size_t>(column_major(static_cast<std::int64_t>(i), shape))];
  }
  return c_order;
}

}  // namespace detail

/// The array of a .npy file, version 1, 2 or 3, from where the stream stands to its end. Reads <f4, <f8, <i8, <i4 and
/// |u1 of either order; the array is in C order. Nothing in the file is believed: memory is allocated only for bytes it
/// has. Throws std::runtime_error that names the source and the fault. O(bytes) time.
inline Array load_npy(std::istream& in, const std::string& source) {
  const std::uint64_t file_bytes = detail::remaining_bytes(source, in);
  char start[8] = {};
  if (!detail::read_numbers(in, start, sizeof(start)) || std::memcmp(start, detail::npy_magic, 6) != 0) {
    detail::fail_file(source, "does not begin as a .npy file does");
  }
  if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
    detail::fail_file(source, "is of version ", int{start[6]}, '.', int{start[7]}, ": expected 1.0, 2.0 or 3.0");
  }
  const std::string text = detail::read_npy_header(source, in, start[6] > 1, file_bytes - sizeof(start));
  const detail::NpyHeader header = detail::NpyHeaderReader(source, text).read();
  if (header.shape.size() > detail::most_npy_axes) {
    detail::fail_file(source, "has ", header.shape.size(), " axes: expected at most ", detail::most_npy_axes);
  }

  const std::uint64_t data_bytes = detail::remaining_bytes(source, in);
  return detail::with_type_of(detail::npy_dtype(source, header.descr), [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t count = detail::count_elements(header.shape);
    std::int64_t size = 0;
    if (count < 0 || __builtin_mul_overflow(count, std::int64_t{sizeof(T)}, &size)) {
      detail::fail_file(source, "has more values than can be counted: its shape is ", detail::shape_text(header.shape));
    }
    if (static_cast<std::uint64_t>(size) != data_bytes) {
      detail::fail_file(source, "of shape ", detail::shape_text(header.shape), " and type ", header.descr, " takes ",
                        size, " bytes of values, and has ", data_bytes);
    }
    std::vector<T> values(static_cast<std::size_t>(count));
    if (!detail::read_numbers(in, values.data(), values.size())) detail::fail_file(source, "cannot be read");
    if (header.fortran_order) values = detail::from_fortran_order(values, header.shape);
    return Array(header.shape, std::move(values));
  });
}

/// The same from a file.
inline Array load_npy(const std::filesystem::path& path) {
  std::ifstream in = detail::open_file(path);
  return load_npy(in, path.string());
}

namespace detail {

/// The bytes of a .npy file, of version 1, into a stream that may fail.
inline void write_npy(std::ostream& out, const Array& array) {
  const char* descr = nullptr;
  for (const NpyType& type : npy_types) {
    if (type.dtype == array.dtype()) descr = type.descr;
  }
  if (descr == nullptr) fail_argument("array should not be of half or bfloat16 to go into a .npy file");

  if (array.shape().size() > most_npy_axes) {
    fail_argument("array should have at most ", most_npy_axes, " axes to go into a .npy file, not ",
                  array.shape().size());
  }
  std::string shape;
  for (const std::int64_t size : array.shape()) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
  if (array.shape().size() == 1) shape += ',';
  std::string header = text("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
  constexpr std::size_t before = 10;  // bytes: magic, version, length
  header.resize((before + header.size() + 1 + 63) / 64 * 64 - before - 1, ' ');
  header += '\n';

  out.write(npy_magic, sizeof(npy_magic));
  write_numbers(out, std::vector<std::uint8_t>{1, 0});
  write_numbers(out, std::vector<std::uint16_t>{static_cast<std::uint16_t>(header.size())});
  write_bytes(out, header);
  array.visit([&out](const auto& values) { write_numbers(out, values); });
}

}  // namespace detail

/// Writes an array as numpy.save does: version 1, C order. Takes float32, float64, int64, int32 and uint8. O(size).
/// Throws std::invalid_argument for another dtype, std::runtime_error when writing fails.
inline void save_npy(std::ostream& out, const Array& array) {
  detail::write_npy(out, array);
  if (!out.flush()) throw std::runtime_error("npy: the stream does not take what is written");
}

/// The same to a file, which appears whole or not at all: it is written beside its place first, as `path`.partial, so
/// that a path is for one thread at a time.
inline void save_npy(const std::filesystem::path& path, const Array& array) {
  detail::write_file(path, [&](std::ostream& out) { detail::write_npy(out, array); });
}

}}  // namespace tensornorm::v0
