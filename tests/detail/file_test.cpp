// Files that appear whole or not at all, streams that tell how much is left of them.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <tensornorm/detail/file.hpp>

#include "support/files.hpp"
#include "support/snapshot.hpp"

using namespace tn_test;
using tensornorm::detail::remaining_bytes;
using tensornorm::detail::write_file;

namespace {

/// Bytes that come one after the other and not again, as from a pipe.
struct Pipe : std::streambuf {
  std::string bytes = "12345678";
  Pipe() { setg(bytes.data(), bytes.data(), bytes.data() + bytes.size()); }
};

/// Eight bytes were read, and then the file was cut to five.
struct Shrunk : std::streambuf {
  off_type at = 8;
  pos_type seekoff(off_type, std::ios::seekdir from, std::ios::openmode) override {
    if (from == std::ios::end) at = 5;
    return at;
  }
  pos_type seekpos(pos_type to, std::ios::openmode) override { return at = to; }
};

/// Eight bytes of which three were read, and no way back from their end.
struct OneWay : std::streambuf {
  pos_type seekoff(off_type, std::ios::seekdir from, std::ios::openmode) override {
    return from == std::ios::end ? 8 : 3;
  }
  pos_type seekpos(pos_type, std::ios::openmode) override { return pos_type(off_type(-1)); }
};

}  // namespace

TEST_CASE("a file is replaced when all of it is written") {
  const TemporaryDirectory directory;
  const auto path = directory / "file";
  write_file(path, [](std::ostream& out) { out << "old"; });
  CHECK(read_bytes(path) == "old");
  write_file(path, [&](std::ostream& out) {
    out << "new" << std::flush;
    CHECK(read_bytes(path) == "old");
  });
  CHECK(read_bytes(path) == "new");
}

TEST_CASE("a writer that fails leaves the file that was there, and nothing else") {
  const TemporaryDirectory directory;
  const auto path = directory / "file", partial = directory / "file.partial";
  write_file(path, [](std::ostream& out) { out << "old"; });
  const auto fail = [](std::ostream& out) {
    out << "half";
    throw std::logic_error("changed its mind");
  };
  check_throws<std::logic_error>({"changed its mind"}, [&] { write_file(path, fail); });
  CHECK(read_bytes(path) == "old");
  CHECK_FALSE(std::filesystem::exists(partial));

  if (!std::filesystem::exists("/dev/full")) return;
  std::filesystem::create_symlink("/dev/full", partial);  // a disk that is found to be full when the file is closed
  check_throws<std::runtime_error>({path.string(), "cannot be written"},
                                   [&] { write_file(path, [](std::ostream& out) { out << "new"; }); });
  REQUIRE_FALSE(std::filesystem::is_symlink(path));  // it would be read without end
  CHECK(read_bytes(path) == "old");
  CHECK_FALSE(std::filesystem::is_symlink(partial));
}

TEST_CASE("a file that is replaced stays as private as it was, and a link to it a link") {
  namespace fs = std::filesystem;
  const TemporaryDirectory directory;
  const auto path = directory / "file", link = directory / "link";
  write_file(path, [](std::ostream& out) { out << "old"; });
  const auto owner_only = fs::perms::owner_read | fs::perms::owner_write;
  fs::permissions(path, owner_only);
  fs::create_symlink("file", link);
  write_file(link, [&](std::ostream& out) {
    out << "new" << std::flush;
    CHECK(fs::status(directory / "file.partial").permissions() == owner_only);
  });
  CHECK(fs::is_symlink(link));
  CHECK(read_bytes(path) == "new");
  CHECK(fs::status(path).permissions() == owner_only);
  CHECK_FALSE(fs::exists(directory / "link.partial"));

  std::ofstream(directory / "usual").close();  // a new file is as private as the system makes one
  write_file(directory / "new", [](std::ostream& out) { out << "new"; });
  CHECK(fs::status(directory / "new").permissions() == fs::status(directory / "usual").permissions());

  const auto nowhere = directory / "nowhere";  // a link to a link to what is not there
  fs::create_symlink("missing", directory / "on");
  fs::create_symlink(directory / "on", nowhere);
  write_file(nowhere, [](std::ostream& out) { out << "here"; });
  CHECK(read_bytes(directory / "missing") == "here");
  CHECK(fs::is_symlink(nowhere));
  CHECK(fs::is_symlink(directory / "on"));

  fs::create_symlink("itself", directory / "itself");
  check_throws<std::runtime_error>({(directory / "itself").string(), "cannot be written"}, [&] {
    write_file(directory / "itself", [](std::ostream& out) { out << "anything"; });
  });
}

TEST_CASE("a device is written to, and not replaced") {
  namespace fs = std::filesystem;
  if (!fs::exists("/dev/null") || !fs::exists("/dev/full")) return;
  const TemporaryDirectory directory;
  const auto link = directory / "link";
  fs::create_symlink("/dev/null", link);
  write_file(link, [](std::ostream& out) { out << "anything"; });
  CHECK(fs::is_symlink(link));
  CHECK(fs::is_character_file(link));
  fs::remove(link);
  fs::create_symlink("/dev/full", link);
  check_throws<std::runtime_error>({link.string(), "cannot be written"},
                                   [&] { write_file(link, [](std::ostream& out) { out << "anything"; }); });
  CHECK(fs::is_character_file(link));
}

TEST_CASE("what is left of a stream, which stays where it is") {
  std::istringstream in("12345678");
  CHECK(remaining_bytes("file", in) == 8);
  in.seekg(3);
  CHECK(remaining_bytes("file", in) == 5);
  CHECK(in.get() == '4');
  in.seekg(8);
  CHECK(remaining_bytes("file", in) == 0);
}

TEST_CASE("a stream that cannot tell is not read") {
  Pipe pipe;
  std::istream in(&pipe);
  check_throws<std::runtime_error>({"file", "cannot be read"}, [&] { remaining_bytes("file", in); });
}

TEST_CASE("a stream that does not go back to where it was is not read") {
  OneWay one_way;
  std::istream in(&one_way);
  check_throws<std::runtime_error>({"file", "cannot be read"}, [&] { remaining_bytes("file", in); });
}

TEST_CASE("a file that got shorter while it was read has nothing left, and is no file of 2^64 bytes") {
  Shrunk shrunk;
  std::istream in(&shrunk);
  check_throws<std::runtime_error>({"file", "cannot be read"}, [&] { remaining_bytes("file", in); });
}
