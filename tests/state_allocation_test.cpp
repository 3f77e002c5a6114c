// The heap while states are saved, loaded and read from files: what runs out of memory changes nothing, and a file gets
// no memory for what it only claims.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <sstream>
#include <tensornorm/npy.hpp>
#include <tensornorm/safetensors.hpp>
#include <tensornorm/tensornorm.hpp>

#include "support/files.hpp"
#include "support/heap.hpp"
#include "support/random_layer.hpp"
#include "support/refusals.hpp"
#include "support/snapshot.hpp"

namespace tn = tensornorm;
using tn::Array;
using tn::StateDict;
using namespace tn_test;

namespace {

/// Runs call() with its k-th allocation refused, for every k that it gets to, until a run ends well; unchanged() after
/// every other. Returns how many allocations were refused.
template <typename Call, typename Unchanged>
long refuse_each_allocation(const Call& call, const Unchanged& unchanged) {
  return count_refusals([&](long k) {
    if (!runs_out_of_memory(k, call)) return false;
    CHECK(unchanged());
    return true;
  });
}

tn::BatchNorm2d<> used_layer() {
  auto bn = random_layer(100);
  bn.set_num_batches_tracked(3);
  return bn;
}

bool same_entries(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  return std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.shape() == y.second.shape();
  });
}

template <typename Load>
std::size_t largest_allocation(const Load& load, const std::string& bytes) {
  std::istringstream in(bytes);
  bool loaded = true;
  const Heap seen = watched([&] {
    try {
      load(in, "file");
    } catch (const std::runtime_error&) {
      loaded = false;
    }
  });
  CHECK_FALSE(loaded);
  return seen.largest;
}

}  // namespace

TEST_CASE("out of memory while a state is loaded: the layer is as it was") {
  const StateDict saved = used_layer().state_dict("bn.");
  tn::BatchNorm2d<> bn(100);
  const Snapshot before(bn);
  const long refused =
      refuse_each_allocation([&] { bn.load_state_dict(saved, "bn."); }, [&] { return Snapshot(bn) == before; });
  CHECK(refused > 8);
  CHECK(Snapshot(bn) == Snapshot(used_layer()));  // the run that was refused nothing
}

TEST_CASE("out of memory while a state is found unfit: it is not loaded instead") {
  StateDict unfit;
  unfit.insert("weight", Array::zeros(tn::DType::float32, {100}));
  unfit.insert("running_mean", Array::zeros(tn::DType::float32, {99}));
  unfit.insert("running_var", Array({100}, std::vector<float>(100, -1)));
  tn::BatchNorm2d<> bn(100);
  const Snapshot before(bn);
  for (const bool strict : {true, false}) {
    bool loaded = false;
    refuse_each_allocation(
        [&] {
          try {
            bn.load_state_dict(unfit, "", strict);
            loaded = true;
          } catch (const std::invalid_argument&) {  // cut short, perhaps
            if (heap.count <= heap.refused) return;
            throw std::bad_alloc();
          }
        },
        [&] { return !loaded && Snapshot(bn) == before; });
    CHECK_FALSE(loaded);
    CHECK(Snapshot(bn) == before);
  }
}

TEST_CASE("out of memory while a state is saved: the layer is as it was") {
  const tn::BatchNorm2d<> bn = used_layer();
  const Snapshot before(bn);
  std::optional<StateDict> saved;
  const long refused =
      refuse_each_allocation([&] { saved = bn.state_dict(); }, [&] { return !saved && Snapshot(bn) == before; });
  CHECK(refused > 5);
  CHECK(saved->size() == 5);
}

