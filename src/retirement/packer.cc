#include "retirement/packer.h"

#include <algorithm>

#include "retirement/durations.h"

namespace retirement {
void Packer::Add(Target& target, const PackKey& key, Mono now) {
  const auto found = where_.find(target.id);
  if (found != where_.end()) {
    if (found->second.key == key) return;
    Remove(target);
  }
  Queue& queue = queues_[key];
  if (queue.targets.empty()) queue.first = now;
  queue.last = now;
  queue.targets.emplace(++order_, &target);
  where_.emplace(target.id, Position{key, order_});
  prepaid_ += key.charge == kPrepaid;
}

void Packer::Remove(const Target& target) {
  const auto found = where_.find(target.id);
  if (found == where_.end()) return;
  const auto queue = queues_.find(found->second.key);
  queue->second.targets.erase(found->second.order);
  if (queue->second.targets.empty()) queues_.erase(queue);
  prepaid_ -= found->second.key.charge == kPrepaid;
  where_.erase(found);
}

Mono Packer::CutAt(const PackKey& key, const Queue& queue, const PackWindow& window) {
  if (queue.targets.size() >= kMostIds) return queue.first;
  const Millis sight = key.charge == kPrepaid ? kPrepaidSightAge : kSightAge;
  const Millis longest = std::min<Millis>(window.max, sight - kCommitAhead * 2 - kFenceMargin);
  return std::min(queue.last + window.idle, queue.first + longest);
}

std::optional<Packer::Cut> Packer::Take(const PackWindow& window, Mono now, Most most) {
  // A search goes first, so that few of them are under way; then what has waited longest.
  const auto before = [](const auto& a, const auto& b) {
    const bool search = a->first.group != 0;
    return search != (b->first.group != 0) ? search : a->second.first < b->second.first;
  };
  auto best = queues_.end();
  for (auto it = queues_.begin(); it != queues_.end(); ++it) {
    if (most.Of(it->first) == 0 || CutAt(it->first, it->second, window) > now) continue;
    if (best == queues_.end() || before(it, best)) best = it;
  }
  if (best == queues_.end()) return std::nullopt;
  Cut cut{best->first, {}};
  for (const auto& [order, target] : best->second.targets) {
    if (cut.targets.size() == most.Of(cut.key)) break;
    cut.targets.push_back(target);
  }
  best->second.first = now;
  for (const Target* target : cut.targets) Remove(*target);
  return cut;
}

Mono Packer::Next(const PackWindow& window, Most most) const {
  Mono next = base::kNever;
  for (const auto& [key, queue] : queues_) {
    if (most.Of(key) > 0) next = std::min(next, CutAt(key, queue, window));
  }
  return next;
}

}  // namespace retirement
