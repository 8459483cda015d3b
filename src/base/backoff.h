// Exponential backoff with full jitter on top, as client-go's reflector does it.

#pragma once

#include <algorithm>

#include "base/random.h"
#include "base/time.h"

namespace base {

/// The n-th delay is uniform in [d, 2d) with d = first * 2^n, at most `longest`. Not thread-safe.
class Backoff {
 public:
  Backoff(Millis first, Millis longest) : first_(first), longest_(longest), next_(first) {}

  Millis Next(Random& random) {
    const Millis base = next_;
    next_ = std::min(longest_, next_ * 2);
    return base + Millis{int64_t(random.Below(uint64_t(std::max<int64_t>(1, base.count()))))};
  }
  void Reset() { next_ = first_; }

 private:
  Millis first_;
  Millis longest_;
  Millis next_;
};

}  // namespace base