TEST_CASE("out of memory in an insert: the dict is as it was") {
  const StateDict before = used_layer().state_dict("a."), more = used_layer().state_dict("b.");
  StateDict dict = before;
  const auto unchanged = [&] {
    return same_entries(dict, before) && !dict.contains("b.weight") && !dict.contains("b.bias");
  };
  long refused = refuse_each_allocation([&] { dict.insert(more); }, unchanged);
  CHECK(refused > 10);
  CHECK(dict.size() == 10);
  dict = before;
  const Array& weight = more.at("b.weight");
  refused = refuse_each_allocation([&] { dict.insert("b.weight", weight); }, unchanged);
  CHECK(refused > 1);  // its name's place and its shape; a copy shares the values
  CHECK(dict.at("b.weight").size() == 100);
}

TEST_CASE("out of memory in an assignment: arrays and dicts are as they were") {
  const Array bytes({2}, std::vector<std::uint8_t>{1, 2}), doubles({1, 1, 1, 2}, std::vector<double>{3, 4});
  Array array = bytes;
  long refused = refuse_each_allocation(
      [&] { array = doubles; }, [&] { return array.dtype() == tn::DType::uint8 && array.shape() == bytes.shape(); });
  CHECK(refused > 0);
  const StateDict before = used_layer().state_dict("a."), other = used_layer().state_dict("other.");
  StateDict dict = before;
  refused = refuse_each_allocation(
      [&] { dict = other; },
      [&] { return same_entries(dict, before) && dict.contains("a.weight") && !dict.contains("other.weight"); });
  CHECK(refused > 5);
  CHECK(same_entries(dict, other));
}

TEST_CASE("out of memory while a file is read or written: an exception, and a whole dict after") {
  const StateDict saved = used_layer().state_dict();
  std::string bytes;
  refuse_each_allocation(
      [&] {
        std::ostringstream out;
        tn::save_safetensors(out, saved);
        bytes = out.str();
      },
      [&] { return bytes.empty(); });
  std::optional<StateDict> dict;
  refuse_each_allocation(
      [&] {
        std::istringstream in(bytes);
        dict = tn::load_safetensors(in, "file");
      },
      [&] { return !dict; });
  CHECK(same_entries(*dict, [&] {
    StateDict in_the_file_s_order;
    for (const char* name : {"num_batches_tracked", "bias", "running_mean", "running_var", "weight"}) {
      in_the_file_s_order.insert(name, saved.at(name));
    }
    return in_the_file_s_order;
  }()));
}

TEST_CASE("a file of some hundred bytes gets some kilobytes, whatever it claims") {
  const auto safetensors = [](std::istream& in, const char* name) { tn::load_safetensors(in, name); };
  const auto npy = [](std::istream& in, const char* name) { tn::load_npy(in, name); };
  constexpr std::size_t kSome = 8192;
  for (const std::uint64_t length : {std::uint64_t{99'999'999}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    CHECK(largest_allocation(safetensors, raw<std::uint64_t>({length}) + "{}") < kSome);
  }
  for (const char* tensor : {R"("dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104])",
                             R"("dtype":"F32","shape":[1099511627776],"data_offsets":[0,4])",
                             R"("dtype":"F64","shape":[1152921504606846975],"data_offsets":[0,9223372036854775800])",
                             R"("dtype":"F32","shape":[250000000,1],"data_offsets":[0,1000000000])"}) {
    CHECK(largest_allocation(safetensors, safetensors_file(std::string("{\"a\":{") + tensor + "}}", "1234")) < kSome);
  }
  for (const char* shape : {"(1099511627776,)", "(250000000, 1)", "(9223372036854775807,)"}) {
    const std::string dict = std::string("{'descr': '<f4', 'fortran_order': True, 'shape': ") + shape + ", }";
    CHECK(largest_allocation(npy, npy_file(dict, "1234")) < kSome);
  }
  const std::string start = std::string("\x93NUMPY\x02") + '\0';
  CHECK(largest_allocation(npy, start + raw<std::uint32_t>({9999}) + "{}") < kSome);
  CHECK(largest_allocation(npy, start + raw<std::uint32_t>({~std::uint32_t{0}}) + "{}") < kSome);
}
