// Pace: how fast an account may be called, and whether at all.

#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/token_bucket.h"
#include "retirement/durations.h"
#include "retirement/types.h"

namespace retirement {

/// A rate that the service's throttling halves and success restores step by step (additive
/// increase, multiplicative decrease), never above what the account allows.
class Rate {
 public:
  Rate(double limit, double burst) : limit_(limit), bucket_(limit, burst) {}
  void SetLimit(double limit, Mono now);
  bool TryTake(Mono now) { return now >= paused_until_ && bucket_.TryTake(now); }
  Mono Next(Mono now) const { return std::max(paused_until_, bucket_.Next(now)); }
  void OnThrottled(Mono now);
  void OnSuccess(Mono now);
  double current() const { return bucket_.rate(); }

 private:
  double limit_;
  base::TokenBucket bucket_;
  Mono paused_until_{};
};

/// Open after a failure that concerns the whole account: one probe at growing intervals instead
/// of a storm of calls that must fail.
class Breaker {
 public:
  bool open() const { return open_; }
  bool probing() const { return probing_; }
  const std::string& reason() const { return reason_; }
  const std::string& message() const { return message_; }
  /// When a probe may go; kNever while one is under way.
  Mono Next() const { return open_ && !probing_ ? probe_at_ : base::kNever; }
  /// A person wants to know now.
  void ProbeNow(Mono now) { probe_at_ = std::min(probe_at_, now); }
  void OnSend() { probing_ = open_; }
  void Trip(std::string reason, std::string message, Mono now);
  /// An earlier process has had it open for `age`: its probes are as far apart as they were, about.
  void Resume(std::string reason, std::string message, Millis age, Mono now);
  void Heal() { *this = Breaker(); }
  /// The probe brought no news.
  void OnInconclusive(Mono now);
  /// What was sent then is seen to have worked.
  void OnWorked(Mono sent) {
    if (sent >= tripped_at_) Heal();
  }

 private:
  bool open_ = false;
  bool probing_ = false;
  Mono tripped_at_{};
  Mono probe_at_{};
  Millis delay_{5'000};
  std::string reason_{};
  std::string message_{};
};

/// The service's time, from the Date headers of its answers: the minimum of (Date - receipt) over
/// ten minutes, so that a slow answer makes signatures older, never younger.
class ServiceClock {
 public:
  void Add(Wall date, Mono received);
  /// Nothing before the first answer.
  std::optional<Wall> At(Mono now) const;
  /// The same, if the service was heard in the last ten minutes.
  std::optional<Wall> Fresh(Mono now) const;
  /// The maximum of those ten minutes: a slow answer lets nothing end later.
  std::optional<Wall> Latest(Mono now) const;

 private:
  struct Sample {
    Mono received;
    Millis offset;
  };
  using Samples = std::deque<Sample>;
  static void Keep(Samples& samples, Sample sample, bool earliest);
  static std::optional<Wall> Fresh(const Samples& samples, Mono now);

  Samples earliest_;  // offsets grow from front to back
  Samples latest_;    // offsets fall from front to back
};

}  // namespace retirement
