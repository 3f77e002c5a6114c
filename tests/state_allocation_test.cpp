// The heap while states are saved, loaded and read from files: what runs out of memory changes nothing, and a file gets
// no memory for what it only claims.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <optional>
#include <sstream>
#include <tensornorm/npy.hpp>
#include <tensornorm/safetensors.hpp>
#include <tensornorm/tensornorm.hpp>

#include "support/files.hpp"
#include "support/random.hpp"
#include "support/snapshot.hpp"

namespace {

// Every operator new of this thread passes here while `armed`: counted, and refused when it is number `refused`.
struct Heap {
  bool armed = false;
  long count = 0;
  long refused = -1;
  std::size_t largest = 0;  // bytes asked for at once
};
thread_local Heap heap;

}  // namespace

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TN_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TN_TEST_SANITIZED
#endif

// Not where a sanitizer has the heap or there is no glibc: allocation_test.cpp then has the operators for itself.
#if defined(__GLIBC__) && !defined(TN_TEST_SANITIZED)
namespace {
constexpr bool kSeesNew = true;

void* take(std::size_t size) {
  if (heap.armed) {
    if (size > heap.largest) heap.largest = size;
    if (heap.count++ == heap.refused) throw std::bad_alloc();
  }
  void* const block = std::malloc(size == 0 ? 1 : size);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
}  // namespace
void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
#else
namespace {
constexpr bool kSeesNew = false;
}
#endif

namespace tn = tensornorm;
using tn::Array;
using tn::StateDict;
using namespace tn_test;

namespace {

/// Runs call(k) with the k-th allocation refused, for every k that it gets to, until a run ends well. A run ends badly
/// by std::bad_alloc, or by the std::runtime_error of a stream, which keeps a bad_alloc to itself; unchanged() then.
/// Returns how many allocations were refused.
template <typename Call, typename Unchanged>
long refuse_each_allocation(const Call& call, const Unchanged& unchanged) {
  for (long k = 0; k < 10'000; ++k) {
    bool failed = false;
    heap = {true, 0, k, 0};
    try {
      call();
    } catch (const std::bad_alloc&) {
      failed = true;
    } catch (const std::runtime_error&) {
      failed = true;
    }
    heap.armed = false;
    if (!failed) return k;
    INFO("allocation " << k);
    CHECK(unchanged());
  }
  FAIL("every allocation was refused and there was always another");
  return 0;
}

tn::BatchNorm2d<> used_layer() {
  tn::BatchNorm2d<> bn(100);
  Random random(1);
  randomise_parameters(random, bn);
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
  heap = {true, 0, -1, 0};
  try {
    load(in, "file");
    heap.armed = false;
    FAIL_CHECK("what is not there was loaded");
  } catch (const std::runtime_error&) {
  }
  heap.armed = false;
  return heap.largest;
}

}  // namespace

TEST_CASE("operator new is seen") {
  void* memory = nullptr;  // by a call, not a new-expression, which a compiler may leave out
  heap = {true, 0, -1, 0};
  memory = ::operator new(123);
  heap.armed = false;
  ::operator delete(memory);
  CHECK(heap.count == (kSeesNew ? 1 : 0));
  CHECK(heap.largest == (kSeesNew ? 123 : 0));
}

TEST_CASE("out of memory while a state is loaded: the layer is as it was") {
  const StateDict saved = used_layer().state_dict("bn.");
  tn::BatchNorm2d<> bn(100);
  const Snapshot before(bn);
  const long refused =
      refuse_each_allocation([&] { bn.load_state_dict(saved, "bn."); }, [&] { return Snapshot(bn) == before; });
  CHECK((refused > 8 || !kSeesNew));
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
  CHECK((refused > 5 || !kSeesNew));
  CHECK(saved->size() == 5);
}

TEST_CASE("out of memory in an insert: the dict is as it was") {
  const StateDict before = used_layer().state_dict("a."), more = used_layer().state_dict("b.");
  StateDict dict = before;
  const auto unchanged = [&] {
    return same_entries(dict, before) && !dict.contains("b.weight") && !dict.contains("b.bias");
  };
  long refused = refuse_each_allocation([&] { dict.insert(more); }, unchanged);
  CHECK((refused > 10 || !kSeesNew));
  CHECK(dict.size() == 10);
  dict = before;
  const Array& weight = more.at("b.weight");
  refused = refuse_each_allocation([&] { dict.insert("b.weight", weight); }, unchanged);
  CHECK((refused > 1 || !kSeesNew));  // its name's place and its shape; a copy shares the values
  CHECK(dict.at("b.weight").size() == 100);
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
