// Faults: what the simulator does wrong on purpose, on request of a seed file or the admin
// endpoint.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace simulator {

struct Fault {
  enum class Kind {
    kError,       // answer with `code`, nothing is executed
    kStatus,      // answer with HTTP `status` and no envelope, nothing is executed
    kDropBefore,  // close the connection, nothing is executed
    kDropAfter,   // execute, then close the connection
    kTruncate,    // execute, then send half of the answer
    kDelay,       // execute, answer after `delay`
    kPartial,     // execute the first half of the ids, then answer with `code`
  };
  Kind kind = Kind::kError;
  std::string action = "TerminateInstances";
  std::string code = "InternalServerError";
  std::string message = "An internal error has occurred.";
  int status = 502;
  base::Millis delay{1'000};
  int64_t count = 1;        // how often it happens
  int64_t skip = 0;         // calls of the action to let pass first
  std::string id{};         // only for calls that name it
  std::string secret_id{};  // only for calls of that identity
};

/// From {"kind": "dropAfter", "action": ..., ...}; an error names what is allowed.
base::Result<Fault> ReadFault(base::JsonValue value);

/// Not thread-safe.
class FaultPlan {
 public:
  void Add(Fault fault) { faults_.push_back(std::move(fault)); }
  void Clear() { faults_.clear(); }
  /// The fault that hits this call, if any; it is used up by one.
  std::optional<Fault> Take(const std::string& action, const std::vector<std::string>& ids,
                            const std::string& secret_id);

 private:
  std::vector<Fault> faults_;
};

}  // namespace simulator
