#include "retirement/entries.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/registry.h"
#include "retirement/targets.h"
#include "retirement/trouble.h"

namespace retirement {
namespace {

BatchMember* MemberOf(Entry& entry, InstanceId id) {
  for (BatchMember& m : entry.object.members) {
    if (m.id == id) return &m;
  }
  return nullptr;
}

}  // namespace

Entry* FindEntry(State& state, const Lane& lane, uint64_t sequence) {
  const auto found_lane = state.lanes.find(lane);
  if (found_lane == state.lanes.end()) return nullptr;
  auto& open = found_lane->second.ledger.open;
  const auto found = open.find(sequence);
  return found == open.end() ? nullptr : &found->second;
}

/// Lets a target go from its entry; Reassess then finds its new place.
void Release(Target& t) {
  t.place = Place::kIdle;
  t.batch = 0;
}

/// Its owner's member shows that a person is needed, and goes on showing it.
bool IsBlocked(const Target& t) {
  for (const Claim& claim : t.claims) {
    if (claim.request != t.owner) continue;
    return claim.request->members[claim.member].state == MemberState::kBlocked;
  }
  return false;
}

void PruneClaims(State& state, const Target& t, Now now) {
  for (const Claim& claim : std::vector<Claim>(t.claims)) {
    if (claim.member >= claim.request->spec.members.size()) {
      PruneRemoved(state, *claim.request, now);
    }
  }
}

/// The ids of targets: a Target may go while others are reassessed.
std::vector<InstanceId> IdsOf(const std::vector<Target*>& targets) {
  std::vector<InstanceId> ids;
  for (const Target* t : targets) ids.push_back(t->id);
  return ids;
}

void ReassessIds(State& state, const std::vector<InstanceId>& ids, Now now) {
  for (const InstanceId id : ids) {
    if (const auto t = state.targets.find(id); t != state.targets.end()) {
      PruneClaims(state, t->second, now);
    }
    if (const auto t = state.targets.find(id); t != state.targets.end()) {
      Reassess(state, t->second, now);
    }
  }
}

void ReleaseAll(State& state, Entry& entry, Now now) {
  const std::vector<Target*> targets = std::move(entry.targets);
  entry.targets.clear();
  for (Target* t : targets) {
    CancelLook(*t);
    Release(*t);
  }
  ReassessIds(state, IdsOf(targets), now);
}

void CountBatch(State& state, const Entry& entry, const char* outcome) {
  state.Do(Tally{Tally::What::kBatch, entry.object.lane, outcome, 1});
}

/// Ends an entry whose call changed nothing: it was never sent, or cleanly refused.
void CloseUnchanged(State& state, Entry& entry, BatchPhase phase, Now now) {
  entry.object.phase = phase;
  entry.stage = Stage::kClosed;
  entry.dirty = true;
  CountBatch(state, entry, ToString(phase));
  ReleaseAll(state, entry, now);
}

void Abandon(State& state, Entry& entry, Now now) {
  CountFutile(state.LaneOf(entry.object.lane).ledger, now);
  CloseUnchanged(state, entry, entry.sends == 0 ? BatchPhase::kAbandoned : BatchPhase::kRejected,
                 now);
}

void DoubtDryRun(State& state, const Entry& entry, Now now) {
  Account* account = state.FindAccount(entry.object.lane.account);
  if (account == nullptr || !entry.object.dry_run) return;
  account->dry_run_doubted = true;
  TouchAccount(*account, now);
}

void RefreshOwners(State& state, const Entry& entry) {
  for (const Target* t : entry.targets) {
    if (t->owner != nullptr) RefreshSoon(state, *t->owner);
  }
}

void DropDraft(State& state, LaneState& lane, Now now) {
  Entry draft = *std::move(lane.ledger.draft);
  lane.ledger.draft.reset();
  ReleaseAll(state, draft, now);
}

void RecordResult(Entry& entry, Target& t, BatchResult result, Now now) {
  if (BatchMember* m = MemberOf(entry, t.id)) {
    m->result = result;
    m->time = now.wall;
  }
}

void TakeVersion(Entry& entry, const std::string& version, bool live) {
  const bool later = VersionNumber(version) > VersionNumber(entry.object.version);
  if (live || later) entry.object.version = version;
}

void EndFailedRecords(State& state, Entry& entry, Now now) {
  if (std::exchange(entry.failed_records, 0) == 0) return;
  const Lane& lane = entry.object.lane;
  const auto& open = state.LaneOf(lane).ledger.open;
  const bool others = std::any_of(open.begin(), open.end(),
                                  [](const auto& item) { return item.second.failed_records > 0; });
  Account* account = state.FindAccount(lane.account);
  if (account != nullptr && !others) OnSuccess(*account, Work::kRecord, lane.region, now);
}

void Leave(State& state, Entry& entry, Now now) {
  const Lane lane = entry.object.lane;
  EndFailedRecords(state, entry, now);
  state.LaneOf(lane).ledger.open.erase(entry.object.sequence);
}

void RecordLater(Entry& entry, Now now) {
  constexpr int kMostDoublings = 6;  // to about a minute
  entry.record_after =
      now.mono + seconds{1} * (1 << std::min(entry.failed_records, kMostDoublings));
  ++entry.failed_records;
}

bool WasAccepted(const BatchObject& o) {
  const bool refused = !o.error_code.empty() && o.error_code != kClosedByHand;
  return !o.request_id.empty() && !refused && o.phase != BatchPhase::kRejected;
}

bool IsLastCall(const BatchObject& o) {
  // A dry run that was accepted was executed.
  return o.charge.view() != kPrepaid && WasAccepted(o);
}

bool HasEffect(const BatchObject& o) {
  if (IsLastCall(o)) return true;
  const bool refused = o.phase == BatchPhase::kRejected || o.phase == BatchPhase::kAbandoned;
  return std::any_of(o.members.begin(), o.members.end(), [&](const BatchMember& m) {
    return m.result != BatchResult::kUntouched && !(refused && m.result == BatchResult::kNone);
  });
}

namespace {

constexpr int kSlow = 5;  // commits in vain: half a minute between two

Millis FutileWait(int futile) {
  return std::min<Millis>(kFirstFutile * (1 << std::min(futile, 10)), kLongestFutile);
}

}  // namespace

void CountFutile(Ledger& ledger, Now now) {
  ledger.commit_after = now.mono + FutileWait(ledger.futile);
  if (ledger.futile < 100) ++ledger.futile;
}

void SpaceFutile(Ledger& ledger, Now now) {
  if (ledger.futile < kSlow) return;
  ledger.commit_after = std::max(ledger.commit_after, now.mono + FutileWait(ledger.futile - 1));
}

/// Marks every member as called; `may_have_worked` when the answer does not exclude an effect.
void MarkCalled(Entry& entry, bool may_have_worked, Now now) {
  for (Target* t : entry.targets) {
    t->called = true;
    t->last_call_end = now.mono;
    t->by_us = t->by_us || may_have_worked;
    t->verify_until = now.mono + kVerifyDeadline;
    t->unchanged_since = Mono{};
    t->new_termination = false;
    ++t->attempts;
    t->request_id = CloudRequestId(entry.object.request_id);
  }
}

void CloseIfDone(State& state, Entry& entry, Now now) {
  if (!entry.targets.empty() || entry.stage != Stage::kCalled) return;
  entry.object.phase = BatchPhase::kVerified;
  entry.object.verified = now.wall;
  entry.stage = Stage::kClosed;
  entry.dirty = true;
  CountBatch(state, entry, "Verified");
}

void ReassessEntry(State& state, Entry& entry, Now now) {
  for (Target* t : std::vector<Target*>(entry.targets)) Reassess(state, *t, now);
  CloseIfDone(state, entry, now);
}

/// S4: until the settle time is over the call may still be on its way.
void Unsettle(Entry& entry, Mono last_acceptance) {
  const Mono settled = last_acceptance + kClockError + kMaxEffectLag;
  for (Target* t : entry.targets) t->settle_until = std::max(t->settle_until, settled);
}

}  // namespace retirement
