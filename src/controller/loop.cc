#include "controller/loop.h"

#include "base/clock.h"

namespace controller {
namespace {

using namespace retirement;
constexpr Millis kMetricsInterval{1'000};

double OldestSeconds(const State& state, Mono now) {
  Mono oldest = now;
  for (const auto* queue : {&state.outbox_final, &state.outbox_other}) {
    if (!queue->empty()) oldest = std::min(oldest, queue->begin()->first.first);
  }
  return double((now - oldest).count()) / 1000;
}

}  // namespace

Loop::Loop(Config config, Parts parts) : engine_(std::move(config)), parts_(std::move(parts)) {
  last_round_ = base::MonoNow().time_since_epoch().count();
}

void Loop::Run(const std::function<bool(bool)>& finished) {
  while (!finished(quiescent_)) {
    const std::vector<Event> events = parts_.inbox.Take(wake_);
    for (const Event& event : events) Feed(event);
    if (events.empty() && base::MonoNow() >= wake_) Feed(Tick{});
    ShowMetrics();
    last_round_ = base::MonoNow().time_since_epoch().count();
  }
}

void Loop::Feed(const Event& event) {
  StepResult result = engine_.Step(event, base::ReadClock());
  wake_ = result.wake;
  quiescent_ = result.quiescent;
  for (const Action& action : result.actions) Perform(action);
}

void Loop::Perform(const Action& action) {
  std::visit(base::Overloaded{
                 [&](const Observe& a) { parts_.cloud->Do(a); },
                 [&](const Call& a) { parts_.cloud->Do(a); },
                 [&](const ReadCredentials& a) { parts_.cloud->Do(a); },
                 [&](const WriteStatus& a) {
                   const auto found = engine_.state().requests.find(a.key);
                   if (found == engine_.state().requests.end()) return;
                   parts_.kube->Do(a, found->second->lane());
                 },
                 [&](const Reconnect& a) { parts_.relist(a.kind); },
                 [&](const Tally& a) { parts_.metrics.OnTally(a); },
                 [&](const auto& a) { parts_.kube->Do(a); },
             },
             action);
}

/// Gauges are shown at most once a second: nobody scrapes faster.
void Loop::ShowMetrics() {
  const Mono now = base::MonoNow();
  if (now < shown_at_ + kMetricsInterval) return;
  shown_at_ = now;
  const State& state = engine_.state();
  synced_ = state.Synced();
  parts_.metrics.SetGauges(engine_.gauges(), OldestSeconds(state, now));
  parts_.metrics.SetLeader(now < state.lead_until);
  for (const auto& [name, account] : state.accounts) {
    parts_.metrics.SetAccountReady(name, account.exists && account.not_ready.reason.empty());
  }
}

}  // namespace controller
