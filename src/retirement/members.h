// Members: every change of a member's state goes through here, so that counts, gauges and the
// outbox never disagree with it.

#pragma once

#include "retirement/state.h"

namespace retirement {

struct MemberChange {
  MemberState state = MemberState::kPending;
  Reason reason = Reason::kNone;
  std::string message{};
};

/// S5: a status that alone tells of a call goes on telling of it, whatever else is to be shown.
void SetMember(State& state, Request& request, uint32_t member, const MemberChange& change,
               Now now);

/// Counts a request's members anew after its list was rebuilt.
void Recount(State& state, Request& request);
/// Takes a request out of the gauges before it goes.
void Uncount(State& state, Request& request);

/// The phase that counts and verdicts add up to.
Phase PhaseOf(const Request& request);
void UpdatePhase(State& state, Request& request);

/// Whether it tells of a call without telling how that ended.
bool IsUnended(const MemberStatus& member);
int Count(const Request& request, MemberState state);
/// Every member is in a final state.
bool AllFinal(const Request& request);
/// Members in a final good state.
int Good(const Request& request);

/// Fills in the plan once every member has been observed (or needs no observation).
void UpdatePlan(State& state, Request& request, Now now);

}  // namespace retirement
