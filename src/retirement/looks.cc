#include "retirement/looks.h"

#include "retirement/durations.h"

namespace retirement {
namespace {
constexpr size_t kMostIds = 100;  // CVM API, DescribeInstances, InstanceIds
}

void Looks::Add(Target& target, Mono due) {
  Remove(target);
  target.due = due;
  due_.emplace(std::pair(due, target.id), &target);
}

void Looks::Remove(Target& target) {
  if (target.due == base::kNever) return;
  due_.erase({target.due, target.id});
  target.due = base::kNever;
}

Mono Looks::Next() const {
  return due_.empty() ? base::kNever : due_.begin()->first.first + kLookWindow;
}

std::vector<Target*> Looks::Take(Mono now) {
  std::vector<Target*> taken;
  auto it = due_.begin();
  while (it != due_.end() && it->first.first <= now && taken.size() < kMostIds) {
    taken.push_back(it->second);
    ++it;
  }
  if (taken.size() < kMostIds && now < Next()) return {};
  due_.erase(due_.begin(), it);
  for (Target* target : taken) target->due = base::kNever;
  return taken;
}

}  // namespace retirement
