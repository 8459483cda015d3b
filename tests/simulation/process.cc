// Processes: each runs for the lease; the leader has an engine. It may crash between any two of its
// actions, freeze for minutes and wake beside its successor with calls in hand, stand still as a
// guest does whose clock stops, or be asked to end.
#include "simulation/world.h"

namespace simulation {
namespace {

// As docs/durations.md says of the lease.
constexpr Millis kLeaseDuration{10'000};
constexpr Millis kLeaseValidity{7'000};
constexpr Millis kLeaseInterval{1'000};
constexpr Millis kCalmInterval{3'000};  // where hours must pass cheaply
constexpr Millis kGrace = seconds{40};  // between SIGTERM and SIGKILL
constexpr int kMostIdleTicks = 500;

}  // namespace

void World::Elect(Process& p) {
  const Millis interval = faults_on_ && !shape_.stubborn ? kLeaseInterval : kCalmInterval;
  At(&p, p.life == 0 ? Delay(5'000) : interval, [this, &p] {
    Suffer(p);
    if (now_ < p.frozen_until) return Elect(p);
    Lease& lease = leases_[p.installation];
    if (lease.holder != p.seen_holder || lease.renewal != p.seen_renewal) {
      p.seen_holder = lease.holder;
      p.seen_renewal = lease.renewal;
      p.seen_at = ClockOf(p);
    }
    const bool leads = p.engine && lease.holder == p.holder;
    if (p.engine && !leads) return Die(p, "lost the lease");
    const bool is_free = lease.holder.empty() || ClockOf(p) >= p.seen_at + kLeaseDuration;
    if (leads && Fault("lease not renewed", 0.005)) p.silent_until = now_ + Delay(9'000);
    if (leads && now_ < p.silent_until) return Elect(p);
    if (leads || is_free) {
      if (!leads) TakeTheLead(p);
      ++lease.renewal;
      lease.renewed_at = now_;
      p.lead_until = ClockOf(p) + kLeaseValidity;
      const int64_t life = p.life;
      Feed(p, Lead{p.lead_until});
      if (life != p.life) return;
    }
    Elect(p);
  });
}

/// What happens to a process from outside, at its turn to renew the lease. In a guest that stands
/// still time stops: that is bearable where one log serves all calls.
void World::Suffer(Process& p) {
  if (Fault("frozen process", 0.002)) p.frozen_until = now_ + Delay(180'000);
  if (shape_.accounts == 1 && Fault("guest stands still", 0.001)) {
    p.stood_for = Delay(180'000);
    p.stood += p.stood_for;
    p.frozen_until = std::max(p.frozen_until, now_ + p.stood_for);
    p.stood_at = p.frozen_until;
  }
  if (Fault("wall clock jumps", 0.001)) {
    clocks_jumped_ = true;
    p.skew = Millis{int64_t(random_.Below(600'000)) - 300'000};
  }
  if (p.engine && !p.stopping && Fault("SIGTERM", 0.002)) Terminate(p);
}

void World::Terminate(Process& p) {
  Trace(p.holder + " is asked to end");
  At(&p, kGrace, [this, &p] { Die(p, "killed after its grace period"); });
  At(&p, Millis{0}, [this, &p] {
    p.stopping = true;
    Feed(p, Stop{});
  });
}

/// A process that has come to lead reads everything anew, with nothing in its memory.
void World::TakeTheLead(Process& p) {
  ++p.life;
  ++leaders_;
  led_.push_back(now_);
  p.holder = "process-" + std::to_string(p.number) + "-" + std::to_string(p.life);
  leases_[p.installation].holder = p.holder;
  Trace(p.holder + " leads");
  p.engine = std::make_unique<Engine>(Config{{}, hours{720}, p.installation, p.holder, {""}});
  p.led_since = now_;
  p.stopping = false;
  p.last_delivery.clear();
  p.lag_until.clear();
  p.listing.clear();
  p.credentials.clear();
  p.shown.clear();
  p.idle_ticks = 0;
  p.wake = base::kNever;
  for (auto& [name, effort] : efforts_) {
    // It cannot know what its predecessor tried.
    effort.calls.clear();
    effort.entries.clear();
  }
  for (const Kind kind : {Kind::kBatch, Kind::kAccount, Kind::kRequest}) {
    List(p, kind);
    SendBookmarks(p, kind);
  }
}

/// One that ends in peace gives the lease back, last of all.
void World::Die(Process& p, const char* why) {
  Trace(p.holder + " ends: " + why);
  ++p.life;
  Lease& lease = leases_[p.installation];
  if (p.stopping && lease.holder == p.holder) lease.holder.clear();
  p.stopping = false;
  p.engine.reset();
  p.frozen_until = {};
  At(&p, Delay(20'000), [this, &p] { Elect(p); });
}

void World::Feed(Process& p, const Event& event) {
  if (!p.engine) return;
  ++report_.steps;
  // A wake-up that changes nothing and asks for itself again would burn a core.
  p.idle_ticks = std::holds_alternative<Tick>(event) ? p.idle_ticks + 1 : 0;
  if (p.idle_ticks > kMostIdleTicks) Fail("E4: the engine wakes without doing anything");
  if (const auto* seen = std::get_if<BatchSeen>(&event)) {
    p.shown.insert({seen->object.lane, seen->object.sequence});
  }
  StepResult result = p.engine->Step(event, {ClockOf(p), TrueTime() + p.skew});
  const int64_t life = p.life;
  for (const Action& action : result.actions) {
    if (Fault("crash", 0.003)) return Die(p, "crash");
    if (life != p.life) return;
    Perform(p, action);
  }
  if (life != p.life) return;
  if (p.stopping && result.quiescent) return Die(p, "is done");
  if (result.wake == base::kNever || result.wake == p.wake) return;
  p.wake = result.wake;
  const uint64_t wake = ++p.wakes;
  At(&p, std::max(Millis{0}, result.wake - ClockOf(p)), [this, &p, wake] {
    if (wake != p.wakes) return;
    p.wake = base::kNever;
    Feed(p, Tick{});
  });
}

void World::Perform(Process& p, const Action& action) {
  const auto* commit = std::get_if<Commit>(&action);
  // What was deleted by hand may be written again.
  const bool begins = commit && !ever_.contains({commit->batch.lane, commit->batch.sequence});
  if (p.stopping && (begins || std::holds_alternative<Call>(action))) {
    Trace(commit ? "commits " + BatchName(commit->batch.lane, commit->batch.sequence) : "calls");
    Fail("stop: something is begun after it was asked to end");
  }
  std::visit([this, &p](const auto& a) { Do(p, a); }, action);
}

}  // namespace simulation
