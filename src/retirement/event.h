// Everything that can happen to the engine. Values only; the shell makes them.

#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "retirement/object.h"

namespace retirement {

/// A watch of a kind may be several streams, one per watched namespace; "" is the whole cluster.
struct Stream {
  Kind kind = Kind::kRequest;
  std::string ns{};
  auto operator<=>(const Stream&) const = default;
};

struct AccountSeen {
  AccountObject object;
};
struct AccountGone {
  std::string name;
};
struct RequestSeen {
  RequestObject object;
};
struct RequestGone {
  RequestKey key;
};
struct BatchSeen {
  BatchObject object;
  bool live = false;  // read by us, not by the watch: it proves nothing about the view (S12)
};
struct BatchGone {
  Lane lane;
  uint64_t sequence = 0;
};

/// A complete list follows, object by object; what it lacks is gone.
struct ResetBegin {
  Stream stream;
};
/// The list is complete and of `version`; it was asked for at `sent`.
struct ResetEnd {
  Stream stream;
  std::string version;
  Mono sent;
};
/// All events up to `version` have been delivered.
struct Bookmark {
  Stream stream;
  std::string version;
};

/// What one complete answer of DescribeInstances says about one instance.
struct Sight {
  InstanceId id{};
  ChargeType charge{};
  std::string state{};                 // InstanceState, an open list
  bool operating = false;              // LatestOperationState = OPERATING
  std::string operation_error{};       // LatestOperationErrorMsg of a FAILED TerminateInstances
  bool terminated_last = false;        // LatestOperation = TerminateInstances
  bool operation_failed = false;       // LatestOperationState = FAILED
  CloudRequestId operation_request{};  // LatestOperationRequestId
  bool protected_from_termination = false;
  std::string name{};
  std::vector<std::string> private_ips{};
};

/// What the time of an answer tells about the service's clock.
struct ServiceTime {
  Wall date{};      // its Date header
  Mono received{};  // when we read it
};

/// How the cloud refused, or failed to answer: what the engine does about it (cvm/errors).
enum class Fault : uint8_t {
  kThrottled,     // refused before anything was looked at
  kCredentials,   // likewise; the account can do nothing until they change
  kExpired,       // likewise: the signature's time
  kAccount,       // the whole account is refused for now: unpaid, quota, MFA
  kLane,          // nothing can be done in this region
  kUnauthorized,  // these instances, or the account, may not be terminated by us
  kServer,        // the service failed; worth repeating, then worth splitting
  kBusy,          // this instance is busy; it heals
  kObserve,       // already gone, going or unknown: look
  kBlocked,       // this instance needs a person
  kFinal,         // this instance can never be terminated
  kSplit,         // one of them is wrong; find it
  kDryRunOk,      // a call with DryRun=true would have been accepted
  kUnreachable,   // no connection
};

struct Refusal {
  Fault fault = Fault::kServer;
  Reason reason = Reason::kRejectedByApi;
  std::string code{};
  std::string message{};
  std::vector<InstanceId> hinted{};  // ids that the message quotes
};

/// The answer to Observe. The sights are those of the ids that exist.
struct Observed {
  Lane lane;
  std::vector<InstanceId> ids;
  Mono sent;
  std::string credential;  // the hash under which it was asked
  std::variant<std::vector<Sight>, Refusal> answer;
  std::optional<ServiceTime> service_time;
  std::string endpoint = "";  // where it was asked
};

/// The live metadata of one object.
struct LiveRequest {
  RequestKey key{};
  bool found = false;
  std::string uid{};
  int64_t generation = 0;
  bool deleting = false;
  std::string hold{};
  std::string version{};
};
struct LiveAccount {
  std::string name{};
  bool found = false;
  std::string uid{};
  int64_t generation = 0;
  std::string version{};
};
struct Confirmed {
  uint64_t token = 0;
  Mono sent{};
  bool complete = false;  // every read was answered
  std::vector<LiveRequest> requests{};
  std::optional<LiveAccount> account{};
};

/// The end of Commit.
struct Committed {
  // kInvalid: the server refuses the object itself (422).
  enum class Outcome { kCreated, kExists, kFailed, kInvalid };
  Lane lane;
  uint64_t sequence = 0;
  Outcome outcome = Outcome::kFailed;
  std::string version{};
  std::string error{};
  Millis retry_after{0};  // what the server asks for
};

/// The end of Call (engine's view of cvm::Outcome).
struct Answered {
  enum class Outcome { kAccepted, kNotSent, kRefusedUnseen, kRejected, kUnclear };
  Lane lane;
  uint64_t sequence = 0;
  Outcome outcome = Outcome::kUnclear;
  std::string request_id{};
  Refusal refusal{};             // for kRefusedUnseen, kRejected; the message also for the others
  bool fence_was_fresh = false;  // the bytes left within a second of signing
  std::optional<ServiceTime> service_time{};
};

struct Recorded {
  Lane lane;
  uint64_t sequence = 0;
  bool written = false;
  bool conflict = false;  // someone else wrote; the watch will tell
  bool missing = false;   // the entry is gone
  std::string version{};
  Mono sent{};
  Millis retry_after{0};  // what the server asks for
};

/// The end of WriteStatus or WriteAccountStatus.
struct StatusWritten {
  Kind kind = Kind::kRequest;
  RequestKey key{};  // for an account: its name
  bool written = false;
  bool conflict = false;
  std::string version{};
  Mono sent{};
  bool invalid = false;  // the server refuses the status itself (422)
};

struct CredentialsChanged {
  std::string account;
  std::string credential;        // salted hash of the SecretId, "" when there is none
  std::string error;             // why there is none
  std::string secret_name = "";  // where they were read
  std::string revision = "";     // changes with any part of them
};

/// The lease of an account's other installation, asked for by ReadLease.
struct LeaseSeen {
  std::string account;
  std::string ns;
  bool alive = false;
};

/// We lead until `until`; a time that has passed means that we do no longer.
struct Lead {
  Mono until;
};
/// Finish what is in flight, begin nothing.
struct Stop {};
/// Time has passed.
struct Tick {};

using Event =
    std::variant<AccountSeen, AccountGone, RequestSeen, RequestGone, BatchSeen, BatchGone,
                 ResetBegin, ResetEnd, Bookmark, Observed, Confirmed, Committed, Answered, Recorded,
                 StatusWritten, CredentialsChanged, LeaseSeen, Lead, Stop, Tick>;

}  // namespace retirement
