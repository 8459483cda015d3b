// What the simulated world is made of: its shape, its processes, what troubles it and what is
// counted in it. Values only.

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "retirement/engine.h"

namespace simulation {

using namespace retirement;

/// How likely faults are, and how large the world is.
struct Shape {
  double faults = 1;
  int requests = 3;
  int members = 4;
  int accounts = 1;
  int regions = 1;
  int processes = 2;
  bool rivals = false;          // each process is of another installation
  bool stubborn = false;        // refusals last for hours, and users are quiet
  bool big = false;             // hundreds of instances
  bool crowded = false;         // hundreds of requests name the same few instances
  bool keeps_postpaid = false;  // this site keeps postpaid instances in the bin, too
  bool slow = false;            // effects take longer than the engine may rely on
  bool guests = false;          // some namespaces are not allowed, and forge statuses
  bool dry_runs = false;        // accounts may ask the service for dry runs
  /// Faults that do not happen although their time has come: "kind", or "kind#n" for the n-th one.
  /// Also invariants that are not judged, to see what hides behind one that is broken: "S12".
  std::set<std::string> suppressed{};
  std::optional<InstanceId> focus{};  // the trace tells all of this instance
};
Shape ShapeOf(uint64_t seed);

/// How often each kind of fault occurred.
using FaultCounts = std::map<std::string, int64_t>;

struct Report {
  std::string violation{};  // "" for none
  std::vector<std::string> trace{};
  FaultCounts faults{};
  int64_t steps = 0;
};

using EntryKey = std::pair<Lane, uint64_t>;

/// One operator of an installation, leading or waiting for the lease. Actions and events of a
/// process that has died reach nobody: `life` has moved on. `stood` is how far its monotonic clock
/// is behind the world's; every Mono that its engine sees is by its own clock.
struct Process {
  int number = 0;
  int64_t life = 0;
  std::string installation = "operator";
  std::string holder{};
  std::unique_ptr<Engine> engine{};  // only while it leads
  Mono frozen_until{};
  Mono lead_until{};  // the validity that it was told last, by its clock
  Millis skew{0};     // its wall clock minus the truth
  Millis stood{0};
  Mono stood_at{};           // when it last awoke with its clock behind
  Millis stood_for{0};       // for how long it stood then
  Mono wake = base::kNever;  // by its clock, when it is scheduled
  uint64_t wakes = 0;        // only the last that was scheduled counts
  int idle_ticks = 0;
  bool stopping = false;
  Mono led_since{};
  Mono silent_until{};  // it cannot renew the lease before
  std::map<Kind, Mono> last_delivery{};
  std::map<Kind, std::string> delivered{};  // the version that each watch has reached
  std::map<Kind, Mono> lag_until{};         // each event comes late by `lag` until then
  std::map<Kind, Millis> lag{};
  std::map<Kind, int> watches{};
  std::set<Kind> listing{};                          // whose list is not complete
  std::map<std::string, std::string> credentials{};  // by account
  std::set<EntryKey> shown{};                        // entries that its engine was shown
  std::string seen_holder{};
  uint64_t seen_renewal = 0;
  Mono seen_at{};  // when that was first seen
};

struct Lease {
  std::string holder{};
  uint64_t renewal = 0;
  Mono renewed_at{};
};

/// Something that the service refuses for a while.
struct Trouble {
  std::string code{};
  std::string account{};           // "" for all
  std::string region{};            // "" for all
  std::optional<InstanceId> id{};  // nothing for all
  bool looks = false;
  bool calls = false;
  Mono until{};
};

/// When something was so: what S6 and S10 are judged by.
struct Span {
  Mono since;
  Mono until;
};
using Spans = std::vector<Span>;

struct StoredEntry {
  BatchObject object;
  uint64_t birth;  // entries of one number that were deleted and made anew differ
  Mono created_at{};
  Mono closed_at{base::kNever};
};

/// The last executed termination of one instance by us.
struct LastCall {
  int accepted = 0;          // since last seen outside the bin
  std::string request_id{};  // of the newest
  bool clean = false;        // its answer said so
  Mono at{};
};

/// How one activity of an account (looks, calls, commits) fares.
struct Fortune {
  int failures = 0;      // since the last success
  Mono failing_since{};  // the first of them
  Mono last_failure{};
  std::map<std::string, Mono> codes{};  // since when it fails with each  // of those failures
  Mono success_since{};                 // the first success after failures
  Mono last_success{};
};
enum class Activity { kLook, kCall, kCommit };

/// What is counted of an account.
struct Effort {
  std::deque<Mono> calls{};
  std::deque<Mono> entries{};
  std::deque<Mono> looks{};
  std::deque<Mono> writes{};
  Mono last_accepted{};
  Mono last_called{};
  Mono last_refused{};                   // as an account
  std::set<std::string> refused_with{};  // since the last acceptance
  std::set<std::string> refused_in{};    // regions that took no call since they refused one
  int refused_looks = 0;                 // in a row
  Mono tenth_refused{};
  std::string looks_of{};
  std::map<Activity, Fortune> fortunes{};
  Mono fortunes_since{};
  Mono refusing_until{};  // the kube-apiserver refuses its entries
};

/// How an account was before its last edit, or its deletion.
struct PastAccount {
  AccountSpec spec{};
  Mono until{};
};

/// What is counted of a request.
struct Chatter {
  std::deque<Mono> writes{};
  std::deque<Mono> events{};
};

/// Who saw an instance last, and when.
struct Sighted {
  std::string holder{};
  Mono at{};
};

/// Since when a member shows what it shows.
struct Shown {
  MemberState state{};
  Reason reason{};
  Mono since{};
};

}  // namespace simulation
