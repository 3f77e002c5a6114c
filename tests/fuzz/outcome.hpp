// Calls that may fail, and the failures that the documents foresee.
#pragma once

#include <stdexcept>
#include <typeinfo>

#include "fuzz/bytes.hpp"

namespace tn_fuzz {

enum class Outcome { kDone, kInvalidArgument, kWrongOrder };

/// What becomes of call(). An exception of another type than the documented ones passes through.
template <typename Call>
Outcome attempt(Call call) {
  try {
    call();
    return Outcome::kDone;
  } catch (const std::logic_error& error) {
    if (typeid(error) == typeid(std::invalid_argument)) return Outcome::kInvalidArgument;
    if (typeid(error) == typeid(std::logic_error)) return Outcome::kWrongOrder;
    throw;
  }
}

/// What is wrong with a call. Where several things are, any of them may be reported.
struct Mistakes {
  bool argument = false, order = false;

  void expect(Outcome outcome, const char* call) const {
    const bool right = argument || order ? (outcome == Outcome::kInvalidArgument && argument) ||
                                               (outcome == Outcome::kWrongOrder && order)
                                         : outcome == Outcome::kDone;
    demand(right, call, outcome == Outcome::kDone ? " passed" : " threw", ", wrong argument: ", argument,
           ", wrong order: ", order);
  }
};

}  // namespace tn_fuzz
