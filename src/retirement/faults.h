// Faults: what each class of refusal is about, whether the service looked at the instances before
// it refused, who can mend it, and how long to wait before the same is tried again. Pure.

#pragma once

#include "retirement/event.h"

namespace retirement {

/// What a refusal is about. What is about a batch is sought in it, unless it meets whatever is
/// sent.
enum class About : uint8_t { kCall, kAccount, kLane, kBatch, kInstance };
enum class MendedBy : uint8_t { kTime, kPerson, kNobody };

struct FaultRule {
  About about;
  bool seen;             // the instances were looked at: they are observed before the next call
  bool may_have_worked;  // it does not exclude an effect (S4)
  MendedBy mended_by;
  Reason waits;    // what a member shows meanwhile when the code says nothing more exact
  Millis first;    // the wait before the next try of one instance
  Millis longest;  // E0: what the wait grows to
  int growth;      // factor of each further wait
};

/// Exhaustive.
const FaultRule& RuleOf(Fault fault);

/// E0: the wait after the `times`-th refusal in a row, from 1.
Millis BackOff(const FaultRule& rule, int times);

}  // namespace retirement
