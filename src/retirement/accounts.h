// Accounts: readiness, credentials, pace and status of each CloudAccount.

#pragma once

#include "retirement/state.h"

namespace retirement {

void OnAccountSeen(State& state, const AccountSeen& event, Now now);
void OnAccountGone(State& state, const std::string& name, Now now);
void SweepAccounts(State& state, uint64_t epoch, Now now);
void OnCredentialsChanged(State& state, const CredentialsChanged& event, Now now);
void OnLeaseSeen(State& state, const LeaseSeen& event, Now now);
void OnAccountStatusWritten(State& state, const StatusWritten& event, Now now);

/// What any answer to DescribeInstances tells about the account.
void OnDescribeAnswer(State& state, Account& account, const Observed& event, Now now);
/// What a refused TerminateInstances tells about the account, its lane, or both. True when it is
/// not about the instances of the batch: those are sought no further.
bool OnCallRefused(State& state, Account& account, const Entry& entry, const Refusal& refusal,
                   Now now);
/// A call was accepted so recently that a refusal is not about the account.
bool IsProven(const Account& account, Now now);
/// One that was sent then was accepted: what was refused later stands.
void OnCallAccepted(State& state, Account& account, LaneState& lane, Mono sent, Now now);
/// A call that was sent then, and whose answer may have been lost, is seen to have worked.
void OnCallWorked(State& state, Account& account, LaneState& lane, Mono sent, Now now);
/// A person asks: what waits for a probe is tried now.
void ProbeNow(Account& account, Now now);
/// Calls are probed, one instance at a time.
bool IsProbing(const Account& account, const LaneState& lane);

/// Decides anew whether the account is ready; its requests follow.
void UpdateReady(State& state, Account& account, Now now);
/// Served by another installation: we do nothing with it, not even status.
bool IsForeign(const State& state, const Account& account);
/// S3: the log of an account is written by the installation that serves it, whose call may be under
/// way.
bool IsOurs(const State& state, const Lane& lane);

/// When DescribeInstances may next be sent for it; kNever while it is not ready.
Mono LooksAllowedAt(const Account& account, Now now);
/// Whether the account of this request can look at all, be it later.
bool MayLookFor(State& state, const Request& request, Now now);
/// When TerminateInstances may next be sent for it in this lane.
Mono CallsAllowedAt(const Account& account, const LaneState& lane, Now now);
CallOptions OptionsOf(const Account& account);
/// From where a lane is seen with the present credentials; null without.
const Viewpoint* ViewpointOf(State& state, const Lane& lane);
/// Credentials that we last read more than ten seconds ago are read again.
void KeepCredentialsFresh(State& state, Account& account, Now now);

/// Reads missing or rejected credentials again, and probes whether they are accepted now.
void DriveAccounts(State& state, Now now);
Mono NextAccountWake(const State& state, Now now);

/// Status: due soon, written at most every two seconds.
void TouchAccount(Account& account, Now now);
void FlushAccounts(State& state, Now now);
Mono NextAccountWrite(const State& state);

}  // namespace retirement
