#include "retirement/batches.h"

#include <algorithm>
#include <set>

#include "retirement/accept.h"
#include "retirement/accounts.h"
#include "retirement/claims.h"
#include "retirement/commits.h"
#include "retirement/entries.h"
#include "retirement/members.h"
#include "retirement/targets.h"
#include "retirement/trouble.h"

namespace retirement {
namespace {

constexpr size_t kUncalledAhead = 2;  // batches committed or being committed, not called yet
constexpr Millis kRetentionInterval = minutes{1};
constexpr Millis kDeletionAge = minutes{10};  // one that the watch has not shown is asked for again

/// S12: the watch has shown the entry itself, so every earlier one of whatever lane is known. Who
/// makes a later one that names the same instance sees this one before he calls.
bool IsEchoed(const State& state, const Entry& entry) {
  return state.view.Shows({Kind::kBatch, ""}, entry.object.version);
}

/// engine.md, corrections 3: the earliest of all that ends our right to send.
Mono SendBefore(const State& state, const Account& account, const Entry& entry, Now now) {
  Mono until = std::min(state.lead_until, ViewUntil(state, account, entry));
  until = std::min(until, entry.fresh_until);
  until = std::min(until, entry.committed_at + entry.object.call_validity);
  for (const Target* t : entry.targets) {
    if (t->owner == nullptr || !t->owner->spec.expires_at) continue;
    until = std::min(until, now.mono + (*t->owner->spec.expires_at - FasterClock(account, now)));
  }
  return until - kFenceMargin;
}

void Send(State& state, Account& account, Entry& entry, Mono send_before, Now now) {
  Call call{entry.object.lane,
            entry.object.sequence,
            entry.options,
            {},
            entry.object.release_address,
            entry.object.release_disks,
            entry.object.dry_run,
            entry.object.credential,
            entry.object.signed_at,
            entry.committed_at,
            send_before};
  for (const BatchMember& m : entry.object.members) call.ids.push_back(m.id);
  account.calls_breaker.OnSend();
  state.LaneOf(entry.object.lane).breaker.OnSend();
  // What it relies on is known, by a live read or without one.
  OnSuccess(account, Work::kConfirm, entry.object.lane.region, now);
  entry.stage = Stage::kCalling;
  ++entry.sends;
  entry.sent_at = now.mono;
  state.Do(Tally{Tally::What::kBatchSize, entry.object.lane, "", double(call.ids.size())});
  state.Do(std::move(call));
}

/// T1: an entry that the watch does not show is not called (S12).
void TellUnseen(Account& account, const Entry& entry, Now now) {
  OnFailure(account, Work::kCommit, entry.object.lane.region,
            {"LogNotWritable",
             "the watch of RetirementBatches does not show the one that was made: it is silent, or "
             "far behind",
             1, entry.committed_at},
            now);
}

/// Asks everything anew right before the call; what no longer holds is abandoned and packed anew.
void DriveReady(State& state, LaneState& lane, Account& account, Entry& entry, Now now) {
  const Mono until = SendBefore(state, account, entry, now);
  const bool may_renew = ViewUntil(state, account, entry) <= now.mono + kFenceMargin;
  const bool as_written =
      entry.object.credential == account.credential && entry.options == OptionsOf(account);
  // A breaker is probed with one instance.
  const bool too_many = IsProbing(account, lane) && entry.targets.size() > 1;
  if (!AllWanted(state, entry) || !as_written || too_many || account.suspect || state.stopping) {
    return Abandon(state, entry, now);
  }
  if (until <= now.mono && !IsEchoed(state, entry)) TellUnseen(account, entry, now);
  if (until <= now.mono && !(may_renew && entry.fresh_until > now.mono + kFenceMargin &&
                             now.mono < entry.committed_at + entry.object.call_validity)) {
    return Abandon(state, entry, now);
  }
  if (entry.object.version.empty()) return;  // S3: not in the log at present
  if (!IsEchoed(state, entry)) return;
  OnShown(account, lane.lane.region, entry.committed_at, now);
  if (now.mono < entry.call_after || CallsAllowedAt(account, lane, now) > now.mono) return;
  if (!ConfirmView(state, account, entry, now) || until <= now.mono) return;
  if (!AllStillPacked(state, entry, now)) {
    RefreshOwners(state, entry);
    return Abandon(state, entry, now);
  }
  if (!account.terminate.TryTake(now.mono)) return;
  Send(state, account, entry, until, now);
}

/// Lanes of one account share its rate, and so how far ahead is committed.
size_t UncalledOf(const Account& account) {
  size_t count = 0;
  for (const auto& [region, lane] : account.lanes) count += lane->ledger.Uncalled();
  return count;
}

/// A first dry run asks with one instance, alone: the service may not know the parameter.
bool AsksAlone(const Account& account) {
  return account.object.spec.server_side_dry_run && !account.dry_run_proven;
}

bool IsAsking(const LaneState& lane) {
  if (lane.ledger.draft && lane.ledger.draft->object.dry_run) return true;
  return std::any_of(lane.ledger.open.begin(), lane.ledger.open.end(), [](const auto& item) {
    return item.second.object.dry_run && item.second.stage != Stage::kClosed;
  });
}

bool IsAsking(const Account& account) {
  return std::any_of(account.lanes.begin(), account.lanes.end(),
                     [](const auto& item) { return IsAsking(*item.second); });
}

/// S10: a first dry run is awaited before the service is asked for another one.
Packer::Most MostOf(const Account& account, const LaneState& lane) {
  Packer::Most most;
  if (IsProbing(account, lane)) most = {1, 1};
  if (AsksAlone(account)) most.dry_runs = IsAsking(account) ? 0 : 1;
  return most;
}

/// A probe is awaited before anything else is committed.
bool HasEnoughAhead(const Account& account, const LaneState& lane) {
  return UncalledOf(account) >= (IsProbing(account, lane) ? 1 : kUncalledAhead);
}

bool MayPack(const State& state, const LaneState& lane, const Account& account, Now now) {
  if (state.stopping || account.suspect || lane.ledger.draft) return false;
  if (lane.ledger.reading != 0) return false;
  if (HasEnoughAhead(account, lane) || now.mono < lane.ledger.commit_after) return false;
  return CallsAllowedAt(account, lane, now) <= now.mono + kCommitAhead;
}

/// Somebody ends by hand what nobody can observe any more.
void CloseByHand(State& state, LaneState& lane, Now now) {
  std::vector<uint64_t> closing;
  for (const auto& [sequence, entry] : lane.ledger.open) {
    if (entry.stage == Stage::kCalled && !entry.object.close.empty()) closing.push_back(sequence);
  }
  for (const uint64_t sequence : closing) EndByHand(state, lane.ledger.open.at(sequence), now);
}

/// Whoever made a call records its answer, whoever serves the account by then.
bool MayRecord(const State& state, const Entry& entry) {
  return entry.object.holder == state.config.holder || IsOurs(state, entry.object.lane);
}

/// What was deleted by hand is written again as a whole: a version that is empty stands for that.
void RecordDirty(State& state, LaneState& lane, Now now) {
  for (auto& [sequence, entry] : lane.ledger.open) {
    if (!entry.dirty || entry.recording || now.mono < entry.record_after) continue;
    if (!MayRecord(state, entry)) continue;
    entry.dirty = false;
    entry.recording = true;
    if (entry.object.version.empty()) {
      state.Do(Commit{entry.object});
    } else {
      state.Do(Record{entry.object});
    }
  }
}

void DriveLane(State& state, LaneState& lane, Account& account, Now now) {
  for (auto& [sequence, entry] : lane.ledger.open) {
    if (entry.stage == Stage::kReady) DriveReady(state, lane, account, entry, now);
  }
  while (MayPack(state, lane, account, now)) {
    auto cut = lane.packer.Take(state.config.window, now.mono, MostOf(account, lane));
    if (!cut) break;
    KeepCredentialsFresh(state, account, now);
    Draft(state, lane, account, *std::move(cut), now);
  }
  if (lane.ledger.draft) DriveDraft(state, lane, account, now);
}

/// What the log said of an instance is forgotten with the entry that said it.
void ForgetHistory(State& state, Now now) {
  if (now.mono < state.history_check) return;
  state.history_check = now.mono + hours{1};
  std::erase_if(state.history, [&](const auto& item) {
    const History& past = item.second;
    if (now.mono - past.learnt < hours{1}) return false;
    const uint64_t sequence = past.origin->sequence;
    const auto lane = state.lanes.find(past.origin->lane);
    return lane == state.lanes.end() || (!lane->second.ledger.open.contains(sequence) &&
                                         !lane->second.ledger.closed.contains(sequence));
  });
}

/// The smaller of our own and the service's time: a clock that jumps ahead deletes nothing. Nothing
/// before the service was heard.
std::optional<Wall> AgeingTime(const State& state, Now now) {
  std::optional<Wall> service;
  for (const auto& [name, account] : state.accounts) {
    const auto heard = account.clock.At(now.mono);
    if (heard && (!service || *heard < *service)) service = heard;
  }
  if (!service) return std::nullopt;
  return std::min(*service, now.wall);
}

bool WasInVain(const History& past) {
  const bool retired =
      past.result == BatchResult::kRetired || past.result == BatchResult::kRecycled;
  return (past.accepted || past.failed) && !retired;
}

/// What statuses tell of unended calls: as long as they do, the entry that knows the end is kept.
std::set<uint64_t> AwaitedIn(const State& state, const Lane& lane) {
  std::set<uint64_t> awaited;
  for (const auto& [key, r] : state.requests) {
    if (r->lane() != lane) continue;
    for (const MemberStatus& m : r->members) {
      if (IsUnended(m)) awaited.insert(m.batch);
    }
  }
  // S5: a call that was accepted in vain bears weight as long as somebody names its instance.
  for (const auto& [id, t] : state.targets) {
    const auto past = state.history.find(id);
    if (past == state.history.end() || !IsNamed(t) || !WasInVain(past->second)) continue;
    if (past->second.origin->lane == lane) awaited.insert(past->second.origin->sequence);
  }
  return awaited;
}

/// Entries with effect live for the retention; those without for an hour, and not more than a
/// hundred of them but the youngest, which may still tell of a call; the newest of a lane for ever.
std::vector<uint64_t> OldOf(const State& state, const LaneState& lane, Now now) {
  std::vector<uint64_t> old;
  const auto time = AgeingTime(state, now);
  uint64_t newest = lane.ledger.closed.empty() ? 0 : lane.ledger.closed.rbegin()->first;
  for (const auto& [sequence, entry] : lane.ledger.open) {
    // What somebody has deleted is not in the log at present.
    if (!entry.object.version.empty()) newest = std::max(newest, sequence);
  }
  size_t futile = 0;
  for (auto it = lane.ledger.closed.rbegin(); it != lane.ledger.closed.rend(); ++it) {
    const Closed& closed = it->second;
    const Millis most = closed.effect ? state.config.batch_retention : kFutileRetention;
    bool is_old = time && *time - closed.end > most;
    if (!closed.effect && ++futile > kMostFutile) {
      is_old = is_old || now.mono - closed.learnt > kMaxEffectLag * 2;
    }
    const bool asked = closed.asked != Mono{} && now.mono < closed.asked + kDeletionAge;
    if (is_old && !asked && it->first != newest) old.push_back(it->first);
  }
  if (old.empty()) return old;
  const std::set<uint64_t> awaited = AwaitedIn(state, lane.lane);
  std::erase_if(old, [&](uint64_t sequence) { return awaited.contains(sequence); });
  return old;
}

void DeleteOld(State& state, Now now) {
  if (now.mono < state.retention_check) return;
  state.retention_check = now.mono + kRetentionInterval;
  SweepTargets(state, now);
  for (auto& [key, lane] : state.lanes) {
    if (!IsOurs(state, lane.lane)) continue;
    for (const uint64_t sequence : OldOf(state, lane, now)) {
      state.Do(DeleteBatch{lane.lane, sequence});
      lane.ledger.closed.at(sequence).asked = now.mono;
    }
  }
  ForgetHistory(state, now);
}

Mono NextOfLane(const State& state, const LaneState& lane, const Account& account, Now now) {
  Mono next = base::kNever;
  const Mono calls = CallsAllowedAt(account, lane, now);
  for (const auto& [sequence, entry] : lane.ledger.open) {
    if (entry.dirty && !entry.recording && MayRecord(state, entry))
      next = std::min(next, entry.record_after);
    if (entry.stage != Stage::kReady) continue;
    next = std::min(next, std::max(SendBefore(state, account, entry, now), now.mono + seconds{1}));
    const bool in_log = !entry.object.version.empty() && IsEchoed(state, entry);
    if (in_log) next = std::min(next, std::max(calls, entry.call_after));
  }
  if (lane.ledger.draft && lane.ledger.draft->stage == Stage::kDraft) {
    next = std::min(next, std::max(lane.ledger.commit_after, now.mono + seconds{1}));
  }
  if (lane.ledger.draft || lane.ledger.reading != 0 || state.stopping) return next;
  if (HasEnoughAhead(account, lane)) return next;
  if (calls == base::kNever || account.suspect) return next;
  const Mono packed = lane.packer.Next(state.config.window, MostOf(account, lane));
  const Mono pack = std::max(packed, lane.ledger.commit_after);
  return std::min(next, std::max(pack, calls - kCommitAhead));
}

}  // namespace

void DriveBatches(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced()) return;
  state.EachLaneInTurn([&](LaneState& lane) {
    if (!IsForeign(state, *lane.account)) CloseByHand(state, lane, now);
    DriveLane(state, lane, *lane.account, now);
    RecordDirty(state, lane, now);
  });
  ++state.lane_turn;
  DeleteOld(state, now);
}

Mono NextBatchWake(const State& state, Now now) {
  Mono next = base::kNever;
  bool closed = !state.history.empty();
  for (const auto& [key, lane] : state.lanes) {
    closed = closed || !lane.ledger.closed.empty();
    next = std::min(next, NextOfLane(state, lane, *lane.account, now));
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
      if (entry.recording || (entry.dirty && MayRecord(state, entry))) return false;
    }
  }
  return true;
}

}  // namespace retirement
