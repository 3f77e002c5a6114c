// Everything a layer holds and everything it was to write, byte for byte: what a call that throws must leave alone.
#pragma once

#include <doctest/doctest.h>

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <string>
#include <typeinfo>
#include <vector>

#include "support/nd_array.hpp"

namespace tn_test {

template <typename X>
std::vector<unsigned char> bytes_of(const X& x) {
  const auto* const first = reinterpret_cast<const unsigned char*>(x.data());
  const auto count = static_cast<std::size_t>(x.size()) * sizeof(*x.data());
  return count == 0 ? std::vector<unsigned char>{} : std::vector<unsigned char>(first, first + count);
}

/// Parameters, running statistics, counter, gradients and mode of a layer.
struct Snapshot {
  std::vector<std::vector<unsigned char>> vectors;
  std::int64_t counter = 0;
  bool training = false;

  template <typename Layer>
  explicit Snapshot(const Layer& bn) : counter(bn.num_batches_tracked()), training(bn.is_training()) {
    for (const auto* vector :
         {&bn.weight(), &bn.bias(), &bn.running_mean(), &bn.running_var(), &bn.weight_grad(), &bn.bias_grad()}) {
      vectors.push_back(bytes_of(*vector));
    }
  }
  bool operator==(const Snapshot& other) const {
    return vectors == other.vectors && counter == other.counter && training == other.training;
  }
};

/// Whether `word` stands in `text` by itself: "y" in "y has 3 elements", not in "expected only".
inline bool has_word(const std::string& text, const std::string& word) {
  const auto inside = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool open = at == 0 || !inside(text[at - 1]) || !inside(word.front());
    const bool closed = end == text.size() || !inside(text[end]) || !inside(word.back());
    if (open && closed) return true;
  }
  return false;
}

/// call() must throw exactly an Exception whose message has all the words.
template <typename Exception, typename Call>
void check_throws(std::initializer_list<std::string> words, Call call) {
  try {
    call();
  } catch (const std::exception& error) {
    const std::string message = error.what();
    INFO(message);
    CHECK(typeid(error) == typeid(Exception));
    for (const std::string& word : words) {
      INFO(word);
      CHECK(has_word(message, word));
    }
    return;
  }
  std::string wanted;
  for (const std::string& word : words) wanted += word + " | ";
  INFO(wanted);
  FAIL_CHECK("nothing was thrown");
}

/// The same, and neither the layer nor the output has a byte changed.
template <typename Exception, typename Layer, typename Y, typename Call>
void check_throws_untouched(const Layer& bn, const Y& y, std::initializer_list<std::string> words, Call call) {
  const Snapshot before(bn);
  const std::vector<unsigned char> output = bytes_of(y);
  check_throws<Exception>(words, call);
  CHECK(Snapshot(bn) == before);
  CHECK(bytes_of(y) == output);
}

}  // namespace tn_test
