// Looks: which targets of a lane are due to be observed, and when.

#pragma once

#include <map>
#include <vector>

#include "retirement/target.h"

namespace retirement {

/// Targets ordered by when they are due. A target is in it while its place is kLook and no look
/// at it is in flight.
class Looks {
 public:
  void Add(Target& target, Mono due);
  void Remove(Target& target);
  /// Up to 100 due targets, once 100 are due or the first has waited for company long enough.
  std::vector<Target*> Take(Mono now);
  /// When Take has something to give; kNever for never.
  Mono Next() const;
  bool empty() const { return due_.empty(); }

 private:
  std::map<std::pair<Mono, InstanceId>, Target*> due_;
};

}  // namespace retirement
