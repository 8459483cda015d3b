#include "retirement/accounts.h"

#include <algorithm>

#include "retirement/accept.h"
#include "retirement/faults.h"
#include "retirement/members.h"
#include "retirement/registry.h"
#include "retirement/trouble.h"

namespace retirement {
namespace {

constexpr Millis kCredentialsAge = seconds{10};
constexpr size_t kProbes = 8;  // that a breaker takes in turn

bool SameHoldup(const Holdup& a, const Holdup& b) {
  return a.reason == b.reason && a.message == b.message;
}

/// It looks with other eyes now.
void ForgetViewpoints(const Account& a) {
  for (const auto& [region, lane] : a.lanes) lane->here = nullptr;
}

void AskCredentials(State& state, Account& a, Now now) {
  a.credentials_asked = now.mono;
  state.Do(ReadCredentials{a.object.name, a.object.spec});
}

bool SameCredentialSource(const AccountSpec& a, const AccountSpec& b) {
  return a.secret_name == b.secret_name && a.secret_id_key == b.secret_id_key &&
         a.secret_key_key == b.secret_key_key && a.token_key == b.token_key;
}

/// The credentials that the status names as accepted: the last word of the condition's message.
std::string RecordedCredential(const AccountStatus& status) {
  for (const Condition& c : status.conditions) {
    if (c.type != "CredentialsValid" || c.status != ConditionStatus::kTrue) continue;
    return c.message.substr(c.message.rfind(' ') + 1);
  }
  return {};
}

ConditionStatus ConditionOf(const AccountStatus& status, const char* type) {
  for (const Condition& c : status.conditions) {
    if (c.type == type) return c.status;
  }
  return ConditionStatus::kUnknown;
}

/// The reason of its condition Ready.
std::string ReadyReason(const AccountObject& o) {
  for (const Condition& c : o.status.conditions) {
    if (c.type == "Ready") return c.reason;
  }
  return {};
}

std::optional<Work> WorkOf(const std::string& reason) {
  if (reason == "LogNotWritable") return Work::kCommit;
  if (reason == "SuspiciousAnswers") return Work::kSight;
  const bool of_looks = reason == "ServiceUnreachable" || reason == "ServiceError" ||
                        reason == "ClockSuspect" || reason == "PermissionDenied";
  return of_looks ? std::optional(Work::kLook) : std::nullopt;
}

/// E3, T1: what an earlier process found not to work is told until it is seen to work.
void RestoreTrouble(Account& a, const AccountObject& o, Now now) {
  for (const Condition& c : o.status.conditions) {
    const auto work = WorkOf(c.reason);
    const bool lasts = c.type == "Ready" && c.status == ConditionStatus::kFalse &&
                       c.observed_generation == o.generation;
    if (!lasts) continue;
    const bool calls_only = c.reason == "CredentialsRejected" &&
                            ConditionOf(o.status, "CredentialsValid") == ConditionStatus::kTrue;
    if (c.reason == "BreakerOpen" || calls_only) {
      a.calls_breaker.Resume(c.reason, c.message, now.wall - c.since, now.mono);
    }
    if (!work) continue;
    Trouble& t = a.troubles[{*work, kAnyRegion}];
    t.reason = t.told_reason = c.reason;
    t.message = t.told_message = c.message;
    t.since = t.last = t.told_at = now.mono;
    t.since_wall = c.since;
    t.told = true;
  }
}

void Adopt(State& state, Account& a, const AccountObject& o, Now now) {
  const bool is_new = !a.exists || a.object.uid != o.uid;
  const bool other_source = is_new || !SameCredentialSource(a.object.spec, o.spec);
  const bool edited = other_source || a.object.generation != o.generation;
  if (is_new || edited) {
    a.dry_run_unknown = false;
    a.dry_run_proven = false;
    ProbeNow(a, now);
  }
  // The alarm lasts until the parameter is not sent any more.
  const bool alarmed = a.dry_run_executed || ReadyReason(o) == kDryRunExecuted;
  a.dry_run_executed = alarmed && o.spec.server_side_dry_run;
  a.dry_run_doubted = a.dry_run_doubted && o.spec.server_side_dry_run;
  if (is_new) {
    a.credentials_valid = ConditionOf(o.status, "CredentialsValid");
    a.recorded_credential = RecordedCredential(o.status);
    if (o.status.installation == state.config.installation) RestoreTrouble(a, o, now);
  }
  if (other_source) {
    a.credentials_read = false;
    a.credential.clear();
  }
  a.exists = true;
  if (is_new || VersionNumber(o.version) >= a.suspect_version) a.suspect = false;
  a.conflicted = false;
  a.object = o;
  // Who was dead may come back and claim it again: it is asked for anew then.
  if (o.status.installation == state.config.installation) a.dead_installation.clear();
  ForgetViewpoints(a);
  a.terminate.SetLimit(o.spec.terminate_per_second, now.mono);
  a.describe.SetLimit(o.spec.describe_per_second, now.mono);
  if (!a.writing) a.observed_fingerprint = FingerprintOf(o.status);
  if (edited && o.errors.empty()) AskCredentials(state, a, now);
}

/// E0: at most one look a minute after the first ten that were refused.
Mono PausedUntil(int refused, Now now) {
  const Millis pause = seconds{1} * (1 << std::min(refused - 1, 6));
  return now.mono + std::min<Millis>(pause, kLongestLookPause);
}

/// E2: credentials that another region takes are not what this one refuses.
bool IsHeardElsewhere(const Account& a, const LaneState& lane, Now now) {
  if (lane.taken_elsewhere && lane.refused_with == a.credential) return true;
  return a.heard_at != Mono{} && a.heard_in != lane.lane.region &&
         now.mono <= a.heard_at + kHeardFor;
}

/// These credentials are good for looks of `lane`.
void TakenIn(Account& a, LaneState& lane, Now now) {
  a.heard_in = lane.lane.region;
  a.heard_at = now.mono;
  for (const auto& [region, other] : a.lanes) {
    other->taken_elsewhere = other != &lane && other->refused_with == a.credential;
  }
  lane.refused_with.clear();
}

/// What is not about the whole account stops no other region; but a look that probes credentials is
/// the account's.
bool IsOfOneRegion(const Account& a, Fault fault, bool heard_elsewhere) {
  const About about = RuleOf(fault).about;
  if (a.credentials_breaker.open()) return false;
  return heard_elsewhere || (about != About::kAccount && about != About::kCall);
}

void PauseLooks(Account& a, LaneState& lane, bool of_region, Now now) {
  if (of_region) {
    // E0: where nothing was answered yet a region that is new to it is as slow as the account.
    lane.looks_after = PausedUntil(std::max(lane.refused_looks, a.refused_looks), now);
  } else {
    a.looks_after = PausedUntil(a.refused_looks, now);
  }
}

void RejectCredentials(State& state, Account& a, const Refusal& refusal, Now now) {
  a.credentials_valid = ConditionStatus::kFalse;
  a.credentials_breaker.Trip("CredentialsRejected", Words(refusal), now.mono);
  AskCredentials(state, a, now);
  UpdateReady(state, a, now);
}

void AcceptCredentials(State& state, Account& a, Now now) {
  if (a.credentials_valid == ConditionStatus::kTrue && !a.credentials_breaker.open()) return;
  a.credentials_valid = ConditionStatus::kTrue;
  a.credentials_breaker.Heal();
  UpdateReady(state, a, now);
  TouchAccount(a, now);
}

}  // namespace

bool IsForeign(const State& state, const Account& a) {
  const std::string& other = a.object.status.installation;
  return !other.empty() && other != state.config.installation && other != a.dead_installation;
}

bool IsOurs(const State& state, const Lane& lane) {
  const auto account = state.accounts.find(lane.account);
  return account == state.accounts.end() || !IsForeign(state, account->second);
}

void UpdateReady(State& state, Account& a, Now now) {
  const Holdup not_ready = CheckReady(a, state.config.installation);
  const bool changed = !SameHoldup(not_ready, a.not_ready);
  a.not_ready = not_ready;
  if (!changed) return;
  TouchAccount(a, now);
  RefreshAccount(state, a.object.name, now);
}

void OnAccountSeen(State& state, const AccountSeen& event, Now now) {
  const AccountObject& o = event.object;
  Account& a = state.accounts[o.name];
  a.epoch = state.stream_epochs[{Kind::kAccount, ""}];
  const bool known = a.exists && a.object.uid == o.uid;
  if (known && VersionNumber(o.version) < VersionNumber(a.object.version)) return;
  Adopt(state, a, o, now);
  TouchAccount(a, now);
  a.not_ready = CheckReady(a, state.config.installation);
  RefreshAccount(state, o.name, now);
}

void OnAccountGone(State& state, const std::string& name, Now now) {
  Account* a = state.FindAccount(name);
  if (a == nullptr || !a->exists) return;
  a->exists = false;
  a->due = base::kNever;
  a->troubles.clear();
  a->suspect = false;
  RefreshAccount(state, name, now);
}

void SweepAccounts(State& state, uint64_t epoch, Now now) {
  std::vector<std::string> gone;
  for (const auto& [name, account] : state.accounts) {
    if (account.exists && account.epoch < epoch) gone.push_back(name);
  }
  for (const std::string& name : gone) OnAccountGone(state, name, now);
}

void OnCredentialsChanged(State& state, const CredentialsChanged& event, Now now) {
  Account* a = state.FindAccount(event.account);
  if (a == nullptr || !a->exists) return;
  if (event.secret_name != a->object.spec.secret_name) return;  // of an earlier spec
  const bool first = !a->credentials_read;
  // What was missing for a while and comes back as it was is no repair.
  const bool repaired = !event.revision.empty() && a->credential_revision != event.revision;
  if (repaired) a->credential_revision = event.revision;
  const bool changed = a->credential != event.credential;
  a->credential_error = event.error;
  const std::string& before = first ? a->recorded_credential : a->credential;
  if (event.credential != before) a->credentials_valid = ConditionStatus::kUnknown;
  if (changed) a->heard_at = Mono{};
  a->credentials_read = true;
  a->credential = event.credential;
  ForgetViewpoints(*a);
  if (event.credential.empty()) a->credentials_valid = ConditionStatus::kFalse;
  // What an earlier process found out about these very credentials stands.
  const bool as_before =
      first && (a->recorded_credential.empty() || a->recorded_credential == event.credential);
  if (repaired && !as_before) {
    a->credentials_breaker.Heal();
    a->calls_breaker.Heal();
    ProbeNow(*a, now);
  }
  UpdateReady(state, *a, now);
  TouchAccount(*a, now);
  if (changed) RefreshAccount(state, event.account, now);
}

void OnLeaseSeen(State& state, const LeaseSeen& event, Now now) {
  Account* a = state.FindAccount(event.account);
  if (a == nullptr) return;
  a->dead_installation = event.alive ? "" : event.ns;
  if (!event.alive) TouchAccount(*a, now);
}

namespace {

/// S10: who was permitted by a wrong clock of ours is not any more once the service was heard.
void TakeTime(State& state, Account& a, const ServiceTime& time, Now now) {
  const bool first = !a.clock.Fresh(now.mono);
  a.clock.Add(time.date, time.received);
  if (first) RefreshAccount(state, a.object.name, now);
  const Millis ahead = std::chrono::round<minutes>(now.wall - RecordedClock(a, now));
  if (std::exchange(a.clock_ahead, ahead) != ahead) TouchAccount(a, now);
}

}  // namespace

void OnDescribeAnswer(State& state, Account& a, const Observed& event, Now now) {
  if (event.service_time) TakeTime(state, a, *event.service_time, now);
  LaneState& lane = state.LaneOf(event.lane);
  a.credentials_breaker.OnInconclusive(now.mono);  // whatever it was, a probe has ended
  if (std::holds_alternative<std::vector<Sight>>(event.answer)) {
    a.refused_looks = lane.refused_looks = 0;
    a.looks_after = lane.looks_after = Mono{};
    a.describe.OnSuccess(now.mono);
    OnSuccess(a, Work::kLook, event.lane.region, now);
    if (event.credential != a.credential) return;
    TakenIn(a, lane, now);
    OnCredentialsAccepted(a, now);
    AcceptCredentials(state, a, now);
    return;
  }
  const auto& refusal = std::get<Refusal>(event.answer);
  const bool of_credentials = refusal.fault == Fault::kCredentials;
  ++a.refused_looks;
  if (of_credentials && event.credential != a.credential) {
    AskCredentials(state, a, now);
    return PauseLooks(a, lane, false, now);
  }
  if (++lane.refused_looks >= kRefusedAlike) a.look_groups_from = state.next_group;
  const bool elsewhere = of_credentials && IsHeardElsewhere(a, lane, now);
  if (of_credentials) lane.refused_with = a.credential;
  OnFailure(a, Work::kLook, event.lane.region,
            {elsewhere ? "ServiceError" : ReadyReasonOf(refusal.fault), Words(refusal)}, now);
  if (refusal.fault == Fault::kThrottled) a.describe.OnThrottled(now.mono);
  if (of_credentials && !elsewhere) return RejectCredentials(state, a, refusal, now);
  // A rate that falls is enough for a service that is busy now and then.
  if (refusal.fault != Fault::kThrottled || a.refused_looks >= kRefusedAlike) {
    PauseLooks(a, lane, IsOfOneRegion(a, refusal.fault, elsewhere), now);
  }
}

namespace {

void TripCalls(State& state, Account& a, const Refusal& refusal, Now now) {
  const char* reason = refusal.fault == Fault::kCredentials ? "CredentialsRejected" : "BreakerOpen";
  const bool news = !a.calls_breaker.open() || a.calls_breaker.message() != Words(refusal);
  a.calls_breaker.Trip(reason, Words(refusal), now.mono);
  a.groups_from = state.next_group;
  if (!news) return;
  TouchAccount(a, now);
  RefreshAccount(state, a.object.name, now);
}

void TripLane(State& state, Account& a, LaneState& lane, const Refusal& refusal, Now now) {
  const bool news = !lane.breaker.open();
  lane.breaker.Trip("BreakerOpen", Words(refusal), now.mono);
  a.groups_from = state.next_group;
  if (!news) return;
  TouchAccount(a, now);
  RefreshAccount(state, a.object.name, now);
}

/// E1, E0: the same answer to whatever is sent, and nothing accepted, is not about instances. Nor
/// is a denial or a fault of a whole batch, if both of its halves meet it.
bool MeetsEverything(const Account& a, const Refusal& refusal, size_t members, Now now) {
  const FaultRule& rule = RuleOf(refusal.fault);
  if (rule.about == About::kAccount || rule.about == About::kCall) return true;
  if (rule.about != About::kBatch) return false;
  const bool proven = IsProven(a, now);
  if (a.calls_breaker.open()) return !proven;
  return !proven && a.refused_in_a_row >= kRefusedAlike && (members > 1 || a.refused_in_a_row > 3);
}

/// A call that was sent then got through.
void HealCalls(State& state, Account& a, LaneState& lane, Mono sent, Now now) {
  const bool held_back = a.calls_breaker.open() || lane.breaker.open();
  a.calls_breaker.OnWorked(sent);
  lane.breaker.OnWorked(sent);
  if (!held_back || a.calls_breaker.open() || lane.breaker.open()) return;
  TouchAccount(a, now);
  RefreshAccount(state, a.object.name, now);
}

/// A service that fails does so with whatever code.
bool IsRefusedAlike(const Account& a, const Refusal& refusal) {
  if (refusal.fault == Fault::kServer) return a.refused_as == refusal.fault;
  return a.refused_code == refusal.code;
}

/// Slowing down is enough for a service that is busy now and then.
int PatienceWith(Fault fault) {
  if (fault == Fault::kThrottled) return kThrottledAlike;
  return fault == Fault::kExpired ? kRefusedAlike : 1;
}

/// Whether it keeps the account from working, or is about an instance.
bool IsOfAccount(Fault fault, size_t members) {
  const About about = RuleOf(fault).about;
  if (about == About::kBatch) return members > 1 || fault == Fault::kServer;
  return about != About::kInstance;
}

}  // namespace

bool IsProven(const Account& a, Now now) {
  return a.accepted_at != Mono{} && now.mono < a.accepted_at + kProvenFor;
}

bool OnCallRefused(State& state, Account& a, const Entry& entry, const Refusal& refusal, Now now) {
  LaneState& lane = state.LaneOf(entry.object.lane);
  const size_t members = entry.object.members.size();  // that were called
  const FaultRule& rule = RuleOf(refusal.fault);
  if (!IsRefusedAlike(a, refusal)) a.refused_in_a_row = 0;
  a.refused_code = refusal.code;
  a.refused_as = refusal.fault;
  ++a.refused_in_a_row;
  const bool of_account = IsOfAccount(refusal.fault, members);
  if (!of_account) OnInstancesRefused(a, lane.lane.region, entry.sent_at, now);
  OnFailure(a, of_account ? Work::kCall : Work::kInstance, lane.lane.region,
            {CallReasonOf(refusal.fault), Words(refusal),
             refusal.fault == Fault::kThrottled ? kRefusedAlike : 1, entry.sent_at},
            now);
  if (refusal.fault == Fault::kThrottled) a.terminate.OnThrottled(now.mono);
  if (refusal.fault == Fault::kCredentials) AskCredentials(state, a, now);
  // Who looked at the instances refuses neither the account nor the region.
  if (rule.about == About::kInstance) {
    HealCalls(state, a, lane, entry.sent_at, now);
    return false;
  }
  if (rule.about == About::kLane) {
    TripLane(state, a, lane, refusal, now);
    return true;
  }
  if (!MeetsEverything(a, refusal, members, now)) return false;
  // Slowing down is enough for a service that is busy now and then.
  if (a.refused_in_a_row >= PatienceWith(refusal.fault)) TripCalls(state, a, refusal, now);
  return true;
}

void OnCallAccepted(State& state, Account& a, LaneState& lane, Mono sent, Now now) {
  a.terminate.OnSuccess(now.mono);
  a.accepted_at = now.mono;
  a.refused_in_a_row = 0;
  OnCallWorked(state, a, lane, sent, now);
}

void OnCallWorked(State& state, Account& a, LaneState& lane, Mono sent, Now now) {
  OnEffect(a, lane.lane.region, sent, now);
  HealCalls(state, a, lane, sent, now);
}

void ProbeNow(Account& a, Now now) {
  a.calls_breaker.ProbeNow(now.mono);
  a.credentials_breaker.ProbeNow(now.mono);
  a.looks_after = std::min(a.looks_after, now.mono);
  for (auto& [key, trouble] : a.troubles) trouble.retold = 0;
  for (const auto& [region, lane] : a.lanes) {
    lane->breaker.ProbeNow(now.mono);
    lane->looks_after = std::min(lane->looks_after, now.mono);
    lane->ledger.commit_after = std::min(lane->ledger.commit_after, now.mono);
  }
}

bool IsProbing(const Account& a, const LaneState& lane) {
  return a.calls_breaker.open() || lane.breaker.open();
}

Mono LooksAllowedAt(const Account& a, Now now) {
  if (!a.exists || a.credential.empty()) return base::kNever;
  const std::string& holdup = a.not_ready.reason;
  if (!holdup.empty() && holdup != "CredentialsRejected" && holdup != kDryRunExecuted) {
    return base::kNever;
  }
  Mono at = std::max(a.looks_after, a.describe.Next(now.mono));
  if (a.credentials_breaker.open()) at = std::max(at, a.credentials_breaker.Next());
  return at;
}

bool MayLookFor(State& state, const Request& r, Now now) {
  const Account* account = state.FindAccount(r.spec.account);
  return account != nullptr && LooksAllowedAt(*account, now) != base::kNever;
}

Mono CallsAllowedAt(const Account& a, const LaneState& lane, Now now) {
  if (!a.exists || !a.not_ready.reason.empty()) return base::kNever;
  Mono at = a.terminate.Next(now.mono);
  for (const Breaker* breaker : {&a.calls_breaker, &lane.breaker}) {
    if (breaker->open()) at = std::max(at, breaker->Next());
  }
  return at;
}

const Viewpoint* ViewpointOf(State& state, const Lane& lane) {
  const auto account = state.accounts.find(lane.account);
  if (account == state.accounts.end() || account->second.credential.empty()) return nullptr;
  LaneState& here = state.LaneOf(lane);
  if (here.here == nullptr) {
    here.here = state.identities.At(lane.region, account->second.credential,
                                    account->second.object.spec.endpoint);
  }
  return here.here;
}

CallOptions OptionsOf(const Account& a) {
  return {a.object.spec.endpoint, a.object.spec.use_get, a.object.spec.signature};
}

void KeepCredentialsFresh(State& state, Account& a, Now now) {
  if (now.mono < a.credentials_asked + kCredentialsAge) return;
  AskCredentials(state, a, now);
}

namespace {

/// One id of the account, to ask the service whether it accepts the credentials now: in turn, and
/// of those that were seen if there are any.
std::optional<std::pair<Lane, InstanceId>> AnyTarget(const State& state, const Account& a) {
  std::vector<std::pair<Lane, InstanceId>> seen;
  std::optional<std::pair<Lane, InstanceId>> any;
  for (const auto& [key, r] : state.requests) {
    if (r->spec.account != a.object.name || !r->IsAccepted()) continue;
    for (size_t i = 0; i < r->spec.members.size() && seen.size() < kProbes; ++i) {
      const std::pair<Lane, InstanceId> probe{r->lane(), r->members[i].id};
      if (!r->members[i].charge.empty()) seen.push_back(probe);
      if (!any) any = probe;
    }
    if (seen.size() == kProbes) break;
  }
  if (seen.empty()) return any;
  return seen[a.probe_turn % seen.size()];
}

bool WaitsForCredentials(const Account& a) {
  return a.exists && a.object.errors.empty() &&
         (a.credential.empty() || a.credentials_breaker.open());
}

/// A breaker whose probe is due sends a look of its own when nothing else wants to look.
void ProbeCredentials(State& state, Account& a, Now now) {
  if (!a.credentials_breaker.open() || a.credential.empty() || IsForeign(state, a)) return;
  if (LooksAllowedAt(a, now) > now.mono || a.probe_after > now.mono) return;
  const auto probe = AnyTarget(state, a);
  a.probe_after = probe ? Mono{} : now.mono + kProbeSearch;
  if (!probe) return;
  a.describe.TryTake(now.mono);
  a.credentials_breaker.OnSend();
  ++a.probe_turn;
  state.Do(Observe{probe->first, OptionsOf(a), {probe->second}});
}

}  // namespace

void DriveAccounts(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced() || state.stopping) return;
  for (auto& [name, a] : state.accounts) {
    DriveTrouble(state, a, now);
    if (!WaitsForCredentials(a)) continue;
    KeepCredentialsFresh(state, a, now);
    ProbeCredentials(state, a, now);
  }
}

Mono NextAccountWake(const State& state, Now now) {
  Mono next = base::kNever;
  if (state.stopping) return next;
  for (const auto& [name, a] : state.accounts) {
    next = std::min(next, NextTrouble(a));
    if (!WaitsForCredentials(a)) continue;
    next = std::min(next, std::max(now.mono, a.credentials_asked + kCredentialsAge));
    if (a.credentials_breaker.open() && !IsForeign(state, a)) {
      next = std::min(next, std::max(a.probe_after, LooksAllowedAt(a, now)));
    }
  }
  return next;
}

}  // namespace retirement
