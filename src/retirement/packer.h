// Packer: collects the targets of a lane into batches of at most 100 that one call may carry.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "retirement/target.h"

namespace retirement {

/// What all members of one call have in common (S2), and the group of the search for offenders.
struct PackKey {
  uint32_t group = 0;
  Step step = Step::kFirst;
  bool release_address = false;
  bool release_disks = false;
  bool dry_run = false;
  std::string charge{};
  auto operator<=>(const PackKey&) const = default;
};

struct PackWindow {
  Millis idle{1'000};
  Millis max{10'000};
};

class Packer {
 public:
  static constexpr size_t kMostIds = 100;  // CVM API, TerminateInstances, InstanceIds (S1)

  /// A target that waits already keeps its place if the key is the same.
  void Add(Target& target, const PackKey& key, Mono now);
  void Remove(const Target& target);
  /// The next batch: a queue that is full, or had no newcomer for `idle`, or is as old as `max`.
  struct Cut {
    PackKey key;
    std::vector<Target*> targets;
  };
  /// How many a call may carry, and how many a dry run; none of what is 0 is taken.
  struct Most {
    size_t calls = kMostIds;
    size_t dry_runs = kMostIds;
    size_t Of(const PackKey& key) const { return key.dry_run ? dry_runs : calls; }
  };
  /// A search for offenders goes before what was not tried yet.
  std::optional<Cut> Take(const PackWindow& window, Mono now, Most most);
  Mono Next(const PackWindow& window, Most most) const;
  size_t size() const { return where_.size(); }
  size_t prepaid() const { return prepaid_; }

 private:
  struct Queue {
    std::map<uint64_t, Target*> targets{};
    Mono first{};
    Mono last{};
  };
  struct Position {
    PackKey key;
    uint64_t order;
  };
  /// No window may outlast the sights of the waiting.
  static Mono CutAt(const PackKey& key, const Queue& queue, const PackWindow& window);
  std::map<PackKey, Queue> queues_;
  std::map<InstanceId, Position> where_;
  uint64_t order_ = 0;
  size_t prepaid_ = 0;
};

}  // namespace retirement
