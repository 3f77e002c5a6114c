// Numbers as bytes, the least significant first.
#include <doctest/doctest.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <tensornorm/detail/little_endian.hpp>
#include <vector>

using tensornorm::detail::read_numbers;
using tensornorm::detail::write_numbers;

TEST_CASE("numbers are written and read with the least significant byte first") {
  std::ostringstream out;
  write_numbers(out, std::vector<std::uint16_t>{0x0102});
  write_numbers(out, std::vector<std::uint64_t>{0x0102030405060708});
  write_numbers(out, std::vector<float>{1.5f});
  write_numbers(out, std::vector<double>{});
  const std::string bytes = std::string("\2\1\10\7\6\5\4\3\2\1", 10) + std::string("\0\0\xC0\x3F", 4);
  CHECK(out.str() == bytes);

  std::istringstream in(bytes);
  std::uint16_t two = 0;
  std::uint64_t eight = 0;
  float real = 0;
  CHECK(read_numbers(in, &two, 1));
  CHECK(read_numbers(in, &eight, 1));
  CHECK(read_numbers(in, &real, 1));
  CHECK(two == 0x0102);
  CHECK(eight == 0x0102030405060708);
  CHECK(real == 1.5f);
}

TEST_CASE("a stream that ends before the last number says so") {
  std::uint32_t numbers[2];
  for (const char* bytes : {"", "1", "1234567"}) {
    std::istringstream in(bytes);
    CHECK_FALSE(read_numbers(in, numbers, 2));
  }
  std::istringstream in("12345678");
  CHECK(read_numbers(in, numbers, 2));
}
