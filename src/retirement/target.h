// Target: what we know of one instance, whoever asks for it.

#pragma once

#include <cstdint>
#include <vector>

#include "retirement/event.h"

namespace retirement {

struct Request;

/// One request's claim on an instance: the index of the member in its status.
struct Claim {
  Request* request = nullptr;
  uint32_t member = 0;
};

/// It was seen in this lane under these credentials.
struct Sighting {
  Lane lane{};
  std::string credential{};
};

/// A target is in one place at a time.
enum class Place : uint8_t {
  kIdle,   // nobody permitted wants it, or it is done
  kLook,   // due to be observed at `due`, or being observed
  kPack,   // observed, waiting for company in a batch
  kBatch,  // in an open batch: see its entry in the ledger
};

struct Target {
  InstanceId id{};
  std::vector<Claim> claims{};
  Request* owner = nullptr;
  Place place = Place::kIdle;
  bool looking = false;  // an Observe that names it is in flight

  // What was seen last, and under which credentials.
  bool observed = false;  // at least one answer since this process began or the intent changed
  bool present = false;
  Sight sight{};
  Mono seen_at{};       // when the DescribeInstances that said so was sent
  Mono first_absent{};  // of the present row of absences
  // S8: where it existed once, and under which credentials that was seen; the newest last.
  std::vector<Sighting> known{};
  bool seen_alive = false;  // this process saw it exist
  Lane seen_lane{};
  std::string seen_credential{};

  // What was done to it.
  bool called = false;  // a call that named it ended at `last_call_end`
  Mono last_call_end{};
  Mono settle_until{};          // an unclear call may still take effect before
  bool accepted = false;        // a call was accepted since it was last seen outside the bin
  bool by_us = false;           // a call of ours named it and may have done what is seen
  bool retired_before = false;  // the log says that it was retired
  Mono retired_learnt{};        // when that was learnt
  uint16_t attempts = 0;
  CloudRequestId request_id{};

  // The open entry that names it.
  Lane batch_lane{};
  uint64_t batch = 0;

  // Waiting.
  Mono due{base::kNever};  // in kLook: when
  Mono not_before{};       // not packed earlier: busy, or a fault of the service
  uint8_t retries = 0;     // grows `not_before`
  uint8_t server_faults = 0;
  uint32_t group = 0;   // it is called together with this group only: the search for offenders
  Mono verify_until{};  // an accepted call should have shown by then
  Reason wait_reason = Reason::kNone;
};

}  // namespace retirement
