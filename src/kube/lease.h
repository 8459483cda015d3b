// Leader election on a coordination.k8s.io/v1 Lease, as a pure state machine. Only this machine's
// boot-time clock counts; times in the record are never compared with it.

#pragma once

#include <optional>
#include <string>

#include "base/time.h"

namespace kube {

struct LeaseRecord {
  std::string holder{};
  int duration_seconds = 0;
  base::Wall acquired{};
  base::Wall renewed{};
  int transitions = 0;
  std::string version{};  // resourceVersion
  bool operator==(const LeaseRecord&) const = default;
};

struct LeaseTimings {
  base::Millis duration{10'000};
  base::Millis renew_deadline{7'000};
  base::Millis retry{1'000};
};

class LeaseProtocol {
 public:
  LeaseProtocol(std::string identity, LeaseTimings timings)
      : identity_(std::move(identity)), timings_(timings) {}

  enum class Kind { kGet, kCreate, kUpdate };
  struct Ask {
    Kind kind = Kind::kGet;
    LeaseRecord record{};
    base::Mono at{};  // not before
  };
  /// The next request.
  Ask Next(base::Now now) const;

  /// The answer to kGet: nothing when there is no such Lease.
  void OnRead(const std::optional<LeaseRecord>& record, base::Now now);
  /// kCreate or kUpdate was written; `sent` is when the request left.
  void OnWritten(const LeaseRecord& record, base::Mono sent);
  /// Any request failed, a conflict included: read again.
  void OnFailed(base::Now now);

  /// We lead until then; a time that has passed when we do not. Whoever created the Lease leads
  /// only after one whole duration, because a holder of a deleted Lease may still be acting.
  base::Mono leads_from() const { return leads_from_; }
  base::Mono leads_until() const { return leads_until_; }
  bool Leads(base::Mono now) const { return now >= leads_from_ && now < leads_until_; }

  /// The record that gives the Lease up; to be written only while we hold it.
  LeaseRecord Released(base::Now now) const;

 private:
  LeaseRecord Mine(base::Now now) const;

  std::string identity_;
  LeaseTimings timings_;
  std::optional<LeaseRecord> seen_{};
  base::Mono seen_at_{};  // when the record last changed
  bool read_ = false;     // what we know of the record is current
  base::Mono next_at_{};
  base::Mono leads_from_ = base::kNever;
  base::Mono leads_until_{};
};

}  // namespace kube
