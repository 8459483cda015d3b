// Outbox: which status is written next. Final states go first, what is overtaken is never written,
// and nothing is written that reads the same as what is there.

#pragma once

#include "retirement/state.h"

namespace retirement {

/// The status of `request` may have changed; it is compared and written after a while that its
/// urgency decides.
void Touch(State& state, Request& request, Urgency urgency, Now now);
/// Forgets a request that goes away.
void Forget(State& state, Request& request);
/// Writes what is due, as far as slots allow.
void Flush(State& state, Now now);
void OnStatusWritten(State& state, const StatusWritten& event, Now now);
/// When Flush has something to do next.
Mono NextWrite(const State& state);

}  // namespace retirement
