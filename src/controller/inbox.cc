#include "controller/inbox.h"

#include <algorithm>

#include "base/clock.h"

namespace controller {
namespace {
constexpr size_t kMostAtOnce = 256;
constexpr base::Millis kLongestWait{1'000};
}  // namespace

void Inbox::Push(retirement::Event event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  ready_.notify_one();
}

http::Flow Inbox::Pressure(std::function<void()> resume) {
  const std::lock_guard lock(mutex_);
  if (events_.size() <= full_) return http::Flow::kContinue;
  paused_.push_back(std::move(resume));
  return http::Flow::kPause;
}

std::vector<retirement::Event> Inbox::Take(base::Mono until) {
  std::unique_lock lock(mutex_);
  // A condition variable knows other clocks only, so a wait is cut into pieces.
  const base::Millis wait =
      std::clamp<base::Millis>(until - base::MonoNow(), base::Millis{0}, kLongestWait);
  ready_.wait_for(lock, wait, [this] { return !events_.empty() || woken_; });
  woken_ = false;
  std::vector<retirement::Event> taken;
  while (!events_.empty() && taken.size() < kMostAtOnce) {
    taken.push_back(std::move(events_.front()));
    events_.pop_front();
  }
  std::vector<std::function<void()>> resumed;
  if (events_.size() < full_ / 2) resumed.swap(paused_);
  lock.unlock();
  for (const auto& resume : resumed) resume();
  return taken;
}

void Inbox::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  ready_.notify_one();
}

}  // namespace controller
