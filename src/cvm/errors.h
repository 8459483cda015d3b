// Every documented error code of TerminateInstances and of the API in general, and what it means
// for a call. The classes are ours; codes and texts are the vendor's (CVM API 2017-03-12,
// TerminateInstances, and the common error codes).

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cvm {

enum class ErrorClass {
  kThrottled,     // refused before anything was looked at; the same request may follow
  kCredentials,   // likewise; nothing works until they change
  kExpired,       // likewise; the signature's time
  kAccount,       // nothing of this account can be terminated for now
  kLane,          // nothing in this region can
  kUnauthorized,  // not allowed for these instances, or for any
  kServer,        // the service failed
  kBusy,          // this instance is busy; it heals
  kObserve,       // gone, going or unknown: look at it
  kBlocked,       // this instance needs a person
  kFinal,         // this instance can never be terminated
  kSplit,         // one of several is wrong, or we are
  kDryRunOk,      // the dry run would have succeeded
};

struct ErrorRule {
  std::string_view code;
  ErrorClass error_class;
  std::string_view reason;  // of the member's status, see docs/api.md; "" where none applies
};

std::span<const ErrorRule> ErrorTable();

/// The rule of a code; for an unknown one that of its dotted prefix, longest first; at last kSplit.
ErrorRule Classify(std::string_view code);

/// The ids that a message quotes: a hint, no more (messages may change).
std::vector<std::string> QuotedIds(std::string_view message);

}  // namespace cvm
