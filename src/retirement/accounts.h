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
/// What the refusal of a TerminateInstances tells about the account.
void OnCallRefused(State& state, Account& account, const Refusal& refusal, Now now);
void OnCallAccepted(State& state, Account& account, Now now);

/// Decides anew whether the account is ready; its requests follow.
void UpdateReady(State& state, Account& account, Now now);
/// Served by another installation: we do nothing with it, not even status.
bool IsForeign(const State& state, const Account& account);

/// When DescribeInstances may next be sent for it; kNever while it is not ready.
Mono LooksAllowedAt(const Account& account, Now now);
/// When TerminateInstances may next be sent for it.
Mono CallsAllowedAt(const Account& account, Now now);
CallOptions OptionsOf(const Account& account);
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
