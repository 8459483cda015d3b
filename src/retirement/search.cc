#include "retirement/search.h"

#include <algorithm>

namespace retirement {

std::vector<std::vector<Target*>> Divide(const std::vector<Target*>& targets,
                                         const std::vector<InstanceId>& hinted) {
  std::vector<Target*> named;
  std::vector<Target*> others;
  for (Target* target : targets) {
    const bool hint = std::find(hinted.begin(), hinted.end(), target->id) != hinted.end();
    (hint ? named : others).push_back(target);
  }
  if (!named.empty() && !others.empty()) return {others, named};
  const auto middle = targets.begin() + std::ptrdiff_t(targets.size() / 2);
  if (targets.size() < 2) return {targets};
  return {{targets.begin(), middle}, {middle, targets.end()}};
}

}  // namespace retirement
