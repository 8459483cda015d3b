#include <algorithm>

#include "retirement/accept.h"
#include "retirement/accounts.h"
#include "retirement/members.h"
#include "retirement/trouble.h"

namespace retirement {
namespace {

constexpr Millis kStatusDelay = seconds{1};
constexpr Millis kLeaseInterval = minutes{1};

struct Draft {
  ConditionStatus status;
  std::string reason;
  std::string message;
};

/// Whatever else keeps it from working, too.
std::string WithOthers(const Account& a, const Trouble& first) {
  std::string message = first.told_message;
  const auto add = [&message](const std::string& other) {
    if (message.find(other) == std::string::npos) message += "; " + other;
  };
  for (const auto& [key, t] : a.troubles) {
    if (t.told && t.of_account) add(t.told_message);
  }
  if (a.calls_breaker.open()) add(a.calls_breaker.message());
  return message;
}

/// T1: what keeps the account from working, first of all what stops it.
std::optional<Draft> NotReadyDraft(const Account& a, const Holdup& not_ready) {
  const auto kFalse = ConditionStatus::kFalse;
  const Trouble* trouble = ToldTrouble(a, "");
  const bool told = trouble != nullptr && trouble->of_account;
  // What refuses the looks may have changed since the credentials were rejected.
  const bool of_looks = told && not_ready.reason == ReadyReasonOf(Fault::kCredentials);
  if (!not_ready.reason.empty() && !of_looks) {
    return Draft{kFalse, not_ready.reason, not_ready.message};
  }
  if (told) return Draft{kFalse, trouble->told_reason, WithOthers(a, *trouble)};
  if (a.calls_breaker.open()) {
    return Draft{kFalse, a.calls_breaker.reason(), a.calls_breaker.message()};
  }
  for (const auto& [region, lane] : a.lanes) {
    if (!lane->breaker.open()) continue;
    return Draft{kFalse, lane->breaker.reason(), region + ": " + lane->breaker.message()};
  }
  return std::nullopt;
}

Draft ReadyDraft(const Account& a, const Holdup& not_ready) {
  if (const auto draft = NotReadyDraft(a, not_ready)) return *draft;
  if (const Trouble* trouble = ToldTrouble(a, "")) {
    return {ConditionStatus::kTrue, "Ready", "the account is served; " + trouble->told_message};
  }
  if (a.fence_widened > Millis{0}) {
    return {ConditionStatus::kTrue, "Ready",
            "the service refused fresh signatures as expired; they are now made " +
                base::FormatDuration(a.fence_widened) + " younger: check this machine's clock"};
  }
  if (a.clock_ahead != Millis{0}) {
    return {ConditionStatus::kTrue, "Ready",
            "the clock of this machine is " +
                base::FormatDuration(std::chrono::abs(a.clock_ahead)) +
                (a.clock_ahead > Millis{0} ? " ahead of" : " behind") +
                " the service's; what waits goes by the slower of them"};
  }
  if (a.dry_run_unknown) {
    return {ConditionStatus::kTrue, "Ready",
            "the service does not know DryRun (UnknownParameter); dry runs do not ask it"};
  }
  if (a.dry_run_doubted) {
    return {ConditionStatus::kTrue, "Ready",
            "what a call that said DryRun=true did was not seen; dry runs do not ask the service "
            "until spec.api.serverSideDryRun is set to false, and to true again"};
  }
  return {ConditionStatus::kTrue, "Ready", "the account is served"};
}

Draft CredentialsDraft(const Account& a) {
  if (a.credentials_valid == ConditionStatus::kTrue) {
    return {a.credentials_valid, "Accepted",
            "the service accepts the credentials with fingerprint " +
                (a.credential.empty() ? a.recorded_credential : a.credential)};
  }
  if (!a.credentials_read) {
    return {ConditionStatus::kUnknown, "NotReadYet", "the credentials are being read"};
  }
  if (a.credential.empty()) {
    return {ConditionStatus::kFalse, "CredentialsMissing", a.credential_error};
  }
  if (a.credentials_breaker.open()) {
    return {ConditionStatus::kFalse, "Rejected", a.credentials_breaker.message()};
  }
  return {ConditionStatus::kUnknown, "NotUsedYet", "no call has been made with them yet"};
}

void AddCondition(AccountStatus& status, const Account& a, const char* type, const Draft& d,
                  Now now) {
  Wall since = now.wall;
  for (const Condition& before : a.object.status.conditions) {
    if (before.type == type && before.status == d.status) since = before.since;
  }
  status.conditions.push_back({type, d.status, d.reason, d.message, since, a.object.generation});
}

/// What would go if the account let it.
void CountWaiting(const State& state, const Account& a, AccountStatus& status) {
  for (const auto& [key, r] : state.requests) {
    if (r->spec.account != a.object.name || !r->IsAccepted() || !r->Executes()) continue;
    if (r->not_permitted.reason.empty() || !r->not_permitted.account_wide) continue;
    const int members = Count(*r, MemberState::kPending) + Count(*r, MemberState::kWaiting);
    status.waiting_instances += members;
    status.waiting_requests += members > 0;
  }
}

AccountStatus RenderAccount(const State& state, const Account& a, Now now) {
  AccountStatus status;
  status.observed_generation = a.object.generation;
  status.installation = state.config.installation;
  // It is ours from this write on, whoever had it before.
  const Holdup not_ready =
      a.not_ready.reason == "Claiming"
          ? Holdup{"CredentialsUnknown", "its credentials are being read", {}, false, false, false}
          : CheckReady(a, a.object.status.installation);
  AddCondition(status, a, "Ready", ReadyDraft(a, not_ready), now);
  AddCondition(status, a, "CredentialsValid", CredentialsDraft(a), now);
  CountWaiting(state, a, status);
  return status;
}

void WatchOtherInstallation(State& state, Account& a, Now now) {
  if (a.lease_asked != Mono{} && now.mono < a.lease_asked + kLeaseInterval) return;
  a.lease_asked = now.mono;
  state.Do(ReadLease{a.object.name, a.object.status.installation});
}

}  // namespace

void TouchAccount(Account& a, Now now) {
  const Mono earliest = a.last_write == Mono{} ? now.mono : a.last_write + seconds{2};
  a.due = std::min(a.due, std::max(now.mono + kStatusDelay, earliest));
  if (a.object.status.installation.empty()) a.due = now.mono;
}

void FlushAccounts(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced()) return;
  for (auto& [name, a] : state.accounts) {
    if (a.due > now.mono || !a.exists || a.writing) continue;
    a.due = base::kNever;
    if (IsForeign(state, a)) {
      WatchOtherInstallation(state, a, now);
      a.due = now.mono + kLeaseInterval;
      continue;
    }
    // Before the credentials were read once there is nothing new to say but the claim.
    const bool ours = a.object.status.installation == state.config.installation;
    if (!a.credentials_read && a.object.errors.empty() && ours) continue;
    AccountStatus status = RenderAccount(state, a, now);
    const uint64_t fingerprint = FingerprintOf(status);
    if (fingerprint == a.observed_fingerprint) continue;
    a.observed_fingerprint = fingerprint;
    a.writing = true;
    a.last_write = now.mono;
    state.Do(WriteAccountStatus{name, a.object.version, std::move(status)});
  }
}

void OnAccountStatusWritten(State& state, const StatusWritten& event, Now now) {
  Account* a = state.FindAccount(event.key.name);
  if (event.written) {
    state.view.OnOwnWrite({Kind::kAccount, ""}, event.version, event.sent);
  }
  if (a == nullptr) return;
  a->writing = false;
  if (event.written || event.conflict) a->failed_writes = 0;
  if (event.written) return;
  a->observed_fingerprint = 0;
  constexpr int kMostDoublings = 8;  // of a second: about four minutes
  a->due = now.mono + seconds{1} * (1 << std::min(a->failed_writes, kMostDoublings));
  ++a->failed_writes;
}

Mono NextAccountWrite(const State& state) {
  Mono next = base::kNever;
  for (const auto& [name, a] : state.accounts) {
    if (a.exists && !a.writing) next = std::min(next, a.due);
  }
  return next;
}

}  // namespace retirement
