// Cloud: a model of CVM instances under TerminateInstances and DescribeInstances, in made-up or
// real time. Passive and without I/O: the simulator serves it, the simulated world attacks it.
// What the vendor's documentation leaves open is a choice asked of an injected Nature. Loss, delay
// and repetition of messages live outside, in what carries them.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace simulator {

using base::Millis;
using base::Mono;

/// What one instance shows (CVM API, data type Instance).
struct Instance {
  std::string id{};
  std::string region{};
  std::string charge = "POSTPAID_BY_HOUR";
  std::string state = "RUNNING";
  std::string name{};
  std::string private_ip{};
  std::string zone{};
  std::string created = "2023-11-01T00:00:00Z";
  std::map<std::string, std::string> tags{};
  bool protected_from_termination = false;
  bool refuse_for_good = false;  // answers FailedOperation.Unreturnable
  std::string isolated = "NOTISOLATED";
  std::string operation{};
  std::string operation_state{};
  std::string operation_request{};
  std::string operation_error{};
  bool gone = false;  // no longer listed
};

/// The choices that the documentation leaves open.
class Nature {
 public:
  virtual ~Nature() = default;
  /// How long a termination takes until the instance is gone or in the bin.
  virtual Millis EffectDelay() = 0;
  /// How far DescribeInstances lags behind the truth, for one answer.
  virtual Millis DescribeLag() = 0;
  /// Whether a refused batch names its offenders in the message.
  virtual bool NamesOffenders() = 0;
  /// The states through which a termination passes, one after the other.
  virtual std::vector<std::string> Passing() { return {}; }
  /// Whether an accepted termination fails later (LatestOperationState FAILED).
  virtual bool FailsLater() { return false; }
  /// Whether this site keeps postpaid instances in the recycle bin, too.
  virtual bool KeepsPostpaid() { return false; }
};

struct Reply {
  std::string code{};  // "" for success
  std::string message{};
  bool ok() const { return code.empty(); }
};

struct TerminateRequest {
  std::string region{};
  std::vector<std::string> ids{};
  std::string request_id{};
};

struct DescribeRequest {
  std::string region{};
  std::vector<std::string> ids{};  // empty: all of the region
  size_t offset = 0;
  size_t limit = 20;
};

struct DescribeReply {
  Reply reply{};
  size_t total = 0;
  std::vector<Instance> instances{};
};

/// One executed call, as tests judge it.
struct Execution {
  Mono at{};
  std::string region{};
  std::vector<std::string> ids{};
  std::vector<bool> was_in_bin{};
  std::string request_id{};
  std::string code{};
};

/// Not thread-safe.
class Cloud {
 public:
  explicit Cloud(Nature& nature) : nature_(nature) {}

  void Add(Instance instance, Mono now);
  /// Changes an instance from outside: the console, another tool, the vendor.
  void Change(Instance instance, Mono now);
  Reply Terminate(const TerminateRequest& request, Mono now);
  /// What Terminate would answer.
  Reply Check(const TerminateRequest& request, Mono now);
  DescribeReply Describe(const DescribeRequest& request, Mono now);
  /// It is that from then on, unless something changes it before.
  void ChangeLater(Instance instance, Mono at);
  /// The truth about an instance now; null for an id that never was.
  const Instance* Find(const std::string& id, Mono now);
  const std::vector<Execution>& executions() const { return executions_; }

 private:
  struct Version {
    Mono since;
    Instance instance;
  };
  struct History {
    std::vector<Version> versions{};  // times grow; the last may lie in the future
  };
  const Instance* At(const History& history, Mono time) const;
  bool IsInBin(const Instance& i);
  void Execute(History& history, const std::string& request_id, Mono now);
  std::string Offenders(const std::vector<std::string>& ids);

  Nature& nature_;
  std::map<std::string, History> histories_;
  std::vector<Execution> executions_;
};

}  // namespace simulator
