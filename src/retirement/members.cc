#include "retirement/members.h"

#include <algorithm>

#include "base/hash.h"
#include "base/json.h"
#include "retirement/accept.h"
#include "retirement/claims.h"
#include "retirement/crowd.h"
#include "retirement/judge.h"
#include "retirement/outbox.h"

namespace retirement {
namespace {

constexpr size_t kMaxMessage = 256;

bool IsBeforeBatch(MemberState s) {
  return s == MemberState::kPending || s == MemberState::kWaiting;
}

bool IsInBatch(MemberState s) {
  return s == MemberState::kSubmitted || s == MemberState::kVerifying;
}

void AddToGauges(State& state, const MemberStatus& m, int64_t by) {
  state.gauges.members[size_t(m.state)] += by;
  if (m.state == MemberState::kBlocked) state.gauges.blocked[size_t(m.reason)] += by;
}

Urgency UrgencyOf(const Request& r, MemberState before, const MemberStatus& m) {
  if (m.state == MemberState::kBlocked || AllFinal(r)) return Urgency::kNow;
  if (IsInBatch(m.state) && !IsInBatch(before)) return Urgency::kQuiet;
  if (m.state == MemberState::kWaiting && m.reason != Reason::kNone) return Urgency::kQuiet;
  return Urgency::kProgress;
}

/// A permitted member that only waits for its turn is no news (E2).
bool IsNews(const Request& r, MemberState before, const MemberStatus& m) {
  return !(r.IsPermitted() && IsBeforeBatch(before) && m.state == MemberState::kWaiting &&
           m.reason == Reason::kNone);
}

bool IsUnended(MemberState state, Reason reason) {
  switch (state) {
    case MemberState::kSubmitted:
    case MemberState::kVerifying:
      return true;
    case MemberState::kWaiting:
      return reason == Reason::kAmbiguous || reason == Reason::kAwaitingBatch;
    case MemberState::kBlocked:
      return reason == Reason::kVerifyDeadlineExceeded;
    case MemberState::kPending:
    case MemberState::kRetired:
    case MemberState::kRecycled:
    case MemberState::kFailed:
    case MemberState::kCancelled:
    case MemberState::kPlanned:
      return false;
  }
  __builtin_unreachable();
}

/// Nothing was seen that could be called, or not any more.
bool IsEnd(const MemberChange& change) {
  return change.state == MemberState::kRetired || change.state == MemberState::kRecycled ||
         change.reason == Reason::kNeverObserved;
}

/// S5: who leads next knows of a call whose entry is gone by this status alone.
bool IsForgotten(const State& state, const Request& r, const MemberStatus& m,
                 const MemberChange& change) {
  if (!r.Executes() || m.batch == 0 || !IsUnended(m)) return false;
  if (IsUnended(change.state, change.reason) || IsEnd(change)) return false;
  const auto t = state.targets.find(m.id);
  return t != state.targets.end() && IsOrphan(t->second);
}

/// S5: whoever is told of such a call is a witness of it from now on.
void BearWitness(const State& state, const Request& r, MemberStatus& m) {
  const bool waits = m.state == MemberState::kWaiting || m.state == MemberState::kBlocked;
  if (m.batch != 0 || !waits || !IsUnended(m) || !r.Executes()) return;
  const auto t = state.targets.find(m.id);
  if (t == state.targets.end() || !IsOrphan(t->second)) return;
  if (t->second.orphan->lane == r.lane()) m.batch = t->second.orphan->sequence;
}

/// What is told instead, until its end was seen or somebody asked for another call.
MemberChange InMemory(const MemberChange& change) {
  if (IsBeforeBatch(change.state)) {
    return {MemberState::kWaiting, Reason::kAmbiguous, change.message};
  }
  const Finish end = Orphaned();
  return {end.state, end.reason, end.message};
}

void CountFinal(State& state, const Request& r, const MemberStatus& m, Now now) {
  state.Do(Tally{Tally::What::kInstance, r.lane(), ToString(m.state), 1});
  if (!r.accepted) return;
  const double seconds = double((now.wall - *r.accepted).count()) / 1000;
  state.Do(Tally{Tally::What::kLatency, r.lane(), "", std::max(0.0, seconds)});
}

}  // namespace

void SetMember(State& state, Request& r, uint32_t member, const MemberChange& change, Now now) {
  MemberStatus& m = r.members[member];
  if (IsForgotten(state, r, m, change)) {
    return SetMember(state, r, member, InMemory(change), now);
  }
  const bool same = m.state == change.state && m.reason == change.reason;
  if (same && m.message_view() == change.message) return;
  const std::string message = base::ClipUtf8(change.message, kMaxMessage);
  if (same && m.message_view() == message) return;
  const MemberState before = m.state;
  AddToGauges(state, m, -1);
  --r.counts[size_t(before)];
  m.state = change.state;
  m.reason = change.reason;
  m.message = message.empty() ? nullptr : std::make_shared<const std::string>(message);
  BearWitness(state, r, m);
  ++r.counts[size_t(m.state)];
  AddToGauges(state, m, 1);
  // Pending and Waiting are one wait: a grace period counts from its beginning.
  if (before != m.state && !(IsBeforeBatch(before) && IsBeforeBatch(m.state))) {
    const Account* account = state.FindAccount(r.spec.account);
    m.time = account == nullptr ? now.wall : RecordedClock(*account, now);
  }
  if (before != m.state && IsFinal(m.state)) CountFinal(state, r, m, now);
  if (m.state == MemberState::kSubmitted && !r.started) r.started = now.wall;
  if (AllFinal(r) && Count(r, MemberState::kBlocked) == 0) {
    if (!r.completed) r.completed = now.wall;
  } else {
    r.completed.reset();
  }
  UpdatePhase(state, r);
  if (before != m.state) OnMemberChanged(state, r, member);
  if (IsNews(r, before, m)) Touch(state, r, UrgencyOf(r, before, m), now);
}

void Recount(State& state, Request& r) {
  r.counts.fill(0);
  for (const MemberStatus& m : r.members) {
    ++r.counts[size_t(m.state)];
    AddToGauges(state, m, 1);
  }
  r.phase = PhaseOf(r);
  ++state.gauges.requests[size_t(r.phase)];
}

void Uncount(State& state, Request& r) {
  for (const MemberStatus& m : r.members) AddToGauges(state, m, -1);
  --state.gauges.requests[size_t(r.phase)];
}

void UpdatePhase(State& state, Request& r) {
  const Phase phase = PhaseOf(r);
  if (phase == r.phase) return;
  --state.gauges.requests[size_t(r.phase)];
  ++state.gauges.requests[size_t(phase)];
  r.phase = phase;
}

bool IsUnended(const MemberStatus& m) { return IsUnended(m.state, m.reason); }

int Count(const Request& r, MemberState state) { return r.counts[size_t(state)]; }

bool AllFinal(const Request& r) {
  return Count(r, MemberState::kPending) + Count(r, MemberState::kWaiting) +
             Count(r, MemberState::kSubmitted) + Count(r, MemberState::kVerifying) ==
         0;
}

int Good(const Request& r) {
  return Count(r, MemberState::kRetired) + Count(r, MemberState::kRecycled) +
         (r.Executes() ? 0 : Count(r, MemberState::kPlanned));
}

Phase PhaseOf(const Request& r) {
  if (!r.IsAccepted()) return r.not_accepted.needs_person ? Phase::kPending : Phase::kWaiting;
  if (AllFinal(r)) {
    if (!r.Executes()) return Phase::kDryRun;
    for (const MemberStatus& m : r.members) {
      if (m.state == MemberState::kCancelled && m.reason == Reason::kExpired) {
        return Phase::kExpired;
      }
    }
    const bool incomplete = Count(r, MemberState::kBlocked) + Count(r, MemberState::kFailed) > 0;
    return incomplete ? Phase::kIncomplete : Phase::kComplete;
  }
  if (Count(r, MemberState::kSubmitted) > 0) return Phase::kExecuting;
  if (Count(r, MemberState::kVerifying) > 0) return Phase::kVerifying;
  if (!r.Executes()) return Phase::kPending;
  return r.not_permitted.reason.empty() ? Phase::kPending : Phase::kWaiting;
}

namespace {

/// Nothing when some member has not been observed yet.
std::optional<Plan> MakePlan(const State& state, const Request& r) {
  Plan plan;
  std::string text = r.spec.account + "\n" + r.spec.region + "\n" +
                     ToString(r.spec.intent.prepaid) + "," + ToString(r.spec.intent.postpaid) +
                     (r.spec.intent.release_address ? ",address" : "") +
                     (r.spec.intent.release_disks ? ",disks" : "") + "\n";
  std::vector<std::string> lines;
  for (size_t i = 0; i < r.spec.members.size(); ++i) {
    const MemberStatus& m = r.members[i];
    const auto target = state.targets.find(m.id);
    const bool observed = target != state.targets.end() && IsSeenBy(target->second, r);
    if (m.charge.empty() && !observed && !IsFinal(m.state)) return std::nullopt;
    if (m.charge.empty()) continue;
    ++(m.charge.view() == kPrepaid ? plan.prepaid : plan.postpaid);
    lines.push_back(m.id.ToString() + " " + std::string(m.charge.view()) + "\n");
  }
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) text += line;
  const auto calls = [](int n) { return (n + 99) / 100; };
  const int prepaid_steps = r.spec.intent.prepaid == PrepaidPolicy::kDestroy ? 2 : 1;
  plan.calls = calls(plan.prepaid) * prepaid_steps + calls(plan.postpaid);
  plan.digest = "sha256:" + base::Sha256Hex(text);
  return plan;
}

}  // namespace

void UpdatePlan(State& state, Request& r, Now now) {
  if (r.planned_generation == r.generation || !r.IsAccepted()) return;
  auto plan = MakePlan(state, r);
  if (!plan) return;
  plan->time = r.plan.digest == plan->digest ? r.plan.time : now.wall;
  r.plan = *std::move(plan);
  r.planned_generation = r.generation;
  // A request that goes on at once tells its plan together with what follows (E2).
  if (!r.IsPermitted() || !r.Executes()) Touch(state, r, Urgency::kQuiet, now);
}

}  // namespace retirement
