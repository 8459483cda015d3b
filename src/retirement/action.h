// Everything that the engine asks of the shell. Each but Announce, Tally and Reconnect comes back
// as one event.

#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "retirement/event.h"

namespace retirement {

/// How the calls of an account are written.
struct CallOptions {
  std::string endpoint{};
  bool use_get = false;
  std::string signature{};
  bool operator==(const CallOptions&) const = default;
};

/// DescribeInstances for 1..100 ids.
struct Observe {
  Lane lane;
  CallOptions options;
  std::vector<InstanceId> ids;
};

/// Read the metadata of these objects live (S12).
struct Confirm {
  uint64_t token = 0;
  std::vector<RequestKey> requests;
  std::string account;  // "" when the account need not be read
};

/// Create this RetirementBatch.
struct Commit {
  BatchObject batch;
};
/// Read an entry that somebody else wrote; comes back as BatchSeen, or as BatchGone.
struct ReadBatch {
  Lane lane;
  uint64_t sequence = 0;
};

/// TerminateInstances (S1: 1..100 distinct ids), not one byte of it after `send_before` (S7).
struct Call {
  Lane lane;
  uint64_t sequence = 0;
  CallOptions options;
  std::vector<InstanceId> ids;
  bool release_address = false;
  bool release_disks = false;
  bool dry_run = false;
  std::string credential;  // to be sent only under these credentials
  Wall signed_at{};        // the time in the signature
  Mono committed_at{};     // when `signed_at` was fixed
  Mono send_before{};
};

/// Write the status of an entry.
struct Record {
  BatchObject batch;
};
struct DeleteBatch {
  Lane lane;
  uint64_t sequence = 0;
};

struct WriteStatus {
  RequestKey key;
  std::string version;
  RequestStatus status;
};
struct WriteAccountStatus {
  std::string name;
  std::string version;
  AccountStatus status;
};

/// A Kubernetes event.
struct Announce {
  enum class About : uint8_t { kRequest, kAccount, kBatch };
  About kind = About::kRequest;
  RequestKey about;  // for an account or a batch: its name
  std::string uid;
  bool warning = false;
  std::string reason;
  std::string note;
};

/// The view of this kind is wrong: list and watch it anew.
struct Reconnect {
  Kind kind = Kind::kRequest;
};

/// Read the credentials of an account again.
struct ReadCredentials {
  std::string account;
  AccountSpec spec;
};

/// Is the lease of the installation in `ns` still held?
struct ReadLease {
  std::string account;
  std::string ns;
};

/// Something to be counted in the metrics.
struct Tally {
  enum class What { kBatch, kBatchSize, kInstance, kAmbiguous, kLatency };
  What what = What::kBatch;
  Lane lane;
  std::string label;
  double value = 1;
};

using Action =
    std::variant<Observe, Confirm, Commit, ReadBatch, Call, Record, DeleteBatch, WriteStatus,
                 WriteAccountStatus, Announce, Reconnect, ReadCredentials, ReadLease, Tally>;

}  // namespace retirement
