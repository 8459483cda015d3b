// Targets: who owns an instance, where it stands, and what is done next about it.

#pragma once

#include "retirement/judge.h"
#include "retirement/state.h"

namespace retirement {

/// The target of an id, made with what the log says of it when there is none.
Target& TargetOf(State& state, InstanceId id);
void AddClaims(State& state, Request& request, Now now);
void RemoveClaims(State& state, Request& request, Now now);
/// It exists, or existed: seen in this lane under these credentials (S8).
void Know(Target& target, const Lane& lane, const std::string& credential);
/// The next judgement needs a new look.
void ForgetSight(Target& target);

/// Decides the next step of a target and puts it into its place. Called after every change of
/// what it depends on; calling it twice changes nothing.
void Reassess(State& state, Target& target, Now now);
void ReassessMembers(State& state, Request& request, Now now);

void OnObserved(State& state, const Observed& event, Now now);
/// Sends the looks that are due.
void SendLooks(State& state, Now now);
Mono NextLook(const State& state, Now now);

/// S6, S10: its owner is still there and permitted, no hold is on it, and what the batch would do
/// is what the mildest of all live requests wants.
bool StillWanted(const State& state, const Target& target, const BatchObject& batch,
                 const BatchMember& member);
/// Takes a target out of the queue it waits in.
void LeavePlace(State& state, Target& target);

/// Shows on all claims that the target is in a batch.
void ShowInBatch(State& state, Target& target, MemberState member_state, Reason reason, Now now);
/// Ends a target: its owner and those that want the same get the outcome.
void Conclude(State& state, Target& target, const Finish& finish, Now now);

Wanted WantedOf(const State& state, const Target& target);

}  // namespace retirement
