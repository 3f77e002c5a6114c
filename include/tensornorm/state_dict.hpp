// Names and arrays in order: what a layer or a network knows, as PyTorch's state_dict() gives it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "array.hpp"

namespace tensornorm { inline namespace v0 {

/// Arrays by name, in the order they were inserted, and the free text that a file carries beside them.
///
/// Meaning: torch.nn.Module.state_dict (https://pytorch.org/docs/stable/generated/torch.nn.Module.html). Names are
/// those of PyTorch: a layer's prefix ends in a dot, "features.1.running_mean". Lookups take O(log size) time. The
/// const members are safe from many threads at once.
class StateDict {
 public:
  /// A name and its array.
  using Entry = std::pair<std::string, Array>;

  /// An empty dict.
  StateDict() = default;
  /// A copy.
  StateDict(const StateDict&) = default;
  /// Takes over what the other has.
  StateDict(StateDict&&) = default;
  /// Takes over what the other has.
  StateDict& operator=(StateDict&&) = default;
  /// By way of a copy: when memory for that runs out, this dict is as it was.
  StateDict& operator=(const StateDict& other) { return *this = StateDict(other); }

  /// Throws std::invalid_argument when the name is taken; the dict is then as it was.
  void insert(std::string name, Array array) {
    const auto [place, is_new] = index_.emplace(name, entries_.size());
    if (!is_new) fail_taken(name);
    try {
      entries_.emplace_back(std::move(name), std::move(array));
    } catch (...) {
      index_.erase(place);
      throw;
    }
  }
  /// All entries of another one, such as a second layer's: all of them, or none where that throws.
  void insert(const StateDict& other) {
    const std::size_t before = size();
    try {
      for (const auto& [name, array] : other.entries_) insert(name, array);
    } catch (...) {
      for (; size() > before; entries_.pop_back()) index_.erase(entries_.back().first);
      throw;
    }
  }

  /// Whether there is an array of that name.
  bool contains(const std::string& name) const { return index_.count(name) > 0; }
  /// The array of that name, or null. Lasts until the next insert(), as references to entries do.
  const Array* find(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &entries_[found->second].second;
  }
  /// The array of that name. Throws std::invalid_argument when there is none.
  const Array& at(const std::string& name) const {
    const Array* array = find(name);
    if (array == nullptr) detail::fail_argument("state dict should have \"", name, "\", and does not");
    return *array;
  }

  /// Number of arrays.
  std::size_t size() const { return entries_.size(); }
  /// Whether there are none.
  bool empty() const { return entries_.empty(); }
  /// The entries, in the order they were inserted: `for (const auto& [name, array] : dict)`.
  auto begin() const { return entries_.begin(); }
  /// Past the last entry.
  auto end() const { return entries_.end(); }

  /// Text by name: a safetensors file's __metadata__. PyTorch keeps eps and momentum nowhere; they can stand here.
  std::map<std::string, std::string>& metadata() { return metadata_; }
  /// The same, to read.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  [[noreturn]] static void fail_taken(const std::string& name) {
    detail::fail_argument("state dict should not have \"", name, "\" yet");
  }

  std::vector<Entry> entries_;
  std::map<std::string, std::size_t> index_;  // name -> place among the entries
  std::map<std::string, std::string> metadata_;
};

}}  // namespace tensornorm::v0
