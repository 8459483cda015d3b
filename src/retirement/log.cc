#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/entries.h"
#include "retirement/judge.h"
#include "retirement/members.h"
#include "retirement/outcomes.h"
#include "retirement/sights.h"
#include "retirement/targets.h"
#include "retirement/trouble.h"

namespace retirement {
namespace {

/// An entry of somebody else names a target of ours: that one counts, ours is not called any more.
void TakeOut(State& state, Target& t, Now now) {
  LaneState& lane = state.LaneOf(t.batch_lane);
  Entry* entry = FindEntry(state, t.batch_lane, t.batch);
  if (entry == nullptr && lane.ledger.draft) entry = &*lane.ledger.draft;
  if (entry == nullptr) return;
  const bool sent = entry->sends > 0 || entry->stage == Stage::kCalling;
  RecordResult(*entry, t, sent ? BatchResult::kUnknown : BatchResult::kUntouched, now);
  if (sent) DoubtDryRun(state, *entry, now);
  std::erase(entry->targets, &t);
  entry->dirty = entry->stage != Stage::kDraft;
  CloseIfDone(state, *entry, now);
}

using SharedOrigin = std::shared_ptr<const Origin>;

SharedOrigin OriginOf(State& state, const BatchObject& o) {
  const Viewpoint* from = state.identities.At(o.lane.region, o.credential, o.endpoint);
  return std::make_shared<const Origin>(
      Origin{o.lane, o.sequence, o.step, from, CloudRequestId(o.request_id)});
}

/// What an entry says of its members.
History HistoryOf(SharedOrigin origin, const BatchObject& o, Now now) {
  return {.origin = std::move(origin),
          .sent = o.phase != BatchPhase::kAbandoned,
          .accepted = IsLastCall(o),
          .failed = WasAccepted(o),
          .by_hand = o.error_code == kClosedByHand,
          .learnt = now.mono};
}

/// The call was answered since its members needed it.
bool IsOutdated(const Entry& entry) {
  return !entry.origin || !(entry.origin->request_id == CloudRequestId(entry.object.request_id));
}

History HistoryOf(State& state, Entry& entry, Now now) {
  if (IsOutdated(entry)) entry.origin = OriginOf(state, entry.object);
  return HistoryOf(entry.origin, entry.object, now);
}

/// S8a: what put it into the bin stays so through whatever became of its second call.
SharedOrigin BinnedBy(const History& past, const History& said) {
  if (said.result == BatchResult::kRecycled) return said.origin;
  return said.origin->step == Step::kSecond ? past.binned_by : nullptr;
}

/// Of the same lane.
bool IsLater(const History& a, const History& b) {
  return a.origin && a.origin->lane == b.origin->lane && a.origin->sequence > b.origin->sequence;
}

/// A status that tells of this entry, which was not known when the status was read, tells of no
/// orphan; be it that its request is not let in any more.
void FindOrphan(Target& t, const Lane& lane, uint64_t sequence) {
  const bool is_it = t.orphan && t.orphan->lane == lane && t.orphan->sequence == sequence;
  const bool told = std::any_of(t.claims.begin(), t.claims.end(), [&](const Claim& claim) {
    const Request& r = *claim.request;
    return r.lane() == lane && r.members[claim.member].batch == sequence;
  });
  if (is_it || told) t.orphan.reset();
}

/// S5: a call that named the instance ended some time before now; so did what it showed then.
void LearnResult(State& state, const BatchMember& m, History said) {
  History& past = state.history[m.id];
  // S8a: nobody saw what came of it; a person who has ended it knows better.
  if (said.failed && !said.by_hand && m.result == BatchResult::kUnknown) said.accepted = true;
  // Whatever came later, a call that was accepted once is not repeated.
  said.accepted = past.accepted = past.accepted || said.accepted;
  said.failed = past.failed = past.failed || (said.failed && m.result == BatchResult::kUntouched);
  const auto found = state.targets.find(m.id);
  if (found != state.targets.end()) {
    Target& t = found->second;
    t.accepted = t.accepted || said.accepted;
    t.failed = t.failed || said.failed;
    FindOrphan(t, said.origin->lane, said.origin->sequence);
  }
  // What was never sent tells nothing, and hides nothing that was.
  if (past.sent && !said.sent) return;
  if (IsLater(past, said) && past.sent == said.sent) return;
  said.result = m.result;
  said.binned_by = BinnedBy(past, said);
  past = said;
  if (found == state.targets.end()) return;
  Target& t = found->second;
  t.binned_by = said.binned_by;
  Know(state, t, said.origin->from);
  if (m.result == BatchResult::kRetired) {
    t.retired_before = true;
    t.retired_learnt = said.learnt;
  }
  if (!said.sent) return;
  t.called = true;
  t.last_call_end = said.learnt;
}

/// Who committed the later entry of the same lane knew how the earlier one ended.
bool IsInLater(const Target& t, const BatchObject& o) {
  return t.place == Place::kBatch && t.batch_lane == o.lane && t.batch > o.sequence;
}

/// The entry of somebody else, or of an earlier process of ours: it may have been sent.
void Attach(State& state, LaneState& lane, const BatchObject& object, Now now) {
  Entry entry;
  entry.object = object;
  entry.stage = Stage::kCalled;
  entry.committed_at = now.mono;
  entry.sends = 1;
  entry.epoch = state.stream_epochs[{Kind::kBatch, ""}];
  Entry& placed = lane.ledger.open[object.sequence] = std::move(entry);
  const History past = HistoryOf(state, placed, now);
  for (BatchMember& m : placed.object.members) {
    if (m.result != BatchResult::kNone) {
      LearnResult(state, m, past);
      continue;
    }
    Target& t = TargetOf(state, m.id);
    if (IsInLater(t, placed.object)) {
      m.result = BatchResult::kUnknown;
      m.time = now.wall;
      placed.dirty = true;
      continue;
    }
    t.place == Place::kBatch ? TakeOut(state, t, now) : LeavePlace(state, t);
    CancelLook(t);
    FindOrphan(t, lane.lane, object.sequence);
    t.place = Place::kBatch;
    t.batch_lane = lane.lane;
    t.batch = object.sequence;
    Know(state, t, past.origin->from);
    t.owner = nullptr;
    for (const Claim& claim : t.claims) {
      if (claim.request->uid == m.uid) t.owner = claim.request;
    }
    t.request_id = CloudRequestId(object.request_id);
    placed.targets.push_back(&t);
  }
  const uint16_t before = 1;
  for (Target* t : placed.targets) {
    t->called = true;
    t->by_us = true;
    t->last_call_end = now.mono;
    t->verify_until = now.mono + kVerifyDeadline;
    t->attempts = std::max(t->attempts, before);
    t->new_termination = false;
    t->packed.reset();
    if (object.phase == BatchPhase::kAccepted) t->accepted = true;
  }
  if (object.phase != BatchPhase::kAccepted) {
    Unsettle(placed, now.mono + object.call_validity);
    for (Target* t : placed.targets) {
      if (!IsBlocked(*t)) {
        ShowInBatch(state, *t, {MemberState::kVerifying, Reason::kAmbiguous}, now);
      }
    }
  }
  ReassessEntry(state, placed, now);
}

bool HasResult(const BatchObject& o, BatchResult result) {
  return std::any_of(o.members.begin(), o.members.end(),
                     [result](const BatchMember& m) { return m.result == result; });
}

/// S10: who sends another one must know that the service executes what says DryRun=true, also when
/// whoever saw that did not live to tell it on the account, or that nobody saw what one did. Who
/// has called since then was told, and allowed to.
void LearnDryRun(State& state, const BatchObject& o, Wall end, Now now) {
  Account& account = state.accounts[o.lane.account];
  if (o.answered) account.last_answer = std::max(account.last_answer, *o.answered);
  if (o.dry_run && (HasResult(o, BatchResult::kRetired) || HasResult(o, BatchResult::kRecycled))) {
    account.executed_end = std::max(account.executed_end, end);
  }
  if (o.dry_run && HasResult(o, BatchResult::kUnknown)) {
    account.doubted_end = std::max(account.doubted_end, end);
  }
  if (state.restored) JudgeDryRuns(state, account, now);
}

/// Two may have written its end; what either of them saw counts.
void KeepClosed(State& state, const BatchObject& o, Now now) {
  Closed& closed = state.LaneOf(o.lane).ledger.closed[o.sequence];
  closed.end = o.verified.value_or(o.answered.value_or(now.wall));
  closed.effect = closed.effect || HasEffect(o);
  closed.accepted = closed.accepted || WasAccepted(o);
  closed.learnt = now.mono;
  closed.epoch = state.stream_epochs[{Kind::kBatch, ""}];
  closed.asked = Mono{};
}

void LearnClosed(State& state, const BatchObject& o, Now now) {
  KeepClosed(state, o, now);
  const History past = HistoryOf(OriginOf(state, o), o, now);
  for (const BatchMember& m : o.members) LearnResult(state, m, past);
  LearnDryRun(state, o, o.verified.value_or(o.answered.value_or(now.wall)), now);
}

/// The echo of our own record, or somebody else's that says the same.
bool IsAsRecorded(const Entry& entry, const BatchObject& o) {
  if (entry.stage != Stage::kClosed || !entry.recording || entry.object.phase != o.phase ||
      WasAccepted(entry.object) != WasAccepted(o)) {
    return false;
  }
  return std::equal(o.members.begin(), o.members.end(), entry.object.members.begin(),
                    entry.object.members.end(), [](const BatchMember& a, const BatchMember& b) {
                      return a.id == b.id && a.result == b.result;
                    });
}

/// S3: an end that is in the log is not taken back, whatever we know of the entry ourselves.
void OnEndSeen(State& state, Entry& entry, const BatchObject& o, Now now) {
  entry.ended = true;
  if (IsAsRecorded(entry, o)) return;
  const bool knows_more = WasAccepted(entry.object) && !WasAccepted(o);
  if (knows_more && entry.object.holder == state.config.holder) {
    return AddAcceptance(state, entry, o, now);
  }
  LearnClosed(state, o, now);
  ReleaseAll(state, entry, now);
  if (entry.stage != Stage::kCalling) return Leave(state, entry, now);
  entry.object = o;  // the answer is still to come
  entry.dirty = false;
}

/// S5: its writer got its answer after we had read it, be it that we have ended it meanwhile.
void LearnAnswer(State& state, Entry& entry, const BatchObject& o, Now now) {
  const bool over = entry.stage == Stage::kCalled || entry.stage == Stage::kClosed;
  if (!over || !WasAccepted(o) || WasAccepted(entry.object)) return;
  entry.object.request_id = o.request_id;
  entry.object.answered = o.answered;
  if (entry.stage == Stage::kClosed) return AddAcceptance(state, entry, entry.object, now);
  entry.object.phase = o.phase;
  for (Target* t : entry.targets) t->request_id = CloudRequestId(o.request_id);
  LearnAcceptance(state, entry, now);
}

}  // namespace

void AddAcceptance(State& state, Entry& entry, BatchObject end, Now now) {
  end.request_id = entry.object.request_id;
  end.answered = entry.object.answered;
  if (end.error_code != kClosedByHand) {
    end.error_code.clear();
    end.error_message.clear();
  }
  entry.object = std::move(end);
  entry.stage = Stage::kClosed;
  entry.ended = false;
  entry.dirty = true;
  // S8a: who saw it untouched did not know that it had been accepted.
  for (BatchMember& m : entry.object.members) {
    if (m.result == BatchResult::kUntouched) m.result = BatchResult::kUnknown;
  }
  LearnClosed(state, entry.object, now);
  ReleaseAll(state, entry, now);
}

void LearnAcceptance(State& state, Entry& entry, Now now) {
  const History past = HistoryOf(state, entry, now);
  for (const BatchMember& m : entry.object.members) {
    TargetOf(state, m.id).accepted = true;
    if (m.result != BatchResult::kNone) LearnResult(state, m, past);
  }
}

void JudgeDryRuns(State& state, Account& a, Now now) {
  if (!a.exists || !a.object.spec.server_side_dry_run) return;
  const auto counts = [&](Wall end) { return end != Wall{} && a.last_answer <= end + minutes{1}; };
  a.dry_run_executed = a.dry_run_executed || counts(a.executed_end);
  a.dry_run_doubted = a.dry_run_doubted || counts(a.doubted_end);
  a.executed_end = a.doubted_end = Wall{};
  UpdateReady(state, a, now);
  TouchAccount(a, now);
}

void EndByHand(State& state, Entry& entry, Now now) {
  DoubtDryRun(state, entry, now);
  entry.object.error_code = kClosedByHand;
  entry.object.error_message = entry.object.close;
  const History past = HistoryOf(state, entry, now);
  for (Target* t : entry.targets) {
    RecordResult(entry, *t, BatchResult::kUnknown, now);
    LearnResult(state, {t->id, {}, {}, BatchResult::kUnknown, {}}, past);
    if (entry.object.charge.view() == kPrepaid) t->accepted = false;  // a person knows better
  }
  entry.object.verified = now.wall;
  CloseUnchanged(state, entry, BatchPhase::kVerified, now);
}

bool IsMemberOf(const State& state, const Target& t, const Request& r) {
  const auto lane = state.lanes.find(t.batch_lane);
  if (lane == state.lanes.end()) return false;
  const auto entry = lane->second.ledger.open.find(t.batch);
  if (entry == lane->second.ledger.open.end()) return false;
  for (const BatchMember& m : entry->second.object.members) {
    if (m.id == t.id) return m.uid == r.uid;
  }
  return false;
}

namespace {

constexpr const char* kNotInTheLog =
    "its RetirementBatch was deleted by hand; nothing is called before it is written again";

/// S5: a status that moves on must not be all that is left of a call.
bool MayBeCalledAfter(const Finish& finish) {
  return finish.result != BatchResult::kNone && finish.result != BatchResult::kRetired;
}

}  // namespace

std::optional<Mono> ReassessCalled(State& state, Target& t, Now now) {
  Entry* entry = FindEntry(state, t.batch_lane, t.batch);
  if (entry == nullptr || entry->stage != Stage::kCalled) return std::nullopt;
  // S8a: also what another entry of it was accepted for, before it has shown an end.
  const bool accepted = t.accepted && entry->object.step == Step::kFirst;
  const Called called{entry->object.step, accepted ? BatchPhase::kAccepted : entry->object.phase,
                      CloudRequestId(entry->object.request_id)};
  const Verdict verdict = JudgeCalled(t, WantedOf(state, t), called, now);
  if (const auto* look = std::get_if<LookAt>(&verdict)) {
    if (!IsBlocked(t))
      ShowInBatch(state, t, {MemberState::kVerifying, look->reason, look->message}, now);
    return look->when;
  }
  const auto& finish = std::get<Finish>(verdict);
  if (entry->unwritten && MayBeCalledAfter(finish)) {
    ShowInBatch(state, t, {MemberState::kVerifying, Reason::kAwaitingBatch, kNotInTheLog}, now);
    return now.mono + kBlockedLook;
  }
  if (finish.state != MemberState::kWaiting) Conclude(state, t, finish, now);
  if (finish.reason == Reason::kVerifyDeadlineExceeded && !std::exchange(entry->overdue, true)) {
    state.Do(Announce{Announce::About::kBatch,
                      {"", BatchName(entry->object.lane, entry->object.sequence)},
                      "",
                      true,
                      "BatchOverdue",
                      t.id.ToString() + ": " + finish.message});
  }
  // Only an observation closes an entry, no deadline does.
  if (finish.result == BatchResult::kNone) return now.mono + kBlockedLook;
  RecordResult(*entry, t, finish.result, now);
  Account* account = state.FindAccount(entry->object.lane.account);
  // Also when its operation failed later.
  const bool shown = finish.result != BatchResult::kUntouched || t.new_termination;
  const bool executed = entry->object.dry_run && shown;
  if (executed && account != nullptr && !account->dry_run_executed) {
    OnDryRunExecuted(state, *account, *entry, now);
  }
  const bool called_here = entry->object.holder == state.config.holder;
  if (account != nullptr && called_here && finish.result != BatchResult::kUntouched) {
    OnCallWorked(state, *account, state.LaneOf(entry->object.lane), entry->sent_at, now);
  }
  History said = HistoryOf(state, *entry, now);
  said.result = finish.result;
  said.sent = true;
  t.packed.reset();
  if (finish.result == BatchResult::kUntouched && IsPrepaid(t)) {
    t.failed = said.failed = t.failed || t.accepted;
    t.accepted = false;
  }
  if (finish.result == BatchResult::kRetired) {
    t.retired_before = true;
    t.retired_learnt = now.mono;
  }
  History& past = state.history[t.id];
  t.binned_by = said.binned_by = BinnedBy(past, said);
  past = std::move(said);
  CancelLook(t);
  std::erase(entry->targets, &t);
  Release(t);
  CloseIfDone(state, *entry, now);
  PruneClaims(state, t, now);
  Reassess(state, t, now);
  return std::nullopt;
}

void OnBatchSeen(State& state, const BatchSeen& event, Now now) {
  const BatchObject& o = event.object;
  LaneState& lane = state.LaneOf(o.lane);
  if (o.sequence <= kLastSequence) {
    lane.ledger.highest = std::max(lane.ledger.highest, o.sequence);
  }
  Entry* entry = FindEntry(state, o.lane, o.sequence);
  const uint64_t epoch = state.stream_epochs[{Kind::kBatch, ""}];
  if (lane.ledger.reading == o.sequence) lane.ledger.reading = 0;
  if (entry != nullptr) {
    entry->epoch = epoch;
    if (IsClosed(o.phase)) return OnEndSeen(state, *entry, o, now);
    const bool older = VersionNumber(o.version) < VersionNumber(entry->object.version);
    if (older && !event.live) return;
    entry->object.close = o.close;
    LearnAnswer(state, *entry, o, now);
    TakeVersion(*entry, o.version, event.live);
    return;
  }
  auto& draft = lane.ledger.draft;
  const bool ours = draft && draft->object.sequence == o.sequence &&
                    o.holder == state.config.holder && draft->stage == Stage::kCommitting &&
                    !IsClosed(o.phase);
  if (const auto closed = lane.ledger.closed.find(o.sequence); closed != lane.ledger.closed.end()) {
    closed->second.epoch = epoch;
    if (!IsClosed(o.phase)) return;
    closed->second.effect = closed->second.effect || HasEffect(o);
    // S5: its writer has added the acceptance that he was told late.
    if (WasAccepted(o) && !closed->second.accepted) LearnClosed(state, o, now);
    return;
  }
  if (ours) {
    draft->shown = true;
    draft->epoch = epoch;
    draft->object.close = o.close;
    TakeVersion(*draft, o.version, false);
    return;
  }
  if (IsClosed(o.phase)) return LearnClosed(state, o, now);
  Attach(state, lane, o, now);
}

void OnBatchGone(State& state, const BatchGone& event, Now now) {
  LaneState& lane = state.LaneOf(event.lane);
  const bool had_ended = lane.ledger.closed.erase(event.sequence) > 0;
  if (lane.ledger.reading == event.sequence) lane.ledger.reading = 0;
  auto& draft = lane.ledger.draft;
  // S3: its deletion is seen before its creation is answered.
  if (draft && draft->object.sequence == event.sequence) {
    draft->deleted = draft->deleted || draft->shown || had_ended;
  }
  Entry* entry = FindEntry(state, event.lane, event.sequence);
  if (entry == nullptr) return;
  // S5: the record of an accepted call is written again with its end, which the log has not told.
  const bool weightless = entry->stage == Stage::kClosed && !WasAccepted(entry->object);
  entry->deleted = entry->ended || weightless;
  const bool theirs = !IsOurs(state, event.lane) && !entry->recording;
  // Of a call that is under way the answer still counts.
  const bool over = entry->stage == Stage::kCalled || entry->stage == Stage::kClosed;
  if (theirs && over) {
    for (Target* t : entry->targets) {
      if (!entry->deleted) MakeOrphan(*t, {event.lane, event.sequence}, now);
    }
    ReleaseAll(state, *entry, now);
    return Leave(state, *entry, now);
  }
  if (entry->deleted) return;
  if (!entry->object.version.empty()) {
    state.Do(Announce{Announce::About::kBatch,
                      {"", BatchName(event.lane, event.sequence)},
                      "",
                      true,
                      "BatchDeleted",
                      "an open entry of the log was deleted; it is written again"});
    entry->record_after = now.mono;
  }
  entry->object.version.clear();
  entry->dirty = entry->unwritten = true;
}

void RestoreMissing(State& state, uint64_t epoch, std::string_view version, Now now) {
  for (auto& [key, lane] : state.lanes) {
    std::erase_if(lane.ledger.closed,
                  [epoch](const auto& item) { return item.second.epoch < epoch; });
    std::vector<uint64_t> gone;
    for (const auto& [sequence, entry] : lane.ledger.open) {
      // What is newer than the list was made while the list was under way.
      const bool newer = VersionNumber(entry.object.version) > VersionNumber(version);
      if (entry.epoch < epoch && !newer) gone.push_back(sequence);
    }
    const auto& draft = lane.ledger.draft;
    if (draft && draft->shown && draft->epoch < epoch &&
        VersionNumber(draft->object.version) <= VersionNumber(version)) {
      gone.push_back(draft->object.sequence);
    }
    for (const uint64_t sequence : gone) OnBatchGone(state, {key, sequence}, now);
  }
}

namespace {

void OnNotRecorded(State& state, Entry& entry, const Recorded& event, Now now) {
  // S3: the log has an end of it, which is not written over.
  entry.dirty = !(entry.ended && IsClosed(entry.object.phase));
  if (!entry.dirty) return;
  RecordLater(entry, now);
  entry.record_after = std::max(entry.record_after, now.mono + event.retry_after);
  Account* account = state.FindAccount(event.lane.account);
  if (account != nullptr && !event.conflict && !event.missing) {
    OnFailure(*account, Work::kRecord, event.lane.region,
              {"LogNotWritable", "the status of a RetirementBatch is not written", kToldRecords},
              now);
  }
  // What the watch has to tell it may have told already.
  if (event.conflict && entry.failed_records > 1) state.Do(ReadBatch{event.lane, event.sequence});
  if (!event.missing) return;
  const bool lost = entry.stage != Stage::kClosed || WasAccepted(entry.object);
  if (lost) return OnBatchGone(state, {event.lane, event.sequence}, now);
  entry.dirty = false;
  entry.deleted = true;
}

void OnWritten(State& state, Entry& entry, const Recorded& event, Now now) {
  EndFailedRecords(state, entry, now);
  TakeVersion(entry, event.version, false);
  state.view.OnOwnWrite({Kind::kBatch, ""}, event.version, event.sent);
  // What was under way when it was deleted says nothing of what came after.
  if (entry.dirty || !std::exchange(entry.unwritten, false)) return;
  ReassessEntry(state, entry, now);
}

}  // namespace

void OnRecorded(State& state, const Recorded& event, Now now) {
  Entry* entry = FindEntry(state, event.lane, event.sequence);
  if (entry == nullptr) return;
  entry->recording = false;
  event.written ? OnWritten(state, *entry, event, now) : OnNotRecorded(state, *entry, event, now);
  entry = FindEntry(state, event.lane, event.sequence);
  if (entry == nullptr || entry->stage != Stage::kClosed || entry->dirty) return;
  if (!entry->deleted) KeepClosed(state, entry->object, now);
  if (entry->deleted) state.LaneOf(event.lane).ledger.closed.erase(event.sequence);
  Leave(state, *entry, now);
}

}  // namespace retirement
