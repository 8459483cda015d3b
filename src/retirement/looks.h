// Looks: which targets of a lane are due to be observed, and when.

#pragma once

#include <map>
#include <vector>

#include "retirement/target.h"

namespace retirement {

/// Targets ordered by when they are due. A target is in it while its place is kLook, or kBatch
/// with a look to come, and no look at it is in flight. Looks that prepare a call are kept apart,
/// because they must not run too far ahead of it.
class Looks {
 public:
  enum class Purpose { kKnow, kCall };
  void Add(Target& target, Mono due, Purpose purpose);
  void Remove(Target& target);
  struct Cut {
    bool for_calls = true;
    size_t most = 100;         // CVM API, DescribeInstances, InstanceIds
    uint32_t groups_from = 0;  // groups with a smaller number are undone
  };
  /// Up to `most` due targets of one group, once so many are due or the first has waited for
  /// company long enough.
  std::vector<Target*> Take(Mono now, const Cut& cut);
  /// When Take has something to give; kNever for never.
  Mono Next(bool for_calls) const;
  bool empty() const { return know_.empty() && call_.empty(); }

 private:
  using Queue = std::map<std::pair<Mono, InstanceId>, Target*>;
  static void TakeFrom(Queue& queue, Mono now, const Cut& cut, std::vector<Target*>& taken);

  Queue know_;
  Queue call_;
};

}  // namespace retirement
