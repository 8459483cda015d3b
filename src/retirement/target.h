// Target: what we know of one instance, whoever asks for it.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "retirement/event.h"
#include "retirement/identity.h"

namespace retirement {

struct Request;
struct LaneState;

/// An entry of the log: which, called as whom, and how the service names the call. Shared by its
/// members.
struct Origin {
  Lane lane{};
  uint64_t sequence = 0;
  Step step = Step::kFirst;
  const Viewpoint* from = nullptr;
  CloudRequestId request_id{};
};

/// One request's claim on an instance: the index of the member in its status.
struct Claim {
  Request* request = nullptr;
  uint32_t member = 0;
  uint32_t round = 0;  // of the instance's names when it was last told of it; see Crowd
};

/// The order in which claims take part: by rank, then, of those that are blocked, by reason, then
/// by age.
struct CrowdKey {
  int rank = 0;
  Reason reason = Reason::kNone;
  uint32_t round = 0;  // of the names of the instance, for who expects another one
  Wall created{};
  std::string uid{};
  const Request* request = nullptr;
  auto operator<=>(const CrowdKey&) const = default;
};
struct CrowdMember {
  Claim claim{};
  bool holds = false;
  bool wishes = false;
  PrepaidPolicy wish = PrepaidPolicy::kRefuse;
};
/// Claims that wait for a place, see crowd.h.
struct Crowd {
  using Waiting = std::map<CrowdKey, CrowdMember>;
  Waiting waiting{};
  std::unordered_map<const Request*, CrowdKey> keys{};
  int holders = 0;
  std::array<int, 3> wishes{};    // by PrepaidPolicy
  uint32_t round = 0;             // grows with every change of the instance's names
  Reason shared = Reason::kNone;  // what the owner is blocked by now
};

/// An entry of the log, be it there or not.
struct EntryRef {
  Lane lane{};
  uint64_t sequence = 0;
};

/// What one call of it ended as for good, for everybody who wants the same there.
struct EndedAs {
  Intent intent{};
  Lane lane{};
  Reason reason = Reason::kNone;
  std::string message{};
};

/// A target is in one place at a time.
enum class Place : uint8_t {
  kIdle,   // nobody permitted wants it, or it is done
  kLook,   // due to be observed at `due`, or being observed
  kPack,   // observed, waiting for company in a batch
  kBatch,  // in an open batch: see its entry in the ledger
};

/// There may be hundreds of thousands: what is small stands together.
struct Target {
  InstanceId id{};
  std::vector<Claim> claims{};     // that take part: kMostClaims at most
  std::unique_ptr<Crowd> crowd{};  // the others, when there are more
  Request* owner = nullptr;
  bool again = false;  // to be decided anew, see DecideAnew
  Place place = Place::kIdle;
  bool looking = false;  // an Observe that names it is in flight

  // What was seen last, and by whom.
  bool observed = false;  // at least one answer since this process began or the intent changed
  bool present = false;
  bool seen_alive = false;  // this process saw it exist
  bool concluded = false;   // it ended as gone after the present row of absences
  uint16_t absences = 0;    // complete answers in that row
  Mono first_absent{};      // of that row
  Sight sight{};
  Mono binned_at{};  // when the last look that showed it in the bin was sent
  Mono proven_at{};  // the same, where what it showed does not lag behind the last call
  Mono seen_at{};    // when the DescribeInstances that said so was sent
  const Lane* seen_lane = nullptr;
  const Viewpoint* seen_from = nullptr;
  // S8: from where it was seen once; the newest last.
  std::vector<const Viewpoint*> known{};

  // What was done to it.
  bool called = false;           // a call that named it ended at `last_call_end`
  bool accepted = false;         // a call was accepted since it was last seen outside the bin
  bool failed = false;           // one that was accepted when it was prepaid failed
  bool by_us = false;            // a call of ours named it and may have done what is seen
  bool retired_before = false;   // the log says that it was retired
  bool new_termination = false;  // after its call the service showed one that was not there before
  uint16_t attempts = 0;
  Mono last_call_end{};
  Mono settle_until{};    // an unclear call may still take effect before
  Mono retired_learnt{};  // when that was learnt
  // A status tells of a call whose entry is gone, not of its end.
  std::unique_ptr<const EntryRef> orphan{};
  CloudRequestId request_id{};
  std::unique_ptr<const Sight> packed{};  // as it was when it was packed for the last call
  Mono unchanged_since{};  // after that call: the first look of the row that shows the same
  std::shared_ptr<const Origin> binned_by{};  // the log says that this put it into the bin
  Mono asked_at{};                            // a person asked for another call
  Mono believed_at{};                         // a person said that it is right that it is absent

  // The open entry that names it, or the lane in which it waits.
  Lane batch_lane{};
  uint64_t batch = 0;

  // Waiting.
  Reason wait_reason = Reason::kNone;
  uint8_t retries = 0;  // grows `not_before`
  uint8_t server_faults = 0;
  uint8_t stale_looks = 0;        // in a row: what they showed was too old when it came
  bool look_denied = false;       // DescribeInstances refuses it alone
  uint32_t group = 0;             // called together with it only: the search for offenders
  uint32_t look_group = 0;        // looked at together with it only
  LaneState* looks_in = nullptr;  // the lane in which a look was planned last
  Mono due{base::kNever};         // in kLook: when
  Mono not_before{};              // not packed earlier: the service refused it, or is at fault
  Mono verify_until{};            // an accepted call should have shown by then
  std::unique_ptr<const EndedAs> ended{};  // E1: holds until `not_before`, or until it looks else
  uint64_t refused_sight = 0;  // what was seen when it was refused; another sight ends the wait
  std::shared_ptr<const std::string> wait_message{};

  bool WasSeenIn(const Lane& lane) const { return seen_lane != nullptr && *seen_lane == lane; }
};

}  // namespace retirement
