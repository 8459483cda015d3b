// Sights: what DescribeInstances is asked, and what its answers teach about each instance.

#pragma once

#include "retirement/state.h"

namespace retirement {

/// It exists, or existed: seen in this lane under these credentials (S8).
void Know(Target& target, const Lane& lane, const std::string& credential);
/// The next judgement needs a new look.
void ForgetSight(Target& target);

void OnObserved(State& state, const Observed& event, Now now);
/// Sends the looks that are due.
void SendLooks(State& state, Now now);
Mono NextLook(const State& state, Now now);

}  // namespace retirement
