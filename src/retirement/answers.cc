#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/entries.h"
#include "retirement/faults.h"
#include "retirement/judge.h"
#include "retirement/members.h"
#include "retirement/outcomes.h"
#include "retirement/search.h"
#include "retirement/targets.h"
#include "retirement/trouble.h"

namespace retirement {
namespace {

constexpr int kServerFaultsBeforeSplit = 2;

void OnAccepted(State& state, Entry& entry, Now now) {
  entry.object.phase = BatchPhase::kAccepted;
  entry.object.error_code.clear();  // of an earlier attempt
  entry.object.error_message.clear();
  entry.stage = Stage::kCalled;
  entry.dirty = true;
  MarkCalled(entry, true, now);
  CountBatch(state, entry, "Accepted");
  LearnAcceptance(state, entry, now);
  for (Target* t : entry.targets) {
    t->retries = 0;
    t->not_before = Mono{};
    t->refused_sight = 0;
    t->ended.reset();
    t->group = 0;
    t->server_faults = 0;
    ShowInBatch(state, *t, {MemberState::kVerifying, Reason::kNone}, now);
  }
  ReassessEntry(state, entry, now);
}

/// Nobody knows yet what it did: every member is observed before anything else is decided (S4).
void AwaitEffect(State& state, Entry& entry, Mono last_acceptance, Reason shown, Now now) {
  entry.object.phase = BatchPhase::kAmbiguous;
  entry.stage = Stage::kCalled;
  entry.dirty = true;
  MarkCalled(entry, true, now);
  Unsettle(entry, last_acceptance);
  CountBatch(state, entry, "Ambiguous");
  state.Do(Tally{Tally::What::kAmbiguous, entry.object.lane, "", 1});
  for (Target* t : entry.targets) ShowInBatch(state, *t, {MemberState::kVerifying, shown}, now);
}

void OnUnclear(State& state, Account& account, LaneState& lane, Entry& entry, const Answered& event,
               Now now) {
  entry.object.error_message = event.refusal.message;
  CountFutile(lane.ledger, now);
  OnFailure(account, Work::kCall, lane.lane.region,
            {"BreakerOpen", "no clear answer: " + Words(event.refusal), 1, entry.sent_at}, now);
  AwaitEffect(state, entry, entry.committed_at + entry.object.call_validity, Reason::kAmbiguous,
              now);
  ReassessEntry(state, entry, now);
}

Finish FinishOf(const Refusal& refusal) {
  Finish f;
  const MendedBy mended_by = RuleOf(refusal.fault).mended_by;
  f.state = mended_by == MendedBy::kNobody ? MemberState::kFailed : MemberState::kBlocked;
  f.reason = refusal.reason;
  f.message = Words(refusal);
  return f;
}

/// E0: what one instance was refused for is remembered with it until its sight changes, a person
/// asks, or the back-off ends.
void Remember(Target& t, const Refusal& refusal, Now now) {
  const FaultRule& rule = RuleOf(refusal.fault);
  if (t.retries < 100) ++t.retries;
  t.not_before = now.mono + BackOff(rule, t.retries);
  t.refused_sight = SightPrint(t.sight);
  t.wait_reason = refusal.reason == Reason::kNone ? rule.waits : refusal.reason;
  const Wall next = now.wall + (t.not_before - now.mono);
  t.wait_message = std::make_shared<const std::string>(
      "refused at " + base::FormatRfc3339(now.wall) + ", next try at " + base::FormatRfc3339(next) +
      ": " + Words(refusal));
}

/// Groups of a refused batch are called apart from each other from now on.
void Regroup(State& state, const std::vector<Target*>& targets, const Refusal& refusal) {
  const auto why = std::make_shared<const std::string>(
      "a call with it was refused; which instance is the reason is being found out: " +
      Words(refusal));
  for (const auto& group : Divide(targets, refusal.hinted)) {
    const uint32_t number = state.next_group++;
    for (Target* t : group) {
      t->group = number;
      t->wait_message = why;
    }
  }
}

/// S4: the service failed, and what it did nobody knows. After a few of these one of the members
/// may be the reason.
void OnServiceFault(State& state, LaneState& lane, Entry& entry, const Refusal& refusal,
                    bool meets_everything, Now now) {
  CountFutile(lane.ledger, now);
  for (Target* t : entry.targets) {
    ++t->server_faults;
    Remember(*t, refusal, now);
    // When everything meets it, the breaker waits for all of them.
    if (meets_everything) t->not_before = now.mono + kFirstRetry;
  }
  const bool divide =
      !entry.targets.empty() && entry.targets.front()->server_faults > kServerFaultsBeforeSplit;
  if (divide && !meets_everything) Regroup(state, entry.targets, refusal);
  AwaitEffect(state, entry, now.mono - kClockError, Reason::kServiceError, now);
  ReassessEntry(state, entry, now);
}

bool IsAboutOneInstance(Fault fault) {
  const FaultRule& rule = RuleOf(fault);
  return (rule.about == About::kBatch || rule.about == About::kInstance) &&
         rule.mended_by != MendedBy::kTime;
}

/// A dry run that the service would have accepted, or whose parameter it does not know.
void OnDryRunAnswer(State& state, Account& account, const std::vector<Target*>& targets,
                    const Refusal& refusal, Now now) {
  if (refusal.fault == Fault::kDryRunOk) {
    account.dry_run_proven = true;
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

/// Ends an entry whose call was refused; its members go free.
std::vector<Target*> CloseRejected(State& state, Entry& entry) {
  std::vector<Target*> targets = std::move(entry.targets);
  entry.targets.clear();
  for (Target* t : targets) Release(*t);
  entry.object.phase = BatchPhase::kRejected;
  entry.stage = Stage::kClosed;
  entry.dirty = true;
  CountBatch(state, entry, "Rejected");
  return targets;
}

/// E1: who was called alone is decided; of several that were called one is sought.
void Decide(State& state, const std::vector<Target*>& targets, bool alone, const Refusal& refusal,
            Now now) {
  if (!alone) {
    Regroup(state, targets, refusal);
    return ReassessIds(state, IdsOf(targets), now);
  }
  Target& t = *targets.front();
  Remember(t, refusal, now);
  if (!IsAboutOneInstance(refusal.fault)) return ReassessIds(state, {t.id}, now);
  PruneClaims(state, t, now);
  const Finish finish = FinishOf(refusal);
  if (finish.state == MemberState::kFailed && t.owner != nullptr) {
    t.ended = std::make_unique<const EndedAs>(
        EndedAs{t.owner->spec.intent, t.owner->lane(), finish.reason, finish.message});
  }
  Conclude(state, t, finish, now);
}

/// Nothing is wrong with its members; they wait for the breaker, a single probe in turn.
void WaitForBreaker(State& state, const std::vector<Target*>& targets, bool alone,
                    const Refusal& refusal, Now now) {
  if (alone) {
    Remember(*targets.front(), refusal, now);
    targets.front()->not_before = now.mono + kFirstRetry;
  }
  ReassessIds(state, IdsOf(targets), now);
}

void OnRejected(State& state, Account& account, Entry& entry, const Answered& event, Now now) {
  const Refusal& refusal = event.refusal;
  LaneState& lane = state.LaneOf(entry.object.lane);
  const bool alone = entry.object.members.size() == 1;
  entry.object.error_code = refusal.code;
  entry.object.error_message = refusal.message;
  if (EndsDryRun(entry, refusal)) {
    MarkCalled(entry, false, now);
    if (refusal.fault == Fault::kDryRunOk) OnCallAccepted(state, account, lane, entry.sent_at, now);
    return OnDryRunAnswer(state, account, CloseRejected(state, entry), refusal, now);
  }
  const bool meets_everything = OnCallRefused(state, account, entry, refusal, now);
  if (RuleOf(refusal.fault).may_have_worked) {
    return OnServiceFault(state, lane, entry, refusal, meets_everything, now);
  }
  MarkCalled(entry, false, now);
  const std::vector<Target*> targets = CloseRejected(state, entry);
  if (targets.empty()) return;  // taken away by entries of somebody else
  if (meets_everything) {
    CountFutile(lane.ledger, now);
    // A probe of one that is denied or unfit is told on the instance, too.
    const bool of_account = RuleOf(refusal.fault).about == About::kAccount ||
                            RuleOf(refusal.fault).about == About::kLane ||
                            refusal.fault == Fault::kSplit;
    if (!alone || of_account) return WaitForBreaker(state, targets, alone, refusal, now);
  } else if (!IsProven(account, now)) {
    CountFutile(lane.ledger, now);
  }
  Decide(state, targets, alone, refusal, now);
}

/// Nothing was looked at: the same entry may be sent again while its signature lasts.
void OnRefusedUnseen(State& state, Account& account, Entry& entry, const Answered& event, Now now) {
  const Refusal& refusal = event.refusal;
  LaneState& lane = state.LaneOf(entry.object.lane);
  entry.stage = Stage::kReady;
  entry.object.error_code = refusal.code;
  entry.object.error_message = refusal.message;
  if (refusal.fault == Fault::kExpired && event.fence_was_fresh) {
    account.fence_widened = std::min<Millis>(account.fence_widened + seconds{30}, kSignatureAge);
    TouchAccount(account, now);
  }
  // Credentials that have changed meanwhile are not refused with those.
  if (refusal.fault == Fault::kCredentials && entry.object.credential != account.credential) {
    return Abandon(state, entry, now);
  }
  OnCallRefused(state, account, entry, refusal, now);
  CountFutile(lane.ledger, now);
  entry.call_after = now.mono + BackOff(RuleOf(refusal.fault), entry.sends);
  if (refusal.fault != Fault::kThrottled) return Abandon(state, entry, now);
}

void OnNotSent(State& state, Account& account, Entry& entry, const Answered& event, Now now) {
  LaneState& lane = state.LaneOf(entry.object.lane);
  entry.stage = Stage::kReady;
  --entry.sends;
  CountFutile(lane.ledger, now);
  entry.call_after = std::max(lane.ledger.commit_after, now.mono + seconds{1});
  entry.object.error_message = event.refusal.message;
  const bool in_vain = lane.ledger.futile > 2;  // calls are too rare to await another one
  OnFailure(account, Work::kCall, lane.lane.region,
            {"BreakerOpen", "not sent: " + event.refusal.message, in_vain ? 1 : 2, entry.sent_at},
            now);
}

}  // namespace

void OnDryRunExecuted(State& state, Account& account, const Entry& entry, Now now) {
  // Who has switched the parameter off already has nothing left to mend.
  account.dry_run_executed = account.object.spec.server_side_dry_run;
  state.Do(Announce{Announce::About::kAccount,
                    {"", account.object.name},
                    account.object.uid,
                    true,
                    "DryRunExecuted",
                    "the service executed " + BatchName(entry.object.lane, entry.object.sequence) +
                        " although it said DryRun=true"});
  UpdateReady(state, account, now);
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
  LaneState& lane = state.LaneOf(event.lane);
  if (event.outcome != Answered::Outcome::kAccepted) {
    account->calls_breaker.OnInconclusive(now.mono);
    lane.breaker.OnInconclusive(now.mono);
  }
  // S3: only an acceptance adds something to an end that is in the log already.
  if (entry->ended && event.outcome != Answered::Outcome::kAccepted) {
    return Leave(state, *entry, now);
  }
  switch (event.outcome) {
    case Answered::Outcome::kAccepted:
      OnCallAccepted(state, *account, lane, entry->sent_at, now);
      lane.ledger.futile = 0;
      lane.ledger.commit_after = std::min(lane.ledger.commit_after, now.mono);
      if (entry->object.dry_run) OnDryRunExecuted(state, *account, *entry, now);
      if (entry->ended) return AddAcceptance(state, *entry, entry->object, now);
      return OnAccepted(state, *entry, now);
    case Answered::Outcome::kNotSent:
      return OnNotSent(state, *account, *entry, event, now);
    case Answered::Outcome::kRefusedUnseen:
      return OnRefusedUnseen(state, *account, *entry, event, now);
    case Answered::Outcome::kRejected:
      return OnRejected(state, *account, *entry, event, now);
    case Answered::Outcome::kUnclear:
      return OnUnclear(state, *account, lane, *entry, event, now);
  }
}

}  // namespace retirement
