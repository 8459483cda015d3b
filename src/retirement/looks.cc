#include "retirement/looks.h"

#include <algorithm>

#include "retirement/durations.h"

namespace retirement {
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

void Looks::TakeFrom(Queue& queue, Mono now, const Cut& cut, std::vector<Target*>& taken) {
  const auto group_of = [&](const Target* t) {
    return t->look_group >= cut.groups_from ? t->look_group : 0;
  };
  for (auto it = queue.begin(); it != queue.end() && it->first.first <= now;) {
    if (taken.size() >= cut.most) return;
    const bool same = taken.empty() || group_of(taken.front()) == group_of(it->second);
    if (same) taken.push_back(it->second);
    it = same ? queue.erase(it) : std::next(it);
  }
}

std::vector<Target*> Looks::Take(Mono now, const Cut& cut) {
  const auto due = [&](const Queue& queue) {
    size_t count = 0;
    for (auto it = queue.begin(); it != queue.end() && it->first.first <= now; ++it) {
      if (++count == cut.most) break;
    }
    return count;
  };
  const size_t count = due(know_) + (cut.for_calls ? due(call_) : 0);
  if (count < cut.most && now < Next(cut.for_calls)) return {};
  std::vector<Target*> taken;
  TakeFrom(know_, now, cut, taken);
  if (cut.for_calls) TakeFrom(call_, now, cut, taken);
  for (Target* target : taken) target->due = base::kNever;
  return taken;
}

}  // namespace retirement
