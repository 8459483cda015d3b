// Trouble: what keeps an account from working, since when. T1: what lasts is told on the account
// and on its requests, and its end likewise.

#pragma once

#include "retirement/state.h"

namespace retirement {

/// What a failure says about itself: a reason of CloudAccount's Ready, and words with the code.
struct Failure {
  std::string reason{};
  std::string message{};
  int suffices = 1;  // so many in a row show that it lasts
  Mono sent{};       // of a call, or of an entry
};

/// Looks, commits or calls of this region fail; a success ends that.
void OnFailure(Account& account, Work work, const std::string& region, Failure failure, Now now);
void OnSuccess(Account& account, Work work, const std::string& region, Now now);
/// What looks of any region were refused for because of the credentials is over.
void OnCredentialsAccepted(Account& account, Now now);
/// An entry that was committed then is shown by the watch: what failed until it is over.
void OnShown(Account& account, const std::string& region, Mono committed, Now now);
/// A call that was sent then is seen to have worked: what failed until it is over.
void OnEffect(Account& account, const std::string& region, Mono sent, Now now);
/// A call that was sent then failed because of its instances: what failed for other reasons until
/// then may be over.
void OnInstancesRefused(Account& account, const std::string& region, Mono sent, Now now);
/// Forgets what was not tried again for long; tells what has lasted.
void DriveTrouble(State& state, Account& account, Now now);
Mono NextTrouble(const Account& account);

/// What is told of it now, for requests of `region` ("" for any); null for nothing.
const Trouble* ToldTrouble(const Account& account, const std::string& region);

/// "RequestLimitExceeded: slow down".
std::string Words(const Refusal& refusal);
/// The reason of the account's Ready when DescribeInstances is refused so.
std::string ReadyReasonOf(Fault fault);
/// The same for TerminateInstances: calls are held back.
std::string CallReasonOf(Fault fault);

}  // namespace retirement
