// Accept: may this request act at all, and may it act now? Pure.

#pragma once

#include "retirement/request.h"

namespace retirement {

/// CloudAccount, condition Ready: a call that said DryRun=true was executed.
inline constexpr const char* kDryRunExecuted = "DryRunExecuted";

/// Why `request` is not accepted: its spec, its account's existence, namespaces or regions.
/// `account` is null when there is none of that name.
Holdup CheckAccepted(const Request& request, const Account* account);

/// Why an accepted request may not go on at `now` (S10), the first of: account not ready, expired,
/// paused, account in DryRun, suspended, hold, notBefore, grace; then what is told only, because it
/// is tried on: a breaker, trouble of the account.
Holdup CheckPermitted(const Request& request, const Account& account, const LaneState* lane,
                      Now now);
/// The last of these: trouble of the account in the request's region, told only; a message without
/// a reason when it is about instances.
Holdup CheckTrouble(const Request& request, const Account& account, const LaneState* lane);

/// Why an account serves nobody: spec, other installation, credentials.
Holdup CheckReady(const Account& account, const std::string& installation);

/// S10: the machine's clock and the service's may be wrong, but hardly both at once. What has to
/// wait waits by the slower of them, what has to end ends by the faster one.
Wall SlowerClock(const Account& account, Now now);
Wall FasterClock(const Account& account, Now now);
/// What is recorded: the service's time, if it was heard in the last ten minutes (before a call it
/// always was: an observation is younger), or a leader whose clock is ahead would
/// end what another one began.
Wall RecordedClock(const Account& account, Now now);

/// The earliest time, by the machine's clock, at which time alone may change one of the above;
/// nothing for never.
std::optional<Wall> NextWallTime(const Request& request, const Account& account, Now now);

}  // namespace retirement
