#include "retirement/commits.h"

#include <algorithm>
#include <limits>

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

constexpr Millis kCommitRetry = seconds{5};
constexpr size_t kMostLiveReads = 100;

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

void TellNoCommit(LaneState& lane, Account& account, Now now) {
  const bool no_time = !account.clock.At(now.mono);
  lane.ledger.commit_after = now.mono + kCommitRetry;
  OnFailure(account, Work::kCommit, lane.lane.region,
            no_time ? Failure{"ClockSuspect",
                              "the answers of the service carry no Date, on which "
                              "the fence of a call rests",
                              1, now.mono}
                    : Failure{"LogNotWritable",
                              "the numbers of RetirementBatches are used up: the "
                              "newest was not written by this operator",
                              1, now.mono},
            now);
}

/// E4: not at once, or what is packed again for the same reason would turn in a circle.
void PackAnew(State& state, LaneState& lane, Now now) {
  lane.ledger.commit_after = std::max(lane.ledger.commit_after, now.mono + kFirstFutile);
  DropDraft(state, lane, now);
}

void CommitDraft(State& state, LaneState& lane, Account& account, Now now) {
  Entry& draft = *lane.ledger.draft;
  const auto service_now = account.clock.At(now.mono);
  const uint64_t last = std::max(lane.ledger.highest, lane.ledger.named);
  if (!service_now || last >= kLastSequence) return TellNoCommit(lane, account, now);
  if (!AllStillPacked(state, draft, now)) {
    RefreshOwners(state, draft);
    return PackAnew(state, lane, now);
  }
  draft.object.sequence = last + 1;
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
  entry.options = OptionsOf(account);
  entry.key = cut.key;
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
    t->packed = std::make_unique<const Sight>(t->sight);
    entry.fresh_until = std::min(entry.fresh_until, FreshUntil(*t));
    entry.targets.push_back(t);
    entry.object.members.push_back({t->id, t->owner->key, t->owner->uid, BatchResult::kNone, {}});
  }
  if (!entry.targets.empty()) lane.ledger.draft = std::move(entry);
  ReassessIds(state, stale, now);
}

/// Also that no entry of somebody else has taken a member away.
bool AllStillPacked(State& state, const Entry& entry, Now now) {
  return std::all_of(entry.targets.begin(), entry.targets.end(),
                     [&](const Target* t) { return StillPacked(state, *t, entry.key, now); });
}

bool AllWanted(State& state, const Entry& entry) {
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
  for (const Target* t : entry.targets) {
    if (t->owner != nullptr) keys.insert(t->owner->key);
  }
  // Everybody who names a member counts: a hold or a milder wish of another request, too. Of very
  // many only the first are read live; the watch tells of the others.
  for (const Target* t : entry.targets) {
    for (const Claim& claim : t->claims) {
      if (keys.size() < kMostLiveReads) keys.insert(claim.request->key);
    }
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
      draft.object.credential != account.credential || draft.options != OptionsOf(account) ||
      draft.fresh_until <= now.mono + kFenceMargin) {
    return PackAnew(state, lane, now);
  }
  if (now.mono < lane.ledger.commit_after || lane.ledger.reading != 0) return;
  if (!ConfirmView(state, account, draft, now)) return;
  CommitDraft(state, lane, account, now);
}

namespace {

/// What the watch has to show before an object is trusted again: its deletion, or this version.
uint64_t AwaitedVersion(bool found, const std::string& version) {
  return found ? VersionNumber(version) : std::numeric_limits<uint64_t>::max();
}

void Suspect(State& state, Kind kind, Now now) {
  auto& since = state.suspects[kind];
  if (since == Mono{}) since = now.mono;
}

bool AnySuspect(const State& state, Kind kind) {
  if (kind == Kind::kAccount) {
    return std::any_of(state.accounts.begin(), state.accounts.end(),
                       [](const auto& item) { return item.second.exists && item.second.suspect; });
  }
  return std::any_of(state.requests.begin(), state.requests.end(),
                     [](const auto& item) { return item.second->suspect; });
}

/// The watch has so long to catch up by itself.
constexpr Millis kCatchUp = seconds{2};
constexpr Millis kRelistInterval = minutes{1};

Mono RelistAt(const State& state, Kind kind, Mono since) {
  const auto last = state.reconnected.find(kind);
  const Mono next = last == state.reconnected.end() ? Mono{} : last->second + kRelistInterval;
  return std::max(since + kCatchUp, next);
}

}  // namespace

void DriveSuspects(State& state, Now now) {
  for (auto it = state.suspects.begin(); it != state.suspects.end();) {
    const auto [kind, since] = *it;
    if (now.mono < RelistAt(state, kind, since)) {
      ++it;
      continue;
    }
    it = state.suspects.erase(it);
    if (!AnySuspect(state, kind)) continue;
    state.reconnected[kind] = now.mono;
    state.Do(Reconnect{kind});
  }
}

