#include "retirement/batches.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/judge.h"
#include "retirement/members.h"
#include "retirement/registry.h"
#include "retirement/search.h"
#include "retirement/targets.h"

namespace retirement {
namespace {

constexpr size_t kUncalledAhead = 2;  // batches committed or being committed, not called yet
constexpr Millis kCommitRetry = seconds{5};
constexpr Millis kRetentionInterval = minutes{1};
constexpr int kServerFaultsBeforeSplit = 2;

Entry* FindEntry(State& state, const Lane& lane, uint64_t sequence) {
  const auto found_lane = state.lanes.find(lane);
  if (found_lane == state.lanes.end()) return nullptr;
  auto& open = found_lane->second.ledger.open;
  const auto found = open.find(sequence);
  return found == open.end() ? nullptr : &found->second;
}

BatchMember* MemberOf(Entry& entry, InstanceId id) {
  for (BatchMember& m : entry.object.members) {
    if (m.id == id) return &m;
  }
  return nullptr;
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
  for (Target* t : targets) Release(*t);
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
  CloseUnchanged(state, entry, entry.sends == 0 ? BatchPhase::kAbandoned : BatchPhase::kRejected,
                 now);
}

// --- packing and confirming ---

BatchObject MakeBatch(const LaneState& lane, const Account& account, const Packer::Cut& cut,
                      const Config& config) {
  BatchObject b;
  b.lane = lane.lane;
  b.charge = ChargeType(cut.key.charge);
  b.step = cut.key.step;
  b.release_address = cut.key.release_address;
  b.release_disks = cut.key.release_disks;
  b.call_validity = account.object.spec.call_validity;
  b.endpoint = account.object.spec.endpoint;
  b.credential = account.credential;
  b.holder = config.holder;
  return b;
}

/// S9: a target whose sight will not do until the call goes back to be looked at.
bool IsFreshEnough(const Target& t, Now now) {
  return FreshUntil(t) > now.mono + kCommitAhead + kFenceMargin;
}

void Draft(State& state, LaneState& lane, Account& account, Packer::Cut cut, Now now) {
  Entry entry;
  entry.object = MakeBatch(lane, account, cut, state.config);
  entry.group = cut.key.group;
  entry.fresh_until = base::kNever;
  std::sort(cut.targets.begin(), cut.targets.end(),
            [](const Target* a, const Target* b) { return a->id < b->id; });
  std::vector<InstanceId> stale;
  for (Target* t : cut.targets) {
    t->place = Place::kIdle;
    if (t->owner == nullptr || !IsFreshEnough(*t, now)) {
      stale.push_back(t->id);
      continue;
    }
    t->place = Place::kBatch;
    t->batch = 0;
    entry.fresh_until = std::min(entry.fresh_until, FreshUntil(*t));
    entry.targets.push_back(t);
    entry.object.members.push_back({t->id, t->owner->key, t->owner->uid, BatchResult::kNone, {}});
  }
  if (!entry.targets.empty()) lane.ledger.draft = std::move(entry);
  ReassessIds(state, stale, now);
}

/// Also that no entry of somebody else has taken a member away.
bool AllWanted(const State& state, const Entry& entry) {
  if (entry.targets.size() != entry.object.members.size()) return false;
  for (size_t i = 0; i < entry.targets.size(); ++i) {
    const BatchMember& member = entry.object.members[i];
    if (!StillWanted(state, *entry.targets[i], entry.object, member)) return false;
  }
  return true;
}

/// S12: until when the view, or the live read that stands in for it, justifies a call.
Mono ViewUntil(const State& state, const Account& account, const Entry& entry) {
  const Mono requests = std::max(state.view.ProvenAt(Kind::kRequest), entry.confirmed_at);
  const Mono accounts = std::max(state.view.ProvenAt(Kind::kAccount), account.confirmed_at);
  return std::min(requests, accounts) + kMaxViewAge;
}

/// When the view is too old, what the batch relies on is read live. True when it may go on now.
bool ConfirmView(State& state, Account& account, Entry& entry, Now now) {
  if (ViewUntil(state, account, entry) > now.mono + kFenceMargin) return true;
  Confirm confirm{state.next_token++, {}, ""};
  std::set<RequestKey> keys;
  // Everybody who names a member counts: a hold or a milder wish of another request, too.
  for (const Target* t : entry.targets) {
    for (const Claim& claim : t->claims) keys.insert(claim.request->key);
  }
  confirm.requests.assign(keys.begin(), keys.end());
  const Mono account_view = std::max(state.view.ProvenAt(Kind::kAccount), account.confirmed_at);
  if (account_view + kMaxViewAge <= now.mono + kFenceMargin) {
    confirm.account = account.object.name;
  }
  entry.confirm_token = confirm.token;
  entry.stage = Stage::kConfirming;
  state.Do(std::move(confirm));
  return false;
}

// --- committing and calling ---

void CommitDraft(State& state, LaneState& lane, Account& account, Now now) {
  Entry& draft = *lane.ledger.draft;
  const auto service_now = account.clock.At(now.mono);
  if (!service_now) return;
  draft.object.sequence = lane.ledger.highest + 1;
  // What the fence was widened by belongs to the entry: everybody who settles it must know.
  draft.object.call_validity =
      std::min<Millis>(account.object.spec.call_validity + account.fence_widened, kSignatureAge);
  draft.object.signed_at = *service_now - (kSignatureAge - draft.object.call_validity);
  draft.committed_at = now.mono;
  draft.stage = Stage::kCommitting;
  state.Do(Commit{draft.object});
}

void DropDraft(State& state, LaneState& lane, Now now) {
  Entry draft = *std::move(lane.ledger.draft);
  lane.ledger.draft.reset();
  ReleaseAll(state, draft, now);
}

/// engine.md, corrections 3: the earliest of all that ends our right to send.
Mono SendBefore(const State& state, const Account& account, const Entry& entry, Now now) {
  Mono until = std::min(state.lead_until, ViewUntil(state, account, entry));
  until = std::min(until, entry.fresh_until);
  until = std::min(until, entry.committed_at + entry.object.call_validity);
  for (const Target* t : entry.targets) {
    if (t->owner == nullptr || !t->owner->spec.expires_at) continue;
    until = std::min(until, now.mono + (*t->owner->spec.expires_at - now.wall));
  }
  return until - kFenceMargin;
}

void Send(State& state, Account& account, Entry& entry, Mono send_before) {
  Call call{entry.object.lane,
            entry.object.sequence,
            OptionsOf(account),
            {},
            entry.object.release_address,
            entry.object.release_disks,
            entry.object.credential,
            entry.object.signed_at,
            entry.committed_at,
            send_before};
  for (const BatchMember& m : entry.object.members) call.ids.push_back(m.id);
  account.calls_breaker.OnSend();
  entry.stage = Stage::kCalling;
  ++entry.sends;
  state.Do(Tally{Tally::What::kBatchSize, entry.object.lane, "", double(call.ids.size())});
  state.Do(std::move(call));
}

/// Asks everything anew right before the call; what no longer holds is abandoned and packed anew.
void DriveReady(State& state, Account& account, Entry& entry, Now now) {
  const Mono until = SendBefore(state, account, entry, now);
  const bool may_renew = ViewUntil(state, account, entry) <= now.mono + kFenceMargin;
  const bool credentials = entry.object.credential == account.credential;
  if (!AllWanted(state, entry) || !credentials || account.suspect || state.stopping) {
    return Abandon(state, entry, now);
  }
  if (until <= now.mono && !(may_renew && entry.fresh_until > now.mono + kFenceMargin &&
                             now.mono < entry.committed_at + entry.object.call_validity)) {
    return Abandon(state, entry, now);
  }
  if (now.mono < entry.call_after || CallsAllowedAt(account, now) > now.mono) return;
  if (!ConfirmView(state, account, entry, now) || until <= now.mono) return;
  if (!account.terminate.TryTake(now.mono)) return;
  Send(state, account, entry, until);
}

void DriveDraft(State& state, LaneState& lane, Account& account, Now now) {
  Entry& draft = *lane.ledger.draft;
  if (draft.stage != Stage::kDraft) return;
  if (state.stopping || !AllWanted(state, draft) || account.suspect ||
      draft.object.credential != account.credential ||
      draft.fresh_until <= now.mono + kFenceMargin) {
    return DropDraft(state, lane, now);
  }
  if (now.mono < lane.ledger.commit_after || lane.ledger.reading != 0) return;
  if (!ConfirmView(state, account, draft, now)) return;
  CommitDraft(state, lane, account, now);
}

/// Lanes of one account share its rate, and so how far ahead is committed.
size_t UncalledOf(const State& state, const Account& account) {
  size_t count = 0;
  for (const std::string& region : account.lanes) {
    const auto lane = state.lanes.find({account.object.name, region});
    if (lane != state.lanes.end()) count += lane->second.ledger.Uncalled();
  }
  return count;
}

bool MayPack(const State& state, const LaneState& lane, const Account& account, Now now) {
  if (state.stopping || account.suspect || lane.ledger.draft) return false;
  if (lane.ledger.reading != 0) return false;
  if (UncalledOf(state, account) >= kUncalledAhead || now.mono < lane.ledger.commit_after)
    return false;
  return CallsAllowedAt(account, now) <= now.mono + kCommitAhead;
}

void RecordDirty(State& state, LaneState& lane, Now now) {
  for (auto& [sequence, entry] : lane.ledger.open) {
    if (!entry.dirty || entry.recording || now.mono < entry.record_after) continue;
    entry.dirty = false;
    entry.recording = true;
    state.Do(Record{entry.object});
  }
}

void DriveLane(State& state, LaneState& lane, Account& account, Now now) {
  for (auto& [sequence, entry] : lane.ledger.open) {
    if (entry.stage == Stage::kReady) DriveReady(state, account, entry, now);
  }
  while (MayPack(state, lane, account, now)) {
    auto cut = lane.packer.Take(state.config.window, now.mono);
    if (!cut) break;
    KeepCredentialsFresh(state, account, now);
    Draft(state, lane, account, *std::move(cut), now);
  }
  if (lane.ledger.draft) DriveDraft(state, lane, account, now);
}

/// Closed entries are kept for the retention, the newest of a lane for ever.
void DeleteOld(State& state, Now now) {
  if (now.mono < state.retention_check) return;
  state.retention_check = now.mono + kRetentionInterval;
  for (auto& [key, lane] : state.lanes) {
    for (auto it = lane.ledger.closed.begin(); it != lane.ledger.closed.end();) {
      const bool old = now.wall - it->second > state.config.batch_retention;
      if (!old || it->first == lane.ledger.highest) {
        ++it;
        continue;
      }
      state.Do(DeleteBatch{lane.lane, it->first});
      it = lane.ledger.closed.erase(it);
    }
  }
}

// --- after the call ---

/// Marks every member as called; `may_have_worked` when the answer does not exclude an effect.
void MarkCalled(Entry& entry, bool may_have_worked, Now now) {
  for (Target* t : entry.targets) {
    t->called = true;
    t->last_call_end = now.mono;
    t->by_us = t->by_us || may_have_worked;
    t->verify_until = now.mono + kVerifyDeadline;
    ++t->attempts;
    t->request_id = CloudRequestId(entry.object.request_id);
  }
}

void ReassessEntry(State& state, Entry& entry, Now now) {
  for (Target* t : std::vector<Target*>(entry.targets)) Reassess(state, *t, now);
}

void OnAccepted(State& state, Entry& entry, Now now) {
  entry.object.phase = BatchPhase::kAccepted;
  entry.stage = Stage::kCalled;
  entry.dirty = true;
  MarkCalled(entry, true, now);
  CountBatch(state, entry, "Accepted");
  for (Target* t : entry.targets) {
    t->accepted = true;
    t->retries = 0;
    t->group = 0;
    t->server_faults = 0;
    ShowInBatch(state, *t, MemberState::kVerifying, Reason::kNone, now);
  }
  ReassessEntry(state, entry, now);
}

/// S4: until the settle time is over the call may still be on its way.
void Unsettle(Entry& entry, Mono last_acceptance) {
  const Mono settled = last_acceptance + kClockError + kMaxEffectLag;
  for (Target* t : entry.targets) t->settle_until = std::max(t->settle_until, settled);
}

void OnUnclear(State& state, Entry& entry, const Answered& event, Now now) {
  entry.object.phase = BatchPhase::kAmbiguous;
  entry.object.error_message = event.refusal.message;
  entry.stage = Stage::kCalled;
  entry.dirty = true;
  MarkCalled(entry, true, now);
  Unsettle(entry, entry.committed_at + entry.object.call_validity);
  CountBatch(state, entry, "Ambiguous");
  state.Do(Tally{Tally::What::kAmbiguous, entry.object.lane, "", 1});
  for (Target* t : entry.targets) {
    ShowInBatch(state, *t, MemberState::kVerifying, Reason::kAmbiguous, now);
  }
  ReassessEntry(state, entry, now);
}

void Postpone(Target& t, Reason reason, Now now) {
  const Millis delay =
      std::min<Millis>(kFirstRetry * (1 << std::min<int>(t.retries, 5)), kLongestRetry);
  t.not_before = now.mono + delay;
  t.wait_reason = reason;
  if (t.retries < 100) ++t.retries;
}

Finish FinishOf(const Refusal& refusal) {
  Finish f;
  f.state = refusal.fault == Fault::kBlocked || refusal.fault == Fault::kUnauthorized
                ? MemberState::kBlocked
                : MemberState::kFailed;
  f.reason = refusal.reason;
  f.message = refusal.code + ": " + refusal.message;
  return f;
}

bool IsAboutOneInstance(Fault fault) {
  return fault == Fault::kBlocked || fault == Fault::kFinal || fault == Fault::kSplit ||
         fault == Fault::kUnauthorized;
}

/// Groups of a refused batch are called apart from each other from now on.
void Regroup(State& state, const std::vector<Target*>& targets, const Refusal& refusal) {
  for (const auto& group : Divide(targets, refusal.hinted)) {
    const uint32_t number = state.next_group++;
    for (Target* t : group) t->group = number;
  }
}

/// E1: a single member is decided; of several one is sought. Faults of the service are repeated
/// a few times first; busy ones wait.
void Sort(State& state, const std::vector<Target*>& targets, const Refusal& refusal, Now now) {
  if (refusal.fault == Fault::kServer) {
    for (Target* t : targets) {
      ++t->server_faults;
      Postpone(*t, Reason::kNone, now);
    }
    if (targets.front()->server_faults <= kServerFaultsBeforeSplit) return;
  }
  if (targets.size() > 1) return Regroup(state, targets, refusal);
  if (refusal.fault == Fault::kBusy || refusal.fault == Fault::kObserve) {
    Postpone(*targets.front(), refusal.reason, now);
  }
}

/// Whole-account refusals, and denials that name no instance: the breaker holds everything.
bool ConcernsAccount(const Refusal& refusal, size_t members) {
  return refusal.fault == Fault::kAccount ||
         (refusal.fault == Fault::kUnauthorized && members > 1 && refusal.hinted.empty());
}

void OnRejected(State& state, Account& account, Entry& entry, const Answered& event, Now now) {
  const Refusal& refusal = event.refusal;
  entry.object.error_code = refusal.code;
  entry.object.error_message = refusal.message;
  MarkCalled(entry, false, now);
  const std::vector<Target*> targets = entry.targets;
  entry.targets.clear();
  for (Target* t : targets) Release(*t);
  entry.object.phase = BatchPhase::kRejected;
  entry.stage = Stage::kClosed;
  entry.dirty = true;
  CountBatch(state, entry, "Rejected");
  if (ConcernsAccount(refusal, targets.size())) {
    OnCallRefused(state, account, refusal, now);
  } else {
    Sort(state, targets, refusal, now);
  }
  if (targets.size() == 1 && IsAboutOneInstance(refusal.fault)) {
    PruneClaims(state, *targets.front(), now);
    return Conclude(state, *targets.front(), FinishOf(refusal), now);
  }
  ReassessIds(state, IdsOf(targets), now);
}

/// Nothing was looked at: the same entry may be sent again while its signature lasts.
void OnRefusedUnseen(State& state, Account& account, Entry& entry, const Answered& event, Now now) {
  const Refusal& refusal = event.refusal;
  entry.stage = Stage::kReady;
  entry.object.error_code = refusal.code;
  entry.object.error_message = refusal.message;
  if (refusal.fault == Fault::kExpired && event.fence_was_fresh) {
    account.fence_widened = std::min<Millis>(account.fence_widened + seconds{30}, kSignatureAge);
    TouchAccount(state, account, now);
    return Abandon(state, entry, now);
  }
  if (refusal.fault == Fault::kExpired) return Abandon(state, entry, now);
  OnCallRefused(state, account, refusal, now);
  if (refusal.fault == Fault::kCredentials) return Abandon(state, entry, now);
  DriveReady(state, account, entry, now);
}

void OnNotSent(State& state, Account& account, Entry& entry, const Answered& event, Now now) {
  entry.stage = Stage::kReady;
  --entry.sends;
  entry.call_after = now.mono + seconds{1};
  entry.object.error_message = event.refusal.message;
  DriveReady(state, account, entry, now);
}

// --- the log ---

void RecordResult(Entry& entry, Target& t, BatchResult result, Now now) {
  if (BatchMember* m = MemberOf(entry, t.id)) {
    m->result = result;
    m->time = now.wall;
  }
}

/// An entry of somebody else names a target of ours: that one counts, ours is not called any more.
void TakeOut(State& state, Target& t, Now now) {
  LaneState& lane = state.LaneOf(t.batch_lane);
  Entry* entry = FindEntry(state, t.batch_lane, t.batch);
  if (entry == nullptr && lane.ledger.draft) entry = &*lane.ledger.draft;
  if (entry == nullptr) return;
  RecordResult(*entry, t, BatchResult::kUnknown, now);
  std::erase(entry->targets, &t);
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
  for (const BatchMember& m : placed.object.members) {
    Target& t = TargetOf(state, m.id);
    if (m.result != BatchResult::kNone) continue;
    t.place == Place::kBatch ? TakeOut(state, t, now) : LeavePlace(state, t);
    state.LaneOf(t.batch_lane.account.empty() ? lane.lane : t.batch_lane).looks.Remove(t);
    t.place = Place::kBatch;
    t.batch_lane = lane.lane;
    t.batch = object.sequence;
    Know(t, lane.lane, object.credential);
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
    if (object.phase == BatchPhase::kAccepted) t->accepted = true;
  }
  if (object.phase != BatchPhase::kAccepted) {
    Unsettle(placed, now.mono + object.call_validity);
    for (Target* t : placed.targets) {
      if (!IsBlocked(*t)) {
        ShowInBatch(state, *t, MemberState::kVerifying, Reason::kAmbiguous, now);
      }
    }
  }
  ReassessEntry(state, placed, now);
}

void LearnClosed(State& state, LaneState& lane, const BatchObject& object, Now now) {
  const Wall end = object.verified.value_or(object.answered.value_or(now.wall));
  lane.ledger.closed[object.sequence] = end;
  const auto origin = std::make_shared<const Origin>(Origin{object.lane, object.credential});
  for (const BatchMember& m : object.members) {
    const bool sent = object.phase != BatchPhase::kAbandoned;
    History& past = state.history[m.id];
    if (past.sequence > object.sequence && past.origin->lane == object.lane) continue;
    past = {origin, object.sequence, m.result, sent, now.mono};
    const auto found = state.targets.find(m.id);
    if (found == state.targets.end()) continue;
    Target& t = found->second;
    if (!t.known) Know(t, object.lane, object.credential);
    if (m.result == BatchResult::kRetired) t.retired_before = true;
    if (!sent) continue;
    t.called = true;
    t.last_call_end = now.mono;
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

}  // namespace

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

std::optional<Mono> ReassessCalled(State& state, Target& t, Now now) {
  Entry* entry = FindEntry(state, t.batch_lane, t.batch);
  if (entry == nullptr || entry->stage != Stage::kCalled) return std::nullopt;
  const Verdict verdict =
      JudgeCalled(t, WantedOf(state, t), entry->object.step, entry->object.phase, now);
  if (const auto* look = std::get_if<LookAt>(&verdict)) {
    if (!IsBlocked(t)) ShowInBatch(state, t, MemberState::kVerifying, look->reason, now);
    return look->when;
  }
  const auto& finish = std::get<Finish>(verdict);
  if (finish.state != MemberState::kWaiting) Conclude(state, t, finish, now);
  // Only an observation closes an entry, no deadline does.
  if (finish.result == BatchResult::kNone) return now.mono + kBlockedLook;
  RecordResult(*entry, t, finish.result, now);
  const auto origin =
      std::make_shared<const Origin>(Origin{entry->object.lane, entry->object.credential});
  state.history[t.id] = {origin, entry->object.sequence, finish.result, true, now.mono};
  if (finish.result == BatchResult::kRetired) t.retired_before = true;
  state.LaneOf(t.batch_lane).looks.Remove(t);
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
  lane.ledger.highest = std::max(lane.ledger.highest, o.sequence);
  Entry* entry = FindEntry(state, o.lane, o.sequence);
  const uint64_t epoch = state.stream_epochs[{Kind::kBatch, ""}];
  if (lane.ledger.reading == o.sequence) lane.ledger.reading = 0;
  if (entry != nullptr && IsClosed(o.phase) && o.holder != state.config.holder &&
      entry->stage == Stage::kCalled) {
    // Its writer, or a later one, has seen it through.
    LearnClosed(state, lane, o, now);
    ReleaseAll(state, *entry, now);
    lane.ledger.open.erase(o.sequence);
    return;
  }
  if (entry != nullptr) {
    entry->epoch = epoch;
    if (VersionNumber(o.version) > VersionNumber(entry->object.version)) {
      entry->object.version = o.version;
    }
    return;
  }
  const auto& draft = lane.ledger.draft;
  const bool ours = draft && draft->object.sequence == o.sequence &&
                    o.holder == state.config.holder && draft->stage == Stage::kCommitting;
  if (ours || lane.ledger.closed.contains(o.sequence)) return;
  if (IsClosed(o.phase)) return LearnClosed(state, lane, o, now);
  Attach(state, lane, o, now);
}

void OnBatchGone(State& state, const BatchGone& event, Now now) {
  LaneState& lane = state.LaneOf(event.lane);
  lane.ledger.closed.erase(event.sequence);
  if (lane.ledger.reading == event.sequence) lane.ledger.reading = 0;
  Entry* entry = FindEntry(state, event.lane, event.sequence);
  if (entry == nullptr || entry->stage == Stage::kClosed) return;
  if (!state.Leading(now)) return;
  state.Do(Announce{{"", BatchName(event.lane, event.sequence)},
                    "",
                    true,
                    "BatchDeleted",
                    "an open entry of the log was deleted; it is written again"});
  entry->object.version.clear();
  state.Do(Commit{entry->object});
}

void RestoreMissing(State& state, uint64_t epoch, Now now) {
  for (auto& [key, lane] : state.lanes) {
    for (auto& [sequence, entry] : lane.ledger.open) {
      if (entry.epoch < epoch) OnBatchGone(state, {key, sequence}, now);
    }
  }
}

void OnConfirmed(State& state, const Confirmed& event, Now now) {
  if (event.account) {
    Account* account = state.FindAccount(event.account->name);
    if (account != nullptr && account->exists) {
      const bool same = event.account->found && event.account->uid == account->object.uid &&
                        event.account->generation == account->object.generation;
      if (same) account->confirmed_at = std::max(account->confirmed_at, event.sent);
      if (!same) {
        account->suspect = true;
        state.Do(Reconnect{Kind::kAccount});
      }
    }
  }
  bool differs = false;
  for (const LiveRequest& live : event.requests) {
    Request* r = state.FindRequest(live.key);
    if (r == nullptr) continue;
    if (live.found && live.uid == r->uid && live.generation == r->generation && !live.deleting &&
        live.hold == r->hold) {
      continue;
    }
    r->suspect = true;
    differs = true;
  }
  if (differs) state.Do(Reconnect{Kind::kRequest});
  for (auto& [key, lane] : state.lanes) {
    const auto resolve = [&](Entry& entry, Stage back, Mono& retry_after) {
      if (entry.stage != Stage::kConfirming || entry.confirm_token != event.token) return;
      entry.stage = back;
      if (event.complete) entry.confirmed_at = event.sent;
      if (!event.complete) retry_after = now.mono + seconds{1};
    };
    auto& ledger = lane.ledger;
    if (ledger.draft) resolve(*ledger.draft, Stage::kDraft, ledger.commit_after);
    for (auto& [sequence, entry] : ledger.open) resolve(entry, Stage::kReady, entry.call_after);
  }
}

void OnCommitted(State& state, const Committed& event, Now now) {
  LaneState& lane = state.LaneOf(event.lane);
  const auto& draft = lane.ledger.draft;
  const bool of_draft =
      draft && draft->stage == Stage::kCommitting && draft->object.sequence == event.sequence;
  if (Entry* restored = of_draft ? nullptr : FindEntry(state, event.lane, event.sequence)) {
    if (event.outcome == Committed::Outcome::kCreated) {
      restored->object.version = event.version;
      restored->dirty = true;
    }
    return;
  }
  if (!of_draft) return;
  switch (event.outcome) {
    case Committed::Outcome::kCreated: {
      Entry entry = *std::move(lane.ledger.draft);
      lane.ledger.draft.reset();
      lane.ledger.highest = event.sequence;
      entry.object.version = event.version;
      entry.stage = Stage::kReady;
      entry.epoch = state.epoch;
      for (Target* t : entry.targets) {
        t->batch = event.sequence;
        ShowInBatch(state, *t, MemberState::kSubmitted, Reason::kNone, now);
      }
      lane.ledger.open.emplace(event.sequence, std::move(entry));
      return;
    }
    case Committed::Outcome::kExists:
      // Someone else wrote: read it, then decide again.
      lane.ledger.highest = std::max(lane.ledger.highest, event.sequence);
      if (FindEntry(state, event.lane, event.sequence) == nullptr &&
          !lane.ledger.closed.contains(event.sequence)) {
        lane.ledger.reading = event.sequence;
        state.Do(ReadBatch{event.lane, event.sequence});
      }
      break;
    case Committed::Outcome::kFailed:
      break;
  }
  lane.ledger.commit_after =
      now.mono + (event.outcome == Committed::Outcome::kFailed ? kCommitRetry : Millis{0});
  for (Target* t : lane.ledger.draft->targets) ForgetSight(*t);
  DropDraft(state, lane, now);
}

void OnAnswered(State& state, const Answered& event, Now now) {
  Account* account = state.FindAccount(event.lane.account);
  Entry* entry = FindEntry(state, event.lane, event.sequence);
  if (account == nullptr || entry == nullptr || entry->stage != Stage::kCalling) return;
  if (event.service_time)
    account->clock.Add(event.service_time->date, event.service_time->received);
  entry->object.request_id = event.request_id;
  if (event.outcome != Answered::Outcome::kNotSent) entry->object.answered = now.wall;
  // Whatever it was, a probe has ended.
  if (event.outcome != Answered::Outcome::kAccepted)
    account->calls_breaker.OnInconclusive(now.mono);
  switch (event.outcome) {
    case Answered::Outcome::kAccepted:
      OnCallAccepted(state, *account, now);
      return OnAccepted(state, *entry, now);
    case Answered::Outcome::kNotSent:
      return OnNotSent(state, *account, *entry, event, now);
    case Answered::Outcome::kRefusedUnseen:
      return OnRefusedUnseen(state, *account, *entry, event, now);
    case Answered::Outcome::kRejected:
      return OnRejected(state, *account, *entry, event, now);
    case Answered::Outcome::kUnclear:
      return OnUnclear(state, *entry, event, now);
  }
}

void OnRecorded(State& state, const Recorded& event, Now now) {
  LaneState& lane = state.LaneOf(event.lane);
  Entry* entry = FindEntry(state, event.lane, event.sequence);
  if (entry == nullptr) return;
  entry->recording = false;
  if (!event.written) {
    entry->dirty = true;
    entry->record_after = now.mono + seconds{1};
    if (!event.missing) return;
    entry->dirty = false;
    if (entry->stage != Stage::kClosed)
      return OnBatchGone(state, {event.lane, event.sequence}, now);
  } else {
    entry->object.version = event.version;
    state.view.OnOwnWrite({Kind::kBatch, ""}, event.version, event.sent);
  }
  if (entry->stage != Stage::kClosed || entry->dirty) return;
  lane.ledger.closed[event.sequence] = now.wall;
  lane.ledger.open.erase(event.sequence);
}

void DriveBatches(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced()) return;
  std::vector<LaneState*> lanes;
  for (auto& [key, lane] : state.lanes) lanes.push_back(&lane);
  // Lanes take turns, so that none waits behind the others of its account for ever.
  for (size_t i = 0; i < lanes.size(); ++i) {
    LaneState& lane = *lanes[(i + state.lane_turn) % lanes.size()];
    Account* account = state.FindAccount(lane.lane.account);
    if (account != nullptr) DriveLane(state, lane, *account, now);
    RecordDirty(state, lane, now);
  }
  ++state.lane_turn;
  DeleteOld(state, now);
}

namespace {

Mono NextOfLane(const State& state, const LaneState& lane, const Account& account, Now now) {
  Mono next = base::kNever;
  const Mono calls = CallsAllowedAt(account, now);
  for (const auto& [sequence, entry] : lane.ledger.open) {
    if (entry.dirty && !entry.recording) next = std::min(next, entry.record_after);
    if (entry.stage != Stage::kReady) continue;
    const Mono end = SendBefore(state, account, entry, now);
    next = std::min(
        next, std::min(std::max(calls, entry.call_after), std::max(end, now.mono + seconds{1})));
  }
  if (lane.ledger.draft && lane.ledger.draft->stage == Stage::kDraft) {
    next = std::min(next, std::max(lane.ledger.commit_after, now.mono + seconds{1}));
  }
  if (lane.ledger.draft || lane.ledger.reading != 0 || state.stopping) return next;
  if (UncalledOf(state, account) >= kUncalledAhead) return next;
  if (calls == base::kNever || account.suspect) return next;
  const Mono pack = std::max(lane.packer.Next(state.config.window), lane.ledger.commit_after);
  return std::min(next, std::max(pack, calls - kCommitAhead));
}

}  // namespace

Mono NextBatchWake(const State& state, Now now) {
  Mono next = base::kNever;
  bool closed = false;
  for (const auto& [key, lane] : state.lanes) {
    closed = closed || !lane.ledger.closed.empty();
    const auto account = state.accounts.find(key.account);
    if (account == state.accounts.end()) continue;
    next = std::min(next, NextOfLane(state, lane, account->second, now));
  }
  return closed ? std::min(next, std::max(now.mono, state.retention_check)) : next;
}

bool IsQuiescent(const State& state) {
  for (const auto& [key, lane] : state.lanes) {
    if (lane.ledger.draft && lane.ledger.draft->stage == Stage::kCommitting) return false;
    for (const auto& [sequence, entry] : lane.ledger.open) {
      if (entry.stage == Stage::kCalling || entry.stage == Stage::kReady ||
          entry.stage == Stage::kConfirming) {
        return false;
      }
      if (entry.dirty || entry.recording) return false;
    }
  }
  return true;
}

}  // namespace retirement
