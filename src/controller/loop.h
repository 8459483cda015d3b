// Loop: the one thread that feeds the engine and hands out its actions.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "controller/cloud_executor.h"
#include "controller/inbox.h"
#include "controller/kube_executor.h"
#include "controller/metrics.h"
#include "retirement/engine.h"

namespace controller {

class Loop {
 public:
  struct Parts {
    Inbox& inbox;
    std::shared_ptr<KubeExecutor> kube;
    std::shared_ptr<CloudExecutor> cloud;
    Metrics& metrics;
    std::function<void(retirement::Kind)> relist;
  };
  Loop(retirement::Config config, Parts parts);

  /// Runs until `finished` says so; it is asked after each round whether anything is in flight.
  void Run(const std::function<bool(bool quiescent)>& finished);

  /// When the last round ended; for the liveness probe. Thread-safe.
  base::Mono last_round() const { return base::Mono{base::Millis{last_round_.load()}}; }
  /// All lists are complete. Thread-safe.
  bool synced() const { return synced_.load(); }

 private:
  void Feed(const retirement::Event& event);
  void Perform(const retirement::Action& action);
  void ShowMetrics();

  retirement::Engine engine_;
  Parts parts_;
  base::Mono wake_ = base::kNever;
  bool quiescent_ = true;
  base::Mono shown_at_{};
  std::atomic<int64_t> last_round_{0};
  std::atomic<bool> synced_{false};
};

}  // namespace controller
