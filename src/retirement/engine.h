// Engine: everything that decides. One event in, actions out; it owns all state and does no I/O.

#pragma once

#include <memory>
#include <vector>

#include "retirement/action.h"
#include "retirement/gauges.h"
#include "retirement/state.h"

namespace retirement {

struct StepResult {
  std::vector<Action> actions{};
  Mono wake = base::kNever;  // call Step(Tick) then, if nothing else happens before
  bool quiescent = true;     // no call and no record is in flight or waiting
};

/// Not thread-safe: one thread calls Step. The same events at the same times give the same
/// actions.
class Engine {
 public:
  explicit Engine(Config config);
  StepResult Step(const Event& event, Now now);
  const Gauges& gauges() const { return state_.gauges; }
  const State& state() const { return state_; }

 private:
  State state_;
};

}  // namespace retirement
