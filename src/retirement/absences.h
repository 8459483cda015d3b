// Absences: what an instance that is not listed any more proves, when many are absent or when those
// look who never saw it (S8).

#pragma once

#include "retirement/state.h"

namespace retirement {

/// Somebody else saw it there, and nobody knows whether that is the same account.
bool LacksWitness(const Target& target, const Viewpoint& from);
/// Before an absence under a new key is judged, an instance is looked for that those saw who saw
/// what is absent, and that should still be there: who sees it, too, is the same account.
void SeekWitness(State& state, LaneState& lane, const Viewpoint& from, Now now);

/// Counts, every few seconds at most, how much of what the lane knows is absent without a call of
/// ours: more than a fifth, and more than five, at once is told and believed by a person or after
/// half an hour only.
void CountMissing(State& state, LaneState& lane, Now now);
bool IsSuspicious(const LaneState& lane);

}  // namespace retirement
