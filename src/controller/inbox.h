// Inbox: events on their way to the engine. Answers are never refused; when too much waits, the
// watches are held back.

#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "http/transport.h"
#include "retirement/event.h"

namespace controller {

/// Thread-safe.
class Inbox {
 public:
  explicit Inbox(size_t full) : full_(full) {}

  void Push(retirement::Event event);
  /// kPause when more than `full` events wait; then `resume` is called once they are fewer than
  /// half of it.
  http::Flow Pressure(std::function<void()> resume);
  /// Waits for events until `until` at most; then all that wait.
  std::vector<retirement::Event> Take(base::Mono until);
  /// Makes Take return at once.
  void Wake();

 private:
  const size_t full_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<retirement::Event> events_;
  std::vector<std::function<void()>> paused_;
  bool woken_ = false;
};

}  // namespace controller
