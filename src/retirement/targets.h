// Targets: who owns an instance, where it stands, and what is done next about it.

#pragma once

#include "retirement/judge.h"
#include "retirement/state.h"

namespace retirement {

/// S4, S5: the entry of a call is gone, and nobody knows how the call ended.
void MakeOrphan(Target& target, const EntryRef& entry, Now now);

/// The target of an id, made with what the log says of it when there is none.
Target& TargetOf(State& state, InstanceId id);
void AddClaims(State& state, Request& request, Now now);
/// Forgets an instance that nobody names and that was not called: callers may hold one that was.
void ForgetUncalled(State& state, InstanceId id);
/// Forgets all that nobody names, unless a call may still show. Nobody may hold a target meanwhile.
void SweepTargets(State& state, Now now);
void RemoveClaims(State& state, Request& request, Now now);
/// Decides the next step of a target and puts it into its place. Called after every change of
/// what it depends on; calling it twice changes nothing.
void Reassess(State& state, Target& target, Now now);
/// Decides anew about targets in which claims came to take part, some at a time; true when nothing
/// is left.
bool ReassessCrowds(State& state, Now now);
/// All of a request; crowds within this step or the next ones, see DecideAnew.
void ReassessMembers(State& state, Request& request, Now now);

/// S6, S10: its owner is still there and permitted, no hold is on it, and what the batch would do
/// is what the mildest of all live requests wants.
bool StillWanted(State& state, const Target& target, const BatchObject& batch,
                 const BatchMember& member);
/// The last check, right before a commit and a call: accepted and permitted anew, judged anew, and
/// packed under the same key.
bool StillPacked(State& state, const Target& target, const PackKey& key, Now now);
/// Takes back a look that was planned.
void CancelLook(Target& target);
/// The owner's lane looks at it at `due`, or earlier when that was planned.
void ScheduleLook(State& state, Target& target, Mono due);
/// Takes a target out of the queue it waits in.
void LeavePlace(State& state, Target& target);

/// What an observation in this lane means to its account, whoever asks.
Wanted WantedIn(State& state, const Lane& lane);
Wanted WantedOf(State& state, const Target& target);

}  // namespace retirement
