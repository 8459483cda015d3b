#include "retirement/commits.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/entries.h"
#include "retirement/judge.h"
#include "retirement/members.h"
#include "retirement/outcomes.h"
#include "retirement/sights.h"
#include "retirement/targets.h"

namespace retirement {
namespace {

constexpr Millis kCommitRetry = seconds{5};

BatchObject MakeBatch(const LaneState& lane, const Account& account, const Packer::Cut& cut,
                      const Config& config) {
  BatchObject b;
  b.lane = lane.lane;
  b.charge = ChargeType(cut.key.charge);
  b.step = cut.key.step;
  b.release_address = cut.key.release_address;
  b.release_disks = cut.key.release_disks;
  b.dry_run = cut.key.dry_run;
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

}  // namespace

void Draft(State& state, LaneState& lane, Account& account, Packer::Cut cut, Now now) {
  Entry entry;
  entry.object = MakeBatch(lane, account, cut, state.config);
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
      if (event.complete && !differs) entry.confirmed_at = event.sent;
      if (!event.complete) retry_after = now.mono + seconds{1};
    };
    auto& ledger = lane.ledger;
    if (ledger.draft) resolve(*ledger.draft, Stage::kDraft, ledger.commit_after);
    for (auto& [sequence, entry] : ledger.open) resolve(entry, Stage::kReady, entry.call_after);
  }
}

namespace {

/// An entry that was deleted by hand: as a create cannot set its status, that is recorded next.
void OnWrittenAgain(State& state, const Committed& event, Now now) {
  Entry* entry = FindEntry(state, event.lane, event.sequence);
  if (entry == nullptr) return;
  using Outcome = Committed::Outcome;
  entry->recording = false;
  entry->dirty = true;
  if (event.outcome == Outcome::kCreated) entry->object.version = event.version;
  if (event.outcome == Outcome::kExists) state.Do(ReadBatch{event.lane, event.sequence});
  if (event.outcome != Outcome::kCreated) entry->record_after = now.mono + kCommitRetry;
}

}  // namespace

void OnCommitted(State& state, const Committed& event, Now now) {
  LaneState& lane = state.LaneOf(event.lane);
  const auto& draft = lane.ledger.draft;
  const bool of_draft =
      draft && draft->stage == Stage::kCommitting && draft->object.sequence == event.sequence;
  if (!of_draft) return OnWrittenAgain(state, event, now);
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
    case Committed::Outcome::kInvalid:
      break;
  }
  lane.ledger.commit_after =
      now.mono + (event.outcome == Committed::Outcome::kExists ? Millis{0} : kCommitRetry);
  for (Target* t : lane.ledger.draft->targets) ForgetSight(*t);
  DropDraft(state, lane, now);
}

}  // namespace retirement
