// Sights: what DescribeInstances is asked, and what its answers teach about each instance.

#pragma once

#include "retirement/state.h"

namespace retirement {

/// It exists, or existed: seen from there (S8). Two who know one instance are one account.
void Know(State& state, Target& target, const Viewpoint* from);
/// The next judgement needs a new look.
void ForgetSight(Target& target);

/// Writes the charge type that was seen down on the members whose requests look there.
void ShowCharge(Target& target);

void OnObserved(State& state, const Observed& event, Now now);
/// Sends the looks that are due.
void SendLooks(State& state, Now now);
Mono NextLook(const State& state, Now now);

}  // namespace retirement
