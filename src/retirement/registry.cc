#include "retirement/registry.h"

#include <algorithm>
#include <functional>

#include "retirement/accept.h"
#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/claims.h"
#include "retirement/crowd.h"
#include "retirement/entries.h"
#include "retirement/members.h"
#include "retirement/outbox.h"
#include "retirement/outcomes.h"
#include "retirement/sights.h"
#include "retirement/status.h"
#include "retirement/targets.h"

namespace retirement {
namespace {

bool IsRemoved(const Request& r, uint32_t member) { return member >= r.spec.members.size(); }

const MemberStatus* FindMember(const std::vector<MemberStatus>& members, InstanceId id) {
  for (const MemberStatus& m : members) {
    if (m.id == id) return &m;
  }
  return nullptr;
}

/// When members are added: by the clock that their grace periods end by, if it was heard.
struct Since {
  Wall time{};
  bool heard = false;
};

MemberStatus NewMember(InstanceId id, Since since) {
  MemberStatus m;
  m.id = id;
  m.time = since.time;
  m.added = since.time;
  m.unheard = !since.heard;
  return m;
}

/// It is in the batch of another request.
/// It tells of a batch as one of its members, not as one who awaits its end, or did.
bool IsInIt(const MemberStatus& m) { return IsUnended(m) && m.reason != Reason::kAwaitingBatch; }

/// The members of the new spec in their present states, then removed ones that are in a batch.
std::vector<MemberStatus> MergeMembers(const State& state, const RequestSpec& spec,
                                       const std::vector<MemberStatus>& before, Since since) {
  std::vector<MemberStatus> merged;
  merged.reserve(spec.members.size());
  for (const MemberSpec& m : spec.members) {
    const MemberStatus* known = FindMember(before, m.id);
    merged.push_back(known ? *known : NewMember(m.id, since));
  }
  for (const MemberStatus& m : before) {
    const bool in_spec = std::any_of(spec.members.begin(), spec.members.end(),
                                     [&](const MemberSpec& s) { return s.id == m.id; });
    const auto target = state.targets.find(m.id);
    const bool in_batch = target != state.targets.end() && target->second.place == Place::kBatch &&
                          target->second.batch == m.batch && m.batch != 0 && IsInIt(m);
    if (!in_spec && in_batch) merged.push_back(m);
  }
  return merged;
}

/// A member that still waits for its first call has waited since its state began; any other was
/// there when the request was accepted.
Wall AddedTime(const MemberStatus& m, const Request& r) {
  const bool first_wait =
      m.attempts == 0 && (m.state == MemberState::kPending || m.state == MemberState::kWaiting);
  return first_wait || !r.accepted ? m.time : *r.accepted;
}

/// DryRun is planned once per generation, and a new one may expire later.
void ForgetPlans(Request& r, Since since) {
  for (MemberStatus& m : r.members) {
    if (m.state == MemberState::kPlanned ||
        (m.state == MemberState::kCancelled && m.reason == Reason::kExpired)) {
      m = NewMember(m.id, since);
    }
  }
}

/// What a status of an earlier process says is taken over, as far as it is of this generation.
void Restore(State& state, Request& r, const RequestStatus& status, Since since) {
  r.accepted = status.accepted;
  r.accepted_told = status.accepted;
  r.accepted_written = status.accepted.has_value();
  r.started = status.started;
  r.completed = status.completed;
  r.handled_requested_at = status.handled_requested_at;
  if (status.observed_generation == r.generation && !status.plan.digest.empty()) {
    r.plan = status.plan;
    r.planned_generation = r.generation;
  }
  for (const Condition& c : status.conditions) {
    if (c.type == "Permitted") r.waited_for_account_mode = c.reason == "AccountDryRun";
  }
  r.members = MergeMembers(state, r.spec, status.members, since);
  for (MemberStatus& m : r.members) {
    if (FindMember(status.members, m.id)) m.added = AddedTime(m, r);
  }
  // A removed member of a batch that is still open stays until the batch is closed.
  for (const MemberStatus& m : status.members) {
    if (m.batch == 0 || !IsInIt(m) || IsFinal(m.state)) continue;
    if (FindMember(r.members, m.id)) continue;
    r.members.push_back(m);
  }
  r.seen_with = SeenWith(status);
}

bool SpecChanged(const Request& r, const RequestObject& o) { return r.generation != o.generation; }

void TakeMetadata(Request& r, const RequestObject& o) {
  r.version = o.version;
  r.deleting = o.deleting;
  r.hold = o.hold;
  r.requested_at = o.requested_at;
  if (VersionNumber(o.version) >= r.suspect_version) r.suspect = false;
}

void TakeSpec(Request& r, const RequestObject& o) {
  r.generation = o.generation;
  r.spec = o.spec;
  r.errors = o.errors;
}

/// S8: what the member of a status was seen with counts as seen.
void RestoreSight(State& state, const Request& r, const MemberStatus& m, const Account& account) {
  // Of those that are done the status does not tell who saw them.
  const bool done = IsFinal(m.state) && m.state != MemberState::kBlocked;
  if (r.seen_with.empty() || m.charge.empty() || done) return;
  Know(state, TargetOf(state, m.id),
       state.identities.Named(r.spec.region, r.seen_with, account.object.spec.endpoint));
}

void RestoreSights(State& state, const Request& r, const Account& account) {
  for (const MemberStatus& m : r.members) RestoreSight(state, r, m, account);
}

/// E0: what the service refused before a restart is not asked again at once.
void RestoreRefusals(State& state, const Request& r, Now now) {
  for (const MemberStatus& m : r.members) {
    const bool refused = m.state == MemberState::kBlocked &&
                         (m.reason == Reason::kUnauthorized || m.reason == Reason::kUnpaidOrder ||
                          m.reason == Reason::kInstanceProtected || m.reason == Reason::kBanned);
    if (!refused) continue;
    Target& t = TargetOf(state, m.id);
    if (t.retries > 0) continue;
    t.retries = 1;
    t.not_before = now.mono + kFirstRefused;
    t.wait_reason = m.reason;
    t.wait_message = m.message;
  }
}

bool IsInLog(const Ledger& ledger, uint64_t sequence) {
  return ledger.open.contains(sequence) || ledger.closed.contains(sequence);
}

/// S4: a status that speaks of a call whose entry was deleted: the call may still be on its way. A
/// number that the log cannot have had yet counts nothing (S0), but the log may be gone.
void SettleOrphans(State& state, Request& r, Now now) {
  for (const MemberStatus& m : r.members) {
    if (m.batch == 0) continue;
    Ledger& ledger = state.LaneOf(r.lane()).ledger;
    if (IsInLog(ledger, m.batch)) continue;
    if (m.batch <= ledger.highest + kMostAhead) ledger.named = std::max(ledger.named, m.batch);
    if (!IsUnended(m)) continue;
    // S10: what a dry run did whose entry is gone nobody will see.
    Account& account = state.accounts[r.spec.account];
    if (!r.Executes() && account.object.spec.server_side_dry_run) {
      account.dry_run_doubted = true;
      TouchAccount(account, now);
    }
    Target& t = TargetOf(state, m.id);
    if (t.place == Place::kBatch) continue;
    MakeOrphan(t, {r.lane(), m.batch}, now);
  }
}

/// S0: only now, accepted, it makes claims, and what its status says is believed.
void Admit(State& state, Request& r, const Account& account, Now now) {
  r.admitted = true;
  AddClaims(state, r, now);
  RestoreSights(state, r, account);
  RestoreRefusals(state, r, now);
  if (!state.restored) return;
  SettleOrphans(state, r, now);
  PruneRemoved(state, r, now);
}

/// S0: what only its status told of having been seen is not known any more.
void ForgetWhatItSaid(State& state, const Request& r) {
  for (const MemberStatus& m : r.members) {
    const auto found = state.targets.find(m.id);
    if (found == state.targets.end() || found->second.seen_alive ||
        found->second.place == Place::kBatch) {
      continue;
    }
    Target& t = found->second;
    t.known.clear();
    const auto past = state.history.find(m.id);
    if (past != state.history.end()) Know(state, t, past->second.origin->from);
    for (const Claim& claim : t.claims) {
      const Account* account = state.FindAccount(claim.request->spec.account);
      if (account != nullptr) RestoreSight(state, *claim.request, MemberOf(claim), *account);
    }
  }
}

/// S0: `account` accepts it; null when none does, and then nothing of it acts on anybody.
void AdmitOrDismiss(State& state, Request& r, const Account* account, Now now) {
  if (account != nullptr && !r.admitted) Admit(state, r, *account, now);
  if (account != nullptr || !r.admitted) return;
  r.admitted = false;
  r.seen_with = SeenWith(Render(state, r, now));  // as of now, not as it was read
  RemoveClaims(state, r, now);
  ForgetWhatItSaid(state, r);
}

Since SinceNow(State& state, const Request& r, Now now) {
  const Account* account = state.FindAccount(r.spec.account);
  if (account == nullptr || !account->clock.Fresh(now.mono)) return {now.wall, false};
  return {RecordedClock(*account, now), true};
}

void Create(State& state, const RequestObject& o, uint64_t epoch, Now now) {
  auto owned = std::make_unique<Request>();
  Request& r = *owned;
  r.key = o.key;
  r.uid = o.uid;
  r.created = o.created;
  r.epoch = epoch;
  TakeMetadata(r, o);
  TakeSpec(r, o);
  Restore(state, r, o.status, SinceNow(state, r, now));
  r.observed_fingerprint = FingerprintOf(o.status);
  r.observed_generation = o.status.observed_generation;
  if (o.status.observed_generation != o.generation) {
    ForgetPlans(r, SinceNow(state, r, now));
  }
  // What a new object carries was not asked with any of its members in view: it may be a copy.
  if (o.status.observed_generation < 0) r.handled_requested_at = o.requested_at;
  Remember(r, o.status);
  if (const Condition* ready = ReadyOf(o.status)) r.announced = PrintOf(*ready);
  Recount(state, r);
  state.requests.emplace(r.key, std::move(owned));
}

/// Exchanges members; what is known of the instances that stay is kept (S8).
void ExchangeMembers(State& state, Request& r, Now now, const std::function<void()>& change) {
  const std::vector<MemberStatus> before = r.members;
  if (r.admitted) RemoveClaims(state, r, now);
  Uncount(state, r);
  change();
  Recount(state, r);
  if (r.admitted) AddClaims(state, r, now);
  for (const MemberStatus& m : before) ForgetUncalled(state, m.id);
}

/// What the CRD forbids to change is refused here, too: older servers ignore its rules.
std::vector<std::string> ForbiddenEdits(const RequestSpec& before, const RequestSpec& after) {
  std::vector<std::string> errors;
  const auto must_stay = [&](bool same, const char* field) {
    if (!same) errors.push_back(std::string(field) + " cannot be changed; make a new request");
  };
  must_stay(before.region == after.region, "spec.region");
  must_stay(before.account == after.account, "spec.accountRef.name");
  must_stay(before.intent == after.intent, "spec.termination");
  return errors;
}

void Edit(State& state, Request& r, const RequestObject& o, Now now) {
  if (auto errors = ForbiddenEdits(r.spec, o.spec); !errors.empty()) {
    r.generation = o.generation;
    r.errors = std::move(errors);
    return Touch(state, r, Urgency::kNow, now);
  }
  ExchangeMembers(state, r, now, [&] {
    const Since since = SinceNow(state, r, now);
    TakeSpec(r, o);
    r.members = MergeMembers(state, r.spec, r.members, since);
    r.completed.reset();
    ForgetPlans(r, since);
  });
  Touch(state, r, Urgency::kQuiet, now);
}

/// S8a: who wishes to look again consents to what he was told to wait for, and to nothing else.
bool Consents(const MemberStatus& m) {
  return m.reason == Reason::kVerifyDeadlineExceeded || m.reason == Reason::kResurrected;
}

/// S8: he was told that it is absent, and how to say that this is right.
bool Believes(const MemberStatus& m, const Target& t) {
  if (m.state != MemberState::kWaiting) return false;
  return m.reason == Reason::kServiceError || (m.reason == Reason::kAmbiguous && !t.present);
}

/// "Look again": Blocked and Failed members are observed at once. Whether somebody asked.
bool LookAgain(State& state, Request& r, Now now) {
  if (r.requested_at == r.handled_requested_at || !r.admitted || !state.restored) return false;
  r.handled_requested_at = r.requested_at;
  Touch(state, r, Urgency::kQuiet, now);
  if (Account* account = state.FindAccount(r.spec.account)) ProbeNow(*account, now);
  // Whoever asks because of what is blocked has not decided about what is merely not listed.
  const bool decides = Count(r, MemberState::kBlocked) + Count(r, MemberState::kFailed) == 0;
  for (uint32_t i = 0; i < r.members.size(); ++i) {
    if (IsRemoved(r, i)) continue;
    const MemberState before = r.members[i].state;
    Target& t = TargetOf(state, r.members[i].id);
    if (r.Executes() && Consents(r.members[i])) t.asked_at = now.mono;
    if (r.Executes() && decides && Believes(r.members[i], t)) t.believed_at = now.mono;
    if (before == MemberState::kWaiting) t.not_before = Mono{};
    if (before != MemberState::kBlocked && before != MemberState::kFailed) continue;
    if (t.place != Place::kBatch) {
      SetMember(state, r, i, {MemberState::kPending}, now);
      ForgetSight(t);
    } else {
      t.verify_until = now.mono + kVerifyDeadline;
      SetMember(state, r, i, {MemberState::kVerifying}, now);
    }
  }
  return true;
}

/// S5: not before it is known which calls no entry tells of.
void Expire(State& state, Request& r, Now now) {
  if (!state.restored) return;
  for (uint32_t i = 0; i < r.members.size(); ++i) {
    const MemberState s = r.members[i].state;
    if (IsFinal(s) || !r.Executes()) continue;
    const Target& t = TargetOf(state, r.members[i].id);
    // What is in an open entry ends with it; an orphan has none.
    const bool called = s == MemberState::kSubmitted || s == MemberState::kVerifying;
    if (called && (!t.orphan || t.place == Place::kBatch)) continue;
    SetMember(state, r, i, ExpiredAs(t, r.members[i]), now);
  }
}

Urgency UrgencyOf(const Holdup& h) {
  if (h.needs_person) return Urgency::kNow;
  return h.account_wide ? Urgency::kAccountWide : Urgency::kQuiet;
}

bool Same(const Holdup& a, const Holdup& b) {
  return a.reason == b.reason && a.message == b.message && a.until == b.until;
}

void Rearm(State& state, Request& r, Now now) {
  if (r.wake_at != Wall{}) state.wall_times.erase({r.wake_at, r.key});
  // What is blocked goes on when its time has come and its cause has gone.
  const bool done = AllFinal(r) && Count(r, MemberState::kBlocked) == 0;
  const Account* account = state.FindAccount(r.spec.account);
  const bool waits = account != nullptr && r.IsAccepted() && !done;
  const auto next = waits ? NextWallTime(r, *account, now) : std::nullopt;
  r.wake_at = next.value_or(Wall{});
  if (next) state.wall_times.insert({*next, r.key});
}

/// S10: what was recorded before the service was heard, or by a clock that both call wrong now, is
/// put right: to now, which shortens nothing.
bool IsMistimed(Wall time, bool unheard, const Account& account, Now now) {
  const Wall present = RecordedClock(account, now);
  if (time > FasterClock(account, now) + kClockError) return true;
  return unheard && std::chrono::abs(time - present) > kClockError;
}

void MendTimes(Request& r, const Account& account, Now now) {
  if (!account.clock.Fresh(now.mono)) return;
  const Wall present = std::max(RecordedClock(account, now), r.created);
  for (MemberStatus& m : r.members) {
    if (IsMistimed(m.added, std::exchange(m.unheard, false), account, now)) {
      m.added = m.time = present;
    }
  }
  const bool unheard = std::exchange(r.accepted_unheard, false) && r.spec.grace > Millis{0};
  if (IsMistimed(*r.accepted, unheard, account, now)) r.accepted = present;
}

/// The grace counts from acceptance; anew when the account turns from DryRun to Execute.
void StartGrace(State& state, Request& r, const Account& account, Now now) {
  const bool dry = account.object.spec.mode == Mode::kDryRun;
  const bool anew = r.waited_for_account_mode && !dry && r.spec.grace > Millis{0};
  r.waited_for_account_mode = dry;
  const std::optional<Wall> before = r.accepted;
  if (!r.accepted || anew) {
    r.accepted = std::max(RecordedClock(account, now), r.created);
    r.accepted_unheard = !account.clock.Fresh(now.mono);
  }
  MendTimes(r, account, now);
  // The start that is in the cluster already need not be written to count.
  r.accepted_written = r.accepted_written && r.accepted == before;
  if (r.accepted != before && r.spec.grace > Millis{0}) Touch(state, r, Urgency::kNow, now);
}

}  // namespace

void PruneRemoved(State& state, Request& r, Now now) {
  if (r.members.size() == r.spec.members.size()) return;
  ExchangeMembers(state, r, now, [&] {
    r.members = MergeMembers(state, r.spec, r.members, SinceNow(state, r, now));
  });
  Touch(state, r, Urgency::kProgress, now);
  ReassessMembers(state, r, now);
}

namespace {

/// What could not be told while another installation served its account.
void TellWithheld(State& state, Request& r, const Account* account, Now now) {
  if (!r.withheld || account == nullptr || !account->exists || IsForeign(state, *account)) return;
  r.withheld = false;
  Touch(state, r, Urgency::kAccountWide, now);
}

/// Nothing that happens to its account later changes what a finished request says.
bool IsDone(const Request& r) {
  return AllFinal(r) && r.accepted && Count(r, MemberState::kBlocked) == 0 &&
         r.observed_generation == r.generation;
}

}  // namespace

namespace {

bool IsToldToWait(const Request& r) {
  return r.conditions[size_t(ConditionType::kPermitted)].status == ConditionStatus::kFalse;
}

}  // namespace

void Refresh(State& state, Request& r, Now now) {
  Account* account = state.FindAccount(r.spec.account);
  const Holdup accepted = CheckAccepted(r, account);
  TellWithheld(state, r, account, now);
  if (IsDone(r)) {
    r.not_accepted = accepted;  // its wish counts as long as it is let in
    return AdmitOrDismiss(state, r, accepted.reason.empty() ? account : nullptr, now);
  }
  if (accepted.reason.empty()) StartGrace(state, r, *account, now);
  const auto lane = state.lanes.find(r.lane());
  const Holdup permitted =
      accepted.reason.empty()
          ? CheckPermitted(r, *account, lane == state.lanes.end() ? nullptr : &lane->second, now)
          : Holdup{};
  const bool changed = !Same(accepted, r.not_accepted) || !Same(permitted, r.not_permitted);
  const bool could = r.IsPermitted();
  const Urgency lifted = UrgencyOf(r.not_permitted);
  const bool relevant = !AllFinal(r) || !Same(accepted, r.not_accepted);
  r.not_accepted = accepted;
  r.not_permitted = permitted;
  AdmitOrDismiss(state, r, accepted.reason.empty() ? account : nullptr, now);
  if (could != r.IsPermitted() || changed) Rerank(state, r);
  if (permitted.reason == "Expired") Expire(state, r, now);
  Rearm(state, r, now);
  UpdatePhase(state, r);
  if (changed && relevant && !accepted.reason.empty()) Touch(state, r, UrgencyOf(accepted), now);
  if (changed && relevant && r.Executes() && !permitted.reason.empty()) {
    Touch(state, r, UrgencyOf(permitted), now);
  }
  if (changed && relevant && permitted.reason.empty() && !permitted.message.empty()) {
    Touch(state, r, Urgency::kAccountWide, now);
  }
  // T1: what it was told to wait for is over, although it may only be queued now.
  if (changed && relevant && r.IsPermitted() && !could && IsToldToWait(r)) {
    Touch(state, r, lifted, now);
  }
  // Another installation may have served it while it was edited.
  if (r.observed_generation != r.generation) Touch(state, r, Urgency::kQuiet, now);
  UpdatePlan(state, r, now);
  if (changed && account != nullptr) TouchAccount(*account, now);
  ReassessMembers(state, r, now);
}

void RefreshSoon(State& state, Request& r) {
  if (!std::exchange(r.queued, true)) state.refreshes.push_back(r.key);
}

void RefreshAccount(State& state, const std::string& account, Now) {
  for (auto& [key, request] : state.requests) {
    if (request->spec.account == account) RefreshSoon(state, *request);
  }
}

void DriveRefreshes(State& state, Now now) {
  constexpr size_t kMembersAtOnce = 1'000;
  for (size_t done = 0; done < kMembersAtOnce && !state.refreshes.empty();) {
    const RequestKey key = std::move(state.refreshes.front());
    state.refreshes.pop_front();
    Request* r = state.FindRequest(key);
    if (r == nullptr || !std::exchange(r->queued, false)) continue;
    done += r->members.size();
    if (r->swept) {
      OnRequestGone(state, key, now);
      continue;
    }
    Refresh(state, *r, now);
    // What was asked before it was let in, or before all was known.
    if (LookAgain(state, *r, now)) Refresh(state, *r, now);
  }
}

namespace {

/// Another installation may serve it, or did, and writes its status.
bool IsToldByOthers(const State& state, const Request& r) {
  const auto account = state.accounts.find(r.spec.account);
  if (account == state.accounts.end() || !account->second.exists) return true;
  return IsForeign(state, account->second);
}

/// What another installation wrote is what we would go on from.
void Adopt(State& state, Request& r, const RequestObject& o, Now now) {
  const uint64_t observed = FingerprintOf(o.status);
  if (observed == r.observed_fingerprint) return;
  ExchangeMembers(state, r, now, [&] { Restore(state, r, o.status, SinceNow(state, r, now)); });
  r.observed_fingerprint = observed;
  r.observed_generation = o.status.observed_generation;
  Remember(r, o.status);
  if (const Account* account = state.FindAccount(r.spec.account); account && r.admitted) {
    RestoreSights(state, r, *account);
    // L1: the batch of a removed member may have ended before we heard that he is in it.
    if (state.restored) PruneRemoved(state, r, now);
  }
  Touch(state, r, Urgency::kQuiet, now);
}

}  // namespace

void OnRequestSeen(State& state, const RequestSeen& event, Now now) {
  const RequestObject& o = event.object;
  const Stream stream = state.view.StreamOf(Kind::kRequest, o.key.ns);
  const uint64_t epoch = state.stream_epochs[stream];
  Request* r = state.FindRequest(o.key);
  if (r != nullptr && (r->uid != o.uid || r->swept)) {
    OnRequestGone(state, o.key, now);
    r = nullptr;
  }
  if (r == nullptr) {
    Create(state, o, epoch, now);
    r = state.FindRequest(o.key);
    // What was written before is compared later, when all is known that it speaks of.
    const bool is_new = o.status.observed_generation != o.generation;
    Touch(state, *r, is_new ? Urgency::kQuiet : Urgency::kAccountWide, now);
  } else {
    r->epoch = epoch;
    // An older view than that of our own last write: the watch will catch up.
    if (VersionNumber(o.version) < VersionNumber(r->version)) return;
    const std::pair stood(r->deleting, r->hold.empty());
    TakeMetadata(*r, o);
    if (stood != std::pair(r->deleting, r->hold.empty())) Rerank(state, *r);
    if (std::exchange(r->conflicted, false)) Touch(state, *r, Urgency::kNow, now);
    if (!r->writing && IsToldByOthers(state, *r)) {
      Adopt(state, *r, o, now);
    } else if (!r->writing) {
      const uint64_t observed = FingerprintOf(o.status);
      if (observed != r->observed_fingerprint) {
        r->observed_fingerprint = observed;
        Touch(state, *r, Urgency::kQuiet, now);
      }
    }
    if (SpecChanged(*r, o)) Edit(state, *r, o, now);
  }
  Refresh(state, *r, now);
  if (LookAgain(state, *r, now)) Refresh(state, *r, now);
}

void OnRequestGone(State& state, const RequestKey& key, Now now) {
  Request* r = state.FindRequest(key);
  if (r == nullptr) return;
  Account* account = state.FindAccount(r->spec.account);
  Forget(state, *r);
  if (r->wake_at != Wall{}) state.wall_times.erase({r->wake_at, key});
  if (r->admitted) RemoveClaims(state, *r, now);
  for (const MemberStatus& m : r->members) ForgetUncalled(state, m.id);
  Uncount(state, *r);
  state.requests.erase(key);
  if (account != nullptr) TouchAccount(*account, now);
}

void OnResetBegin(State& state, const ResetBegin& event) {
  state.view.OnResetBegin(event.stream);
  state.stream_epochs[event.stream] = ++state.epoch;
}

namespace {

void SweepRequests(State& state, const Stream& stream, uint64_t epoch) {
  for (auto& [key, request] : state.requests) {
    const bool mine = stream.ns.empty() || stream.ns == key.ns;
    if (!mine || request->epoch >= epoch) continue;
    request->swept = request->deleting = true;  // it wants nothing from now on (S6)
    RefreshSoon(state, *request);
  }
}

/// Once everything was read: what was left of an earlier process can be compared with the log.
void FinishRestore(State& state, Now now) {
  for (auto& [name, account] : state.accounts) JudgeDryRuns(state, account, now);
  for (auto& [key, request] : state.requests) {
    if (request->admitted) SettleOrphans(state, *request, now);
  }
  for (auto& [key, request] : state.requests) PruneRemoved(state, *request, now);
}

/// Also members whose requests are gone, or done, are observed until their entry can be closed
/// (L1).
void ReassessOpen(State& state, Now now) {
  std::vector<InstanceId> ids;
  for (const auto& [key, lane] : state.lanes) {
    for (const auto& [sequence, entry] : lane.ledger.open) {
      for (const Target* t : entry.targets) ids.push_back(t->id);
    }
  }
  ReassessIds(state, ids, now);
}

}  // namespace

void OnResetEnd(State& state, const ResetEnd& event, Now now) {
  const uint64_t epoch = state.stream_epochs[event.stream];
  state.streams.insert(event.stream);
  state.view.OnReset(event.stream, event.version, event.sent);
  if (event.stream.kind == Kind::kRequest) SweepRequests(state, event.stream, epoch);
  if (event.stream.kind == Kind::kAccount) SweepAccounts(state, epoch, now);
  if (event.stream.kind == Kind::kBatch) RestoreMissing(state, epoch, event.version, now);
  if (!state.Synced()) return;
  if (!std::exchange(state.restored, true)) FinishRestore(state, now);
  for (auto& [key, request] : state.requests) RefreshSoon(state, *request);
  ReassessOpen(state, now);
}

namespace {

/// What waits for a time is decided anew when the machine's clock has jumped.
void NoticeJump(State& state, Now now) {
  const Millis offset = now.wall.time_since_epoch() - now.mono.time_since_epoch();
  const Millis jump = offset - std::exchange(state.wall_offset, offset);
  if (jump >= -kClockError && jump <= kClockError) return;
  for (const auto& [time, key] : state.wall_times) RefreshSoon(state, *state.FindRequest(key));
}

}  // namespace

void OnWallTime(State& state, Now now) {
  NoticeJump(state, now);
  while (!state.wall_times.empty() && state.wall_times.begin()->first <= now.wall) {
    const auto [time, key] = *state.wall_times.begin();
    state.wall_times.erase(state.wall_times.begin());
    Request* r = state.FindRequest(key);
    if (r == nullptr || r->wake_at != time) continue;
    r->wake_at = Wall{};
    Refresh(state, *r, now);
  }
}

Mono NextWallWake(const State& state, Now now) {
  if (state.wall_times.empty()) return base::kNever;
  const Millis wait = state.wall_times.begin()->first - now.wall;
  // A wall clock may jump: look at it at least every ten minutes.
  return now.mono + std::clamp<Millis>(wait, Millis{0}, minutes{10});
}

}  // namespace retirement
