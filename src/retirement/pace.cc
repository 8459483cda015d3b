#include "retirement/pace.h"

#include <algorithm>

namespace retirement {
namespace {

constexpr double kSlowest = 0.2;  // calls a second
constexpr Millis kPauseAfterThrottle{1'000};
constexpr Millis kSampleAge = minutes{10};

}  // namespace

void Rate::SetLimit(double limit, Mono now) {
  if (limit == limit_) return;
  limit_ = limit;
  bucket_.SetRate(limit, now);
}

void Rate::OnThrottled(Mono now) {
  if (now < paused_until_) return;  // one decrease for all answers of one burst
  bucket_.SetRate(std::max(kSlowest, bucket_.rate() / 2), now);
  paused_until_ = now + kPauseAfterThrottle;
}

void Rate::OnSuccess(Mono now) {
  if (bucket_.rate() < limit_) {
    bucket_.SetRate(std::min(limit_, bucket_.rate() + limit_ / 50), now);
  }
}

void Breaker::Trip(std::string reason, std::string message, Mono now) {
  if (open_) delay_ = std::min<Millis>(delay_ * 2, kLongestProbe);
  open_ = true;
  probing_ = false;
  tripped_at_ = now;
  probe_at_ = now + delay_;
  reason_ = std::move(reason);
  message_ = std::move(message);
}

void Breaker::Resume(std::string reason, std::string message, Millis age, Mono now) {
  delay_ = std::clamp<Millis>(age / 4, delay_, kLongestProbe);
  Trip(std::move(reason), std::move(message), now);
}

void Breaker::OnInconclusive(Mono now) {
  if (!open_) return;
  probing_ = false;
  probe_at_ = now + delay_;
}

void ServiceClock::Add(Wall date, Mono received) {
  const Sample sample{received, date.time_since_epoch() - received.time_since_epoch()};
  Keep(earliest_, sample, true);
  Keep(latest_, sample, false);
}

void ServiceClock::Keep(Samples& samples, Sample sample, bool earliest) {
  const auto is_beaten = [&](const Sample& old) {
    return earliest ? old.offset >= sample.offset : old.offset <= sample.offset;
  };
  while (!samples.empty() && is_beaten(samples.back())) samples.pop_back();
  samples.push_back(sample);
  while (samples.size() > 1 && samples.front().received < sample.received - kSampleAge) {
    samples.pop_front();
  }
}

std::optional<Wall> ServiceClock::Fresh(const Samples& samples, Mono now) {
  if (samples.empty() || now > samples.back().received + kSampleAge) return std::nullopt;
  return Wall{now.time_since_epoch() + samples.front().offset};
}

std::optional<Wall> ServiceClock::Fresh(Mono now) const { return Fresh(earliest_, now); }

std::optional<Wall> ServiceClock::Latest(Mono now) const { return Fresh(latest_, now); }

std::optional<Wall> ServiceClock::At(Mono now) const {
  if (earliest_.empty()) return std::nullopt;
  return Wall{now.time_since_epoch() + earliest_.front().offset};
}

}  // namespace retirement
