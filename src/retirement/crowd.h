// Crowd: when very many requests name one instance, so many of them take part as can be looked at
// whenever something changes; the others wait for a place, and of them only their holds and wishes
// count. What one change costs does not grow with the number of claims (S0).

#pragma once

#include "retirement/state.h"

namespace retirement {

/// Places among those that take part.
inline constexpr size_t kMostClaims = 32;

void AddClaim(State& state, Target& target, Request& request, uint32_t member);
void RemoveClaim(State& state, Target& target, const Request& request);
/// Its account or its spec has changed what the request may do: its claims are ranked anew.
void Rerank(State& state, Request& request);
/// The member's state has changed: one that is done leaves its place to the next.
void OnMemberChanged(State& state, Request& request, uint32_t member);

/// S0: what is done about a crowd is decided once for all that changed, in this step or the next
/// ones.
void DecideAnew(State& state, Target& target);
/// The best of those that wait take the places that are free, or that are taken by worse ones.
void Balance(State& state, Target& target);
/// T1: what the owner is blocked by now, kNone for nothing: who was told otherwise gets a place, in
/// turn.
void ShareWithCrowd(State& state, Target& target, Reason reason);
/// Of those that wait for a place: does any hold the instance, and what is their mildest wish?
bool CrowdHolds(const Target& target);
std::optional<PrepaidPolicy> MildestOfCrowd(const Target& target);

}  // namespace retirement
