// Commits: a batch from its packing to its entry in the log.

#pragma once

#include "retirement/state.h"

namespace retirement {

/// Makes a draft of what was cut; what would not last until the call is looked at again.
void Draft(State& state, LaneState& lane, Account& account, Packer::Cut cut, Now now);
/// Takes the draft one step further: confirmed, committed, or dropped.
void DriveDraft(State& state, LaneState& lane, Account& account, Now now);

/// The last check: every member is judged anew, and would be packed for the same call.
bool AllStillPacked(State& state, const Entry& entry, Now now);
/// S6, S10: every member is still wanted, and no entry of somebody else has taken one away.
bool AllWanted(State& state, const Entry& entry);
/// S12: until when the view, or the live read that stands in for it, justifies a call.
Mono ViewUntil(const State& state, const Account& account, const Entry& entry);
/// Objects that a live read showed differently, and that the watch does not bring: listed anew,
/// once a minute at most, whoever edits them however often.
void DriveSuspects(State& state, Now now);
Mono NextSuspect(const State& state);
/// When the view is too old, what the batch relies on is read live. True when it may go on now.
bool ConfirmView(State& state, Account& account, Entry& entry, Now now);

}  // namespace retirement
