// Outcomes: what the requests that name an instance are shown of it.

#pragma once

#include "retirement/judge.h"
#include "retirement/members.h"
#include "retirement/state.h"

namespace retirement {

/// The others share the owner's obstacle or wait for it; they are blocked when they want something
/// else.
void ShowDuplicates(State& state, Target& target, Now now);
/// What a member becomes when its request expires. S5: a call of which only its status tells is not
/// forgotten with it.
MemberChange ExpiredAs(const Target& target, const MemberStatus& member);
/// A claim that may not act: it shows what it would do (DryRun), or waits.
void ShowIdle(State& state, Target& target, const Claim& claim, Now now);
/// What a dry run that asked the service found: "" for nothing that would stop it.
void ShowAnswer(State& state, Target& target, const std::string& obstacle, Now now);
/// Shows on the owner that the target is in a batch.
void ShowInBatch(State& state, Target& target, const MemberChange& change, Now now);
/// When, and in which lane, to look at what nobody owns.
struct NextSight {
  Mono due{};
  Lane lane{};
};
/// Nobody owns it: who is blocked by another intent gets the outcome once it is what it wants.
/// Nothing when nobody is.
std::optional<NextSight> ShowReached(State& state, Target& target, Now now);
/// Ends a target: its owner and those that want the same get the outcome.
void Conclude(State& state, Target& target, const Finish& finish, Now now);

}  // namespace retirement
