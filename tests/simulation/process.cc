// Processes: each runs for the lease; the leader has an engine. It may crash between any two of its
// actions, or freeze for minutes and wake beside its successor with calls in hand.
#include "simulation/world.h"

namespace simulation {
namespace {

// As docs/durations.md says of the lease.
constexpr Millis kLeaseDuration{10'000};
constexpr Millis kLeaseValidity{7'000};
constexpr Millis kLeaseInterval{1'000};
constexpr Millis kBookmarkInterval{10'000};
constexpr int kMostIdleTicks = 500;

}  // namespace

void World::Elect(Process& p) {
  At(&p, p.life == 0 ? Delay(5'000) : kLeaseInterval, [this, &p] {
    const Mono sent = now_;
    if (Fault("frozen process", 0.002)) p.frozen_until = now_ + Delay(180'000);
    if (lease_holder_ != p.seen_holder || lease_renewal_ != p.seen_renewal) {
      p.seen_holder = lease_holder_;
      p.seen_renewal = lease_renewal_;
      p.seen_at = now_;
    }
    const bool leads = p.engine && lease_holder_ == p.holder;
    if (p.engine && !leads) return Die(p, "lost the lease");
    const bool is_free = lease_holder_.empty() || now_ >= p.seen_at + kLeaseDuration;
    if (leads && Fault("lease not renewed", 0.005)) p.silent_until = now_ + Delay(9'000);
    if (leads && now_ < p.silent_until) return Elect(p);
    if (leads || is_free) {
      if (!leads) TakeTheLead(p);
      ++lease_renewal_;
      p.lead_until = sent + kLeaseValidity;
      Feed(p, Lead{p.lead_until});
    }
    Elect(p);
  });
}

/// A process that has come to lead reads everything anew, with nothing in its memory.
void World::TakeTheLead(Process& p) {
  ++p.life;
  p.holder = "process-" + std::to_string(p.number) + "-" + std::to_string(p.life);
  lease_holder_ = p.holder;
  Trace(p.holder + " leads");
  p.engine = std::make_unique<Engine>(Config{{}, hours{720}, "operator", p.holder, {""}});
  p.last_delivery.clear();
  p.lag_until.clear();
  p.credentials.clear();
  p.idle_ticks = 0;
  for (const Kind kind : {Kind::kBatch, Kind::kAccount, Kind::kRequest}) {
    List(p, kind);
    SendBookmarks(p, kind);
  }
}

/// A watch speaks although it may lag: what it says is that nothing newer came through it.
void World::SendBookmarks(Process& p, Kind kind) {
  At(&p, kBookmarkInterval, [this, &p, kind] {
    if (p.watches[kind] > 0) Feed(p, Bookmark{{kind, ""}, p.delivered[kind]});
    SendBookmarks(p, kind);
  });
}

void World::Die(Process& p, const char* why) {
  Trace(p.holder + " ends: " + why);
  ++p.life;
  p.engine.reset();
  p.frozen_until = {};
  At(&p, Delay(20'000), [this, &p] { Elect(p); });
}

void World::List(Process& p, Kind kind) {
  const Mono sent = now_;
  At(&p, Delay(200), [this, &p, kind, sent] {
    if (!p.engine) return;
    const Stream stream{kind, ""};
    p.last_delivery[kind] = now_;
    ++p.watches[kind];
    p.lag_until.erase(kind);
    p.delivered[kind] = std::to_string(version_);
    const int64_t life = p.life;
    const std::string version = std::to_string(version_);
    std::vector<Event> events = {ResetBegin{stream}};
    if (kind == Kind::kRequest) {
      for (const auto& [key, object] : requests_) events.push_back(RequestSeen{object});
    } else if (kind == Kind::kAccount) {
      for (const auto& [name, object] : accounts_) events.push_back(AccountSeen{object});
    } else {
      for (const auto& [key, entry] : batches_) events.push_back(BatchSeen{entry.object});
    }
    events.push_back(ResetEnd{stream, version, sent});
    for (const Event& event : events) {
      if (p.life == life) Feed(p, event);
    }
  });
}

void World::Feed(Process& p, const Event& event) {
  if (!p.engine) return;
  ++report_.steps;
  // A wake-up that changes nothing and asks for itself again would burn a core.
  p.idle_ticks = std::holds_alternative<Tick>(event) ? p.idle_ticks + 1 : 0;
  if (p.idle_ticks > kMostIdleTicks) Fail("E4: the engine wakes without doing anything");
  StepResult result = p.engine->Step(event, {now_, TrueTime() + p.skew});
  const int64_t life = p.life;
  for (const Action& action : result.actions) {
    if (Fault("crash", 0.003)) return Die(p, "crash");
    if (life != p.life) return;
    Perform(p, action);
  }
  if (result.wake == base::kNever) return;
  const uint64_t wake = ++p.wake;
  At(&p, std::max(Millis{0}, result.wake - now_), [this, &p, wake] {
    if (wake == p.wake) Feed(p, Tick{});
  });
}

void World::Perform(Process& p, const Action& action) {
  std::visit([this, &p](const auto& a) { Do(p, a); }, action);
}

}  // namespace simulation
