#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/entries.h"
#include "retirement/judge.h"
#include "retirement/members.h"
#include "retirement/outcomes.h"
#include "retirement/search.h"
#include "retirement/targets.h"

namespace retirement {
namespace {

constexpr int kServerFaultsBeforeSplit = 2;

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
         fault == Fault::kUnauthorized || fault == Fault::kDryRunOk;
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

/// A dry run that the service would have accepted, or whose parameter it does not know.
void OnDryRunAnswer(State& state, Account& account, const std::vector<Target*>& targets,
                    const Refusal& refusal, Now now) {
  if (refusal.fault == Fault::kDryRunOk) {
    for (Target* t : targets) ShowAnswer(state, *t, "", now);
  } else {
    account.dry_run_unknown = true;
    TouchAccount(account, now);
  }
  ReassessIds(state, IdsOf(targets), now);
}

bool EndsDryRun(const Entry& entry, const Refusal& refusal) {
  return entry.object.dry_run &&
         (refusal.fault == Fault::kDryRunOk || refusal.code.starts_with("UnknownParameter"));
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
  if (EndsDryRun(entry, refusal)) return OnDryRunAnswer(state, account, targets, refusal, now);
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
    TouchAccount(account, now);
    return Abandon(state, entry, now);
  }
  if (refusal.fault == Fault::kExpired) return Abandon(state, entry, now);
  OnCallRefused(state, account, refusal, now);
  if (refusal.fault == Fault::kCredentials) return Abandon(state, entry, now);
}

void OnNotSent(Entry& entry, const Answered& event, Now now) {
  entry.stage = Stage::kReady;
  --entry.sends;
  entry.call_after = now.mono + seconds{1};
  entry.object.error_message = event.refusal.message;
}

/// The service did what it was asked to try only: the batch is a real one, and no call follows.
void OnDryRunExecuted(State& state, Account& account, const Entry& entry, Now now) {
  account.dry_run_executed = true;
  state.Do(Announce{{"", account.object.name},
                    account.object.uid,
                    true,
                    "DryRunExecuted",
                    "the service executed " + BatchName(entry.object.lane, entry.object.sequence) +
                        " although it said DryRun=true"});
  UpdateReady(state, account, now);
}

}  // namespace

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
      if (entry->object.dry_run) OnDryRunExecuted(state, *account, *entry, now);
      return OnAccepted(state, *entry, now);
    case Answered::Outcome::kNotSent:
      return OnNotSent(*entry, event, now);
    case Answered::Outcome::kRefusedUnseen:
      return OnRefusedUnseen(state, *account, *entry, event, now);
    case Answered::Outcome::kRejected:
      return OnRejected(state, *account, *entry, event, now);
    case Answered::Outcome::kUnclear:
      return OnUnclear(state, *entry, event, now);
  }
}

}  // namespace retirement
