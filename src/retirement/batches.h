// Batches: the life of one call: packed, confirmed, committed, called, recorded, closed.

#pragma once

#include <optional>

#include "retirement/state.h"

namespace retirement {

void OnBatchSeen(State& state, const BatchSeen& event, Now now);
void OnBatchGone(State& state, const BatchGone& event, Now now);
void OnConfirmed(State& state, const Confirmed& event, Now now);
void OnCommitted(State& state, const Committed& event, Now now);
void OnAnswered(State& state, const Answered& event, Now now);
void OnRecorded(State& state, const Recorded& event, Now now);
/// S10: what the log tells of dry runs counts until somebody has called since.
void JudgeDryRuns(State& state, Account& account, Now now);
/// Open entries that the log lacked after a list are written again.
void RestoreMissing(State& state, uint64_t epoch, std::string_view version, Now now);

/// Judges a target in an open entry whose call has ended; the time of its next look, if any.
std::optional<Mono> ReassessCalled(State& state, Target& target, Now now);
/// Whether the open entry that names `target` was committed for `request`.
bool IsMemberOf(const State& state, const Target& target, const Request& request);

/// Packs, confirms, commits, calls and records what is due.
void DriveBatches(State& state, Now now);
Mono NextBatchWake(const State& state, Now now);
/// No call and no record is in flight or waiting.
bool IsQuiescent(const State& state);

}  // namespace retirement
