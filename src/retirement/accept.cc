#include "retirement/accept.h"

#include <algorithm>

#include "retirement/durations.h"
#include "retirement/trouble.h"

namespace retirement {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string Join(const std::vector<std::string>& parts, const char* separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

Holdup ForPerson(std::string reason, std::string message) {
  return {.reason = std::move(reason),
          .message = std::move(message),
          .until = {},
          .needs_person = true,
          .account_wide = false,
          .told_only = false};
}
Holdup Heals(std::string reason, std::string message) {
  return {.reason = std::move(reason),
          .message = std::move(message),
          .until = {},
          .needs_person = false,
          .account_wide = false,
          .told_only = false};
}
Holdup Timed(std::string reason, std::string message, Wall until) {
  Holdup h = Heals(std::move(reason), std::move(message));
  h.until = until;
  return h;
}
Holdup AccountWide(std::string reason, std::string message) {
  Holdup h = Heals(std::move(reason), std::move(message));
  h.account_wide = true;
  return h;
}

std::optional<Wall> GraceEnd(const Request& r) {
  if (r.spec.grace == Millis{0} || !r.accepted) return std::nullopt;
  Wall from = *r.accepted;
  // A member that was added later counts from its own time.
  for (const MemberStatus& m : r.members) {
    if (!IsFinal(m.state)) from = std::max(from, m.added);
  }
  return from + r.spec.grace;
}

}  // namespace

Holdup CheckAccepted(const Request& r, const Account* account) {
  if (!r.errors.empty()) return ForPerson("InvalidSpec", Join(r.errors, "; "));
  const std::string& name = r.spec.account;
  if (account == nullptr || !account->exists) {
    return Heals("AccountNotFound", "there is no CloudAccount \"" + name +
                                        "\"; create it, or correct spec.accountRef.name");
  }
  const AccountSpec& spec = account->object.spec;
  if (!spec.all_namespaces && !Contains(spec.namespaces, r.key.ns)) {
    return ForPerson("NamespaceNotAllowed", "CloudAccount \"" + name +
                                                "\" does not allow requests from namespace \"" +
                                                r.key.ns + "\" (spec.allowedNamespaces)");
  }
  if (!Contains(spec.regions, r.spec.region)) {
    return ForPerson("RegionNotAllowed", "CloudAccount \"" + name + "\" may act in " +
                                             Join(spec.regions, ", ") + " only, not in " +
                                             r.spec.region);
  }
  return {};
}

Holdup CheckPermitted(const Request& r, const Account& account, const LaneState* lane, Now now) {
  const std::string& name = r.spec.account;
  if (r.spec.expires_at && SlowerClock(account, now) >= *r.spec.expires_at) {
    return ForPerson("Expired", "spec.schedule.expiresAt has passed; nothing more is started");
  }
  if (!account.not_ready.reason.empty()) {
    return AccountWide("AccountNotReady",
                       "CloudAccount \"" + name + "\" is not ready: " + account.not_ready.message);
  }
  if (account.object.spec.paused) {
    return AccountWide("Paused", "CloudAccount \"" + name + "\" is paused");
  }
  if (account.object.spec.mode == Mode::kDryRun) {
    return AccountWide("AccountDryRun", "CloudAccount \"" + name +
                                            "\" is in mode DryRun; nothing is terminated until an "
                                            "administrator sets spec.mode to Execute");
  }
  if (r.spec.expires_at && FasterClock(account, now) >= *r.spec.expires_at) {
    return Heals("ClockSuspect",
                 "the clock of this machine and that of the service differ on whether "
                 "spec.schedule.expiresAt has passed; nothing is started");
  }
  if (r.spec.suspend) return Heals("Suspended", "spec.suspend is true");
  if (!r.hold.empty()) return Heals("HoldPresent", "held by annotation " + r.hold);
  if (r.spec.not_before && SlowerClock(account, now) < *r.spec.not_before) {
    return Timed("NotBefore", "starts at " + base::FormatRfc3339(*r.spec.not_before),
                 *r.spec.not_before);
  }
  const auto grace_end = GraceEnd(r);
  if (r.spec.grace > Millis{0} && !r.accepted_written) {
    return Heals("GracePeriod", "the grace period begins once its start is recorded");
  }
  if (grace_end && SlowerClock(account, now) < *grace_end) {
    return Timed("GracePeriod", "the grace period ends at " + base::FormatRfc3339(*grace_end),
                 *grace_end);
  }
  return CheckTrouble(r, account, lane);
}

Holdup CheckTrouble(const Request& r, const Account& account, const LaneState* lane) {
  const std::string& name = r.spec.account;
  Holdup h;
  const Trouble* t = ToldTrouble(account, r.spec.region);
  if (t != nullptr && t->of_account) {
    h = AccountWide("AccountNotReady", "CloudAccount \"" + name + "\" is not ready: " +
                                           t->told_reason + ": " + t->told_message);
  } else if (account.calls_breaker.open()) {
    h = AccountWide("BreakerOpen", "CloudAccount \"" + name + "\" is refused by the cloud: " +
                                       account.calls_breaker.message());
  } else if (lane != nullptr && lane->breaker.open()) {
    h = AccountWide("BreakerOpen", "CloudAccount \"" + name + "\" is refused by the cloud in " +
                                       r.spec.region + ": " + lane->breaker.message());
  } else if (t != nullptr) {
    h = AccountWide("", "in progress; " + t->told_message);
  }
  h.told_only = true;
  return h;
}

Holdup CheckReady(const Account& account, const std::string& installation) {
  const AccountObject& o = account.object;
  if (!o.errors.empty()) return ForPerson("InvalidSpec", Join(o.errors, "; "));
  if (o.status.installation.empty()) return Heals("Claiming", "not claimed by an operator yet");
  if (o.status.installation != installation) {
    return Heals("OwnedByAnotherOperator", "served by the operator in namespace \"" +
                                               o.status.installation +
                                               "\"; this one does nothing with it");
  }
  if (account.dry_run_executed) {
    return ForPerson(kDryRunExecuted,
                     "the service executed a call that said DryRun=true; nothing more is called "
                     "until spec.api.serverSideDryRun is set to false");
  }
  if (!account.credentials_read)
    return Heals("CredentialsUnknown", "its credentials are being read");
  if (account.credential.empty()) return Heals("CredentialsMissing", account.credential_error);
  if (account.credentials_breaker.open()) {
    return Heals("CredentialsRejected", account.credentials_breaker.message());
  }
  return {};
}

namespace {

Wall ServiceTimeOr(const Account& account, Now now) {
  return account.clock.Fresh(now.mono).value_or(now.wall);
}

}  // namespace

Wall SlowerClock(const Account& account, Now now) {
  return std::min(now.wall, ServiceTimeOr(account, now));
}

Wall FasterClock(const Account& account, Now now) {
  return std::max(now.wall, account.clock.Latest(now.mono).value_or(now.wall));
}

Wall RecordedClock(const Account& account, Now now) {
  const Wall service = ServiceTimeOr(account, now);
  // An answer may have taken so long.
  const bool late = now.wall > service && now.wall - service <= kLongestAnswer;
  return late ? now.wall : service;
}

std::optional<Wall> NextWallTime(const Request& r, const Account& account, Now now) {
  std::optional<Wall> next;
  const auto consider = [&](const std::optional<Wall>& time, Wall clock) {
    if (!time || *time <= clock) return;
    const Wall at = now.wall + (*time - clock);
    if (!next || at < *next) next = at;
  };
  consider(r.spec.not_before, SlowerClock(account, now));
  consider(GraceEnd(r), SlowerClock(account, now));
  consider(r.spec.expires_at, FasterClock(account, now));
  consider(r.spec.expires_at, SlowerClock(account, now));
  // One of them is wrong, and not for ever.
  const bool differ = FasterClock(account, now) - SlowerClock(account, now) > kClockError;
  if (next && differ) next = std::min(*next, now.wall + minutes{10});
  return next;
}

}  // namespace retirement
