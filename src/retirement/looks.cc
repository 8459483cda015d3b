#include "retirement/looks.h"

#include <algorithm>

#include "retirement/durations.h"

namespace retirement {
namespace {
constexpr size_t kMostIds = 100;  // CVM API, DescribeInstances, InstanceIds
}

void Looks::Add(Target& target, Mono due, Purpose purpose) {
  Remove(target);
  target.due = due;
  Queue& queue = purpose == Purpose::kCall ? call_ : know_;
  queue.emplace(std::pair(due, target.id), &target);
}

void Looks::Remove(Target& target) {
  if (target.due == base::kNever) return;
  if (know_.erase({target.due, target.id}) == 0) call_.erase({target.due, target.id});
  target.due = base::kNever;
}

Mono Looks::Next(bool for_calls) const {
  Mono first = know_.empty() ? base::kNever : know_.begin()->first.first;
  if (for_calls && !call_.empty()) first = std::min(first, call_.begin()->first.first);
  return first == base::kNever ? first : first + kLookWindow;
}

void Looks::TakeFrom(Queue& queue, Mono now, std::vector<Target*>& taken) {
  auto it = queue.begin();
  for (; it != queue.end() && it->first.first <= now && taken.size() < kMostIds; ++it) {
    taken.push_back(it->second);
  }
  queue.erase(queue.begin(), it);
}

std::vector<Target*> Looks::Take(Mono now, bool for_calls) {
  const auto due = [&](const Queue& queue) {
    size_t count = 0;
    for (auto it = queue.begin(); it != queue.end() && it->first.first <= now; ++it) {
      if (++count == kMostIds) break;
    }
    return count;
  };
  const size_t count = due(know_) + (for_calls ? due(call_) : 0);
  if (count < kMostIds && now < Next(for_calls)) return {};
  std::vector<Target*> taken;
  TakeFrom(know_, now, taken);
  if (for_calls) TakeFrom(call_, now, taken);
  for (Target* target : taken) target->due = base::kNever;
  return taken;
}

}  // namespace retirement
