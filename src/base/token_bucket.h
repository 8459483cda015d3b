// A token bucket on made-up or real time.

#pragma once

#include <algorithm>

#include "base/time.h"

namespace base {

/// Lets `rate` takes a second pass, and `burst` of them at once. Starts full. Not thread-safe.
class TokenBucket {
 public:
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  void SetRate(double rate, Mono now) {
    Refill(now);
    rate_ = rate;
  }
  double rate() const { return rate_; }

  bool TryTake(Mono now) {
    Refill(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

  /// When the next take can pass, `now` if at once.
  Mono Next(Mono now) const {
    TokenBucket then = *this;
    then.Refill(now);
    if (then.tokens_ >= 1) return now;
    return now + Millis{int64_t((1 - then.tokens_) / rate_ * 1000) + 1};
  }

 private:
  void Refill(Mono now) {
    if (now > at_) {
      if (at_ != Mono{}) tokens_ += rate_ * double((now - at_).count()) / 1000;
      tokens_ = std::min(burst_, tokens_);
      at_ = now;
    }
  }

  double rate_;
  double burst_;
  double tokens_;
  Mono at_{};
};

}  // namespace base
