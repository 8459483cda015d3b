// Entries: what every stage in the life of a batch does with its entry of the log.

#pragma once

#include <vector>

#include "retirement/state.h"

namespace retirement {

/// The open entry of that number; null when there is none.
Entry* FindEntry(State& state, const Lane& lane, uint64_t sequence);

/// Lets a target go from its entry; Reassess then finds its new place.
void Release(Target& target);
void ReleaseAll(State& state, Entry& entry, Now now);
std::vector<InstanceId> IdsOf(const std::vector<Target*>& targets);
/// Ends an entry of which every member was observed, or taken out by another entry.
void CloseIfDone(State& state, Entry& entry, Now now);
/// Reassesses by id, because a Target may go while others are reassessed.
void ReassessIds(State& state, const std::vector<InstanceId>& ids, Now now);
void ReassessEntry(State& state, Entry& entry, Now now);
/// Members that were removed from their spec leave the status once their batch lets them go.
void PruneClaims(State& state, const Target& target, Now now);

/// The service did what it was asked to try only: the batch is a real one, and no call follows.
void OnDryRunExecuted(State& state, Account& account, const Entry& entry, Now now);
void CountBatch(State& state, const Entry& entry, const char* outcome);
/// Ends an entry whose call changed nothing: it was never sent, or cleanly refused.
void CloseUnchanged(State& state, Entry& entry, BatchPhase phase, Now now);
void Abandon(State& state, Entry& entry, Now now);
/// S10: what its dry run did nobody will see.
void DoubtDryRun(State& state, const Entry& entry, Now now);
/// What the requests of its members are permitted is decided anew: a clock may have jumped.
void RefreshOwners(State& state, const Entry& entry);
void DropDraft(State& state, LaneState& lane, Now now);

/// A later write of the object may be seen before the answer of our own; `live`: it was read just
/// now.
void TakeVersion(Entry& entry, const std::string& version, bool live);
/// T1: its records fail no more; that is told once those of no other entry of its lane do.
void EndFailedRecords(State& state, Entry& entry, Now now);
/// It is open no more.
void Leave(State& state, Entry& entry, Now now);

inline constexpr int kToldRecords = 3;  // that fail in a row
/// E0: what the kube-apiserver refuses to record is tried again at growing intervals.
void RecordLater(Entry& entry, Now now);
/// S5: an acceptance that the log's end of an entry does not tell is added to it.
void AddAcceptance(State& state, Entry& entry, BatchObject end, Now now);
/// S5: every member was accepted, also what an entry of somebody else has taken away meanwhile.
void LearnAcceptance(State& state, Entry& entry, Now now);
/// A person ends an entry as it stands: what was not observed is Unknown, and judged anew.
void EndByHand(State& state, Entry& entry, Now now);
inline constexpr const char* kClosedByHand = "ClosedByHand";  // an entry's error code
/// S5: its call was accepted, and whatever came of it, it is not repeated: it is not prepaid.
bool WasAccepted(const BatchObject& object);
bool IsLastCall(const BatchObject& object);
/// It did something, or may have: what it says is kept longer.
bool HasEffect(const BatchObject& object);
/// E0: commits that no accepted call follows are ever further apart; an accepted one starts anew.
void CountFutile(Ledger& ledger, Now now);
/// E0: nor are several committed at once while they are in vain.
void SpaceFutile(Ledger& ledger, Now now);
/// Marks every member as called; `may_have_worked` when the answer does not exclude an effect.
void MarkCalled(Entry& entry, bool may_have_worked, Now now);
/// S4: until the settle time is over the call may still be on its way.
void Unsettle(Entry& entry, Mono last_acceptance);
void RecordResult(Entry& entry, Target& target, BatchResult result, Now now);
/// Its owner's member shows that a person is needed, and goes on showing it.
bool IsBlocked(const Target& target);

}  // namespace retirement