Mono NextSuspect(const State& state) {
  Mono next = base::kNever;
  for (const auto& [kind, since] : state.suspects) {
    next = std::min(next, RelistAt(state, kind, since));
  }
  return next;
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
        account->suspect_version = AwaitedVersion(event.account->found, event.account->version);
        Suspect(state, Kind::kAccount, now);
      }
    }
  }
  bool differs = false;
  for (const LiveRequest& live : event.requests) {
    Request* r = state.FindRequest(live.key);
    if (r == nullptr) continue;
    if (live.found && live.uid == r->uid && live.generation == r->generation &&
        live.deleting == r->deleting && live.hold == r->hold) {
      continue;
    }
    r->suspect = true;
    r->suspect_version = AwaitedVersion(live.found, live.version);
    differs = true;
  }
  if (differs) Suspect(state, Kind::kRequest, now);
  for (auto& [key, lane] : state.lanes) {
    const auto resolve = [&, &lane = lane](Entry& entry, Stage back, Mono& retry_after) {
      if (entry.stage != Stage::kConfirming || entry.confirm_token != event.token) return;
      entry.stage = back;
      const bool late = event.sent + kMaxViewAge <= now.mono + kFenceMargin;
      if (event.complete && !differs) entry.confirmed_at = event.sent;
      if (event.complete && !late) {
        return OnSuccess(*lane.account, Work::kConfirm, lane.lane.region, now);
      }
      CountFutile(lane.ledger, now);
      retry_after = std::max(lane.ledger.commit_after, now.mono + seconds{1});
      OnFailure(
          *lane.account, Work::kConfirm, lane.lane.region,
          {"LogNotWritable", late ? "an answer took longer than four seconds" : "a read failed", 3},
          now);
    };
    auto& ledger = lane.ledger;
    if (ledger.draft) resolve(*ledger.draft, Stage::kDraft, ledger.commit_after);
    for (auto& [sequence, entry] : ledger.open) resolve(entry, Stage::kReady, entry.call_after);
  }
}

namespace {

std::string WordsOf(const Committed& event) {
  return event.error.empty() ? "no answer" : event.error;
}

void TellNotWritable(Account& account, const Lane& lane, const std::string& why, Now now) {
  OnFailure(account, Work::kCommit, lane.region, {"LogNotWritable", why, 1, now.mono}, now);
}

/// Why an entry that was deleted by hand cannot be written again; "" if it can.
std::string WhyNotAgain(const Entry& entry, const Committed& event) {
  using Outcome = Committed::Outcome;
  if (event.outcome == Outcome::kCreated) return "";
  if (event.outcome != Outcome::kExists) return WordsOf(event);
  // The first time it may be the entry itself. What is there has been read since, and is not.
  if (entry.failed_records < 2) return "";
  return "RetirementBatch " + BatchName(event.lane, event.sequence) +
         " was replaced by an object that no operator wrote; delete it";
}

/// An entry that was deleted by hand: as a create cannot set its status, that is recorded next.
void OnWrittenAgain(State& state, const Committed& event, Now now) {
  Entry* entry = FindEntry(state, event.lane, event.sequence);
  if (entry == nullptr) return;
  using Outcome = Committed::Outcome;
  entry->recording = false;
  entry->dirty = true;
  entry->deleted = false;
  if (event.outcome == Outcome::kCreated) TakeVersion(*entry, event.version, false);
  if (event.outcome == Outcome::kExists) state.Do(ReadBatch{event.lane, event.sequence});
  if (event.outcome != Outcome::kCreated) RecordLater(*entry, now);
  const std::string why = WhyNotAgain(*entry, event);
  if (Account* account = state.FindAccount(event.lane.account)) {
    why.empty() ? OnSuccess(*account, Work::kCommit, event.lane.region, now)
                : TellNotWritable(*account, event.lane, why, now);
  }
}

/// A number that is refused came from a status: the log's own highest counts again.
void OnCommitFailed(LaneState& lane, const Committed& event, Now now) {
  if (event.outcome == Committed::Outcome::kInvalid) lane.ledger.named = 0;
  CountFutile(lane.ledger, now);
  const Millis pause = std::max<Millis>(kCommitRetry, event.retry_after);
  lane.ledger.commit_after = std::max(lane.ledger.commit_after, now.mono + pause);
  TellNotWritable(*lane.account, event.lane, WordsOf(event), now);
}

}  // namespace

void OnCommitted(State& state, const Committed& event, Now now) {
  LaneState& lane = state.LaneOf(event.lane);
  const auto& draft = lane.ledger.draft;
  const bool of_draft =
      draft && draft->stage == Stage::kCommitting && draft->object.sequence == event.sequence;
  if (!of_draft) return OnWrittenAgain(state, event, now);
  // Somebody has seen it end, or has deleted it, before we learnt that it was made; the latter also
  // shows in a list that lacks it.
  const bool missed = event.outcome == Committed::Outcome::kCreated && !draft->shown &&
                      state.view.Shows({Kind::kBatch, ""}, event.version);
  const bool over = draft->deleted || missed || lane.ledger.closed.contains(event.sequence);
  switch (over ? Committed::Outcome::kExists : event.outcome) {
    case Committed::Outcome::kCreated: {
      Entry entry = *std::move(lane.ledger.draft);
      lane.ledger.draft.reset();
      lane.ledger.highest = event.sequence;
      SpaceFutile(lane.ledger, now);
      TakeVersion(entry, event.version, false);
      entry.stage = Stage::kReady;
      for (Target* t : entry.targets) {
        t->batch = event.sequence;
        t->orphan.reset();  // the log tells of it again
        ShowInBatch(state, *t, {MemberState::kSubmitted, Reason::kNone}, now);
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
      OnCommitFailed(lane, event, now);
      if (!draft->shown) break;
      // It was made all the same, and may have been by somebody who called it (S3).
      lane.ledger.reading = event.sequence;
      state.Do(ReadBatch{event.lane, event.sequence});
      break;
  }
  for (Target* t : lane.ledger.draft->targets) ForgetSight(*t);
  DropDraft(state, lane, now);
}

}  // namespace retirement
