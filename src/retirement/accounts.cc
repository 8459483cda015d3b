#include "retirement/accounts.h"

#include <algorithm>

#include "retirement/accept.h"
#include "retirement/members.h"
#include "retirement/registry.h"

namespace retirement {
namespace {

constexpr Millis kCredentialsAge = seconds{10};
constexpr Millis kLongestPause = seconds{30};

bool SameHoldup(const Holdup& a, const Holdup& b) {
  return a.reason == b.reason && a.message == b.message;
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

/// The reason of its condition Ready, as far as that is about the present spec.
std::string ReadyReason(const AccountObject& o) {
  for (const Condition& c : o.status.conditions) {
    if (c.type == "Ready" && c.observed_generation == o.generation) return c.reason;
  }
  return {};
}

void Adopt(State& state, Account& a, const AccountObject& o, Now now) {
  const bool is_new = !a.exists || a.object.uid != o.uid;
  const bool other_source = is_new || !SameCredentialSource(a.object.spec, o.spec);
  const bool edited = other_source || a.object.generation != o.generation;
  if (is_new || edited) {
    a.dry_run_unknown = false;
    a.dry_run_executed = is_new && ReadyReason(o) == kDryRunExecuted;
  }
  if (is_new) {
    a.credentials_valid = ConditionOf(o.status, "CredentialsValid");
    a.recorded_credential = RecordedCredential(o.status);
  }
  if (other_source) {
    a.credentials_read = false;
    a.credential.clear();
  }
  a.exists = true;
  a.suspect = false;
  a.conflicted = false;
  a.object = o;
  a.terminate.SetLimit(o.spec.terminate_per_second, now.mono);
  a.describe.SetLimit(o.spec.describe_per_second, now.mono);
  if (!a.writing) a.observed_fingerprint = FingerprintOf(o.status);
  if (edited && o.errors.empty()) AskCredentials(state, a, now);
}

void PauseLooks(Account& a, Now now) {
  const Millis pause = seconds{1} * (1 << std::min(a.unreachable, 5));
  ++a.unreachable;
  a.looks_after = now.mono + std::min<Millis>(pause, kLongestPause);
}

void RejectCredentials(State& state, Account& a, const Refusal& refusal, Now now) {
  a.credentials_valid = ConditionStatus::kFalse;
  a.credentials_breaker.Trip("CredentialsRejected", refusal.code + ": " + refusal.message,
                             now.mono);
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
  const bool repaired = a->credential_revision != event.revision;
  a->credential_revision = event.revision;
  const bool changed = a->credential != event.credential;
  a->credential_error = event.error;
  const std::string& before = first ? a->recorded_credential : a->credential;
  if (event.credential != before) a->credentials_valid = ConditionStatus::kUnknown;
  a->credentials_read = true;
  a->credential = event.credential;
  if (event.credential.empty()) a->credentials_valid = ConditionStatus::kFalse;
  if (changed || repaired) {
    a->credentials_breaker.Heal();
    a->calls_breaker.Heal();
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

void OnDescribeAnswer(State& state, Account& a, const Observed& event, Now now) {
  if (event.service_time) a.clock.Add(event.service_time->date, event.service_time->received);
  if (std::holds_alternative<std::vector<Sight>>(event.answer)) {
    a.unreachable = 0;
    a.describe.OnSuccess(now.mono);
    if (event.credential == a.credential) AcceptCredentials(state, a, now);
    return;
  }
  const auto& refusal = std::get<Refusal>(event.answer);
  switch (refusal.fault) {
    case Fault::kThrottled:
      a.credentials_breaker.OnInconclusive(now.mono);
      return a.describe.OnThrottled(now.mono);
    case Fault::kCredentials:
    case Fault::kUnauthorized:
      if (event.credential != a.credential) return;
      return RejectCredentials(state, a, refusal, now);
    default:
      a.credentials_breaker.OnInconclusive(now.mono);
      return PauseLooks(a, now);
  }
}

void OnCallRefused(State& state, Account& a, const Refusal& refusal, Now now) {
  switch (refusal.fault) {
    case Fault::kThrottled:
      return a.terminate.OnThrottled(now.mono);
    case Fault::kCredentials:
      return RejectCredentials(state, a, refusal, now);
    case Fault::kAccount:
    case Fault::kUnauthorized:
      a.calls_breaker.Trip("BreakerOpen", refusal.code + ": " + refusal.message, now.mono);
      TouchAccount(a, now);
      return RefreshAccount(state, a.object.name, now);
    default:
      return;
  }
}

void OnCallAccepted(State& state, Account& a, Now now) {
  a.terminate.OnSuccess(now.mono);
  if (!a.calls_breaker.open()) return;
  a.calls_breaker.Heal();
  TouchAccount(a, now);
  RefreshAccount(state, a.object.name, now);
}

Mono LooksAllowedAt(const Account& a, Now now) {
  if (!a.exists) return base::kNever;
  const std::string& holdup = a.not_ready.reason;
  if (!holdup.empty() && holdup != "CredentialsRejected" && holdup != kDryRunExecuted) {
    return base::kNever;
  }
  Mono at = std::max(a.looks_after, a.describe.Next(now.mono));
  if (a.credentials_breaker.open()) at = std::max(at, a.credentials_breaker.Next());
  return at;
}

Mono CallsAllowedAt(const Account& a, Now now) {
  if (!a.exists || !a.not_ready.reason.empty()) return base::kNever;
  const Mono at = a.terminate.Next(now.mono);
  return a.calls_breaker.open() ? std::max(at, a.calls_breaker.Next()) : at;
}

CallOptions OptionsOf(const Account& a) {
  return {a.object.spec.endpoint, a.object.spec.use_get, a.object.spec.signature};
}

void KeepCredentialsFresh(State& state, Account& a, Now now) {
  if (now.mono < a.credentials_asked + kCredentialsAge) return;
  AskCredentials(state, a, now);
}

namespace {

/// One id of the account, to ask the service whether it accepts the credentials now.
std::optional<std::pair<Lane, InstanceId>> AnyTarget(const State& state, const Account& a) {
  for (const auto& [key, r] : state.requests) {
    if (r->spec.account != a.object.name || r->spec.members.empty() || !r->IsAccepted()) continue;
    return std::pair(r->lane(), r->spec.members.front().id);
  }
  return std::nullopt;
}

bool WaitsForCredentials(const Account& a) {
  return a.exists && a.object.errors.empty() &&
         (a.credential.empty() || a.credentials_breaker.open());
}

/// A breaker whose probe is due sends a look of its own when nothing else wants to look.
void ProbeCredentials(State& state, Account& a, Now now) {
  if (!a.credentials_breaker.open() || a.credential.empty() || IsForeign(state, a)) return;
  if (LooksAllowedAt(a, now) > now.mono) return;
  const auto probe = AnyTarget(state, a);
  if (!probe) return;
  a.describe.TryTake(now.mono);
  a.credentials_breaker.OnSend();
  state.Do(Observe{probe->first, OptionsOf(a), {probe->second}});
}

}  // namespace

void DriveAccounts(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced() || state.stopping) return;
  for (auto& [name, a] : state.accounts) {
    if (!WaitsForCredentials(a)) continue;
    KeepCredentialsFresh(state, a, now);
    ProbeCredentials(state, a, now);
  }
}

Mono NextAccountWake(const State& state, Now now) {
  Mono next = base::kNever;
  if (state.stopping) return next;
  for (const auto& [name, a] : state.accounts) {
    if (!WaitsForCredentials(a)) continue;
    next = std::min(next, std::max(now.mono, a.credentials_asked + kCredentialsAge));
    if (a.credentials_breaker.open() && !IsForeign(state, a) && AnyTarget(state, a)) {
      next = std::min(next, LooksAllowedAt(a, now));
    }
  }
  return next;
}

}  // namespace retirement
