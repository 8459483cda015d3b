#include "simulation/world.h"

#include <algorithm>

#include "retirement/durations.h"

namespace simulation {
namespace {

constexpr Millis kTroubled = minutes{10};  // then faults stop
constexpr Millis kStubborn = hours{3};     // or then, where refusals last
constexpr Millis kHealing = hours{13};     // L1: then everything is final, and rightly so
constexpr int64_t kMostSteps = 80'000;
constexpr int64_t kMostStepsOfMany = 800'000;
constexpr size_t kTraceLines = 400;

}  // namespace

Shape ShapeOf(uint64_t seed) {
  base::Random dice(seed * 0x9e3779b97f4a7c15 + 1);
  Shape shape;
  shape.requests = int(1 + seed % 5);
  shape.members = int(1 + seed / 5 % 6);
  shape.accounts = seed / 3 % 4 == 0 ? 2 : 1;
  shape.regions = seed / 2 % 3 == 0 ? 2 : 1;
  shape.processes = seed % 3 == 0 ? 1 : 2;
  shape.faults = seed % 7 == 0 ? 0 : 1;
  shape.keeps_postpaid = dice.Chance(0.25);
  shape.slow = dice.Chance(0.2);
  shape.guests = dice.Chance(0.25);
  shape.dry_runs = dice.Chance(0.3);
  shape.stubborn = dice.Chance(0.12);
  shape.rivals = shape.accounts == 2 && shape.processes == 2 && dice.Chance(0.5);
  if (dice.Chance(0.004)) {
    shape.big = true;
    shape.requests = 6;
    shape.members = 100;
  } else if (dice.Chance(0.002)) {
    shape.crowded = true;
    shape.requests = dice.Chance(0.05) ? 2'000 : 200;
    shape.members = 2;
  }
  return shape;
}

World::World(uint64_t seed, const Shape& shape)
    : random_(seed), shape_(shape), cloud_(*static_cast<simulator::Nature*>(this)) {
  quiet_ = now_ + (shape_.stubborn ? kStubborn : kTroubled);
  Populate();
  ScheduleUsers();
  ScheduleTrouble();
  At(nullptr, Delay(60'000), [this] { OthersAct(); });
  At(nullptr, minutes{1}, [this] { Inspect(); });
  for (int i = 0; i < shape_.processes; ++i) {
    auto process = std::make_unique<Process>();
    process->number = i;
    if (shape_.rivals) process->installation += "-" + std::to_string(i);
    process->skew = Millis{int64_t(random_.Below(4'000)) - 2'000};
    processes_.push_back(std::move(process));
    Elect(*processes_.back());
  }
}

/// Two bounds are the cloud's: a slow world breaks them.
Millis World::EffectDelay() {
  if (shape_.slow && Fault("effect beyond its bound", 0.4)) return minutes{1} + Delay(180'000);
  return Delay(20'000);
}

Millis World::DescribeLag() {
  if (!Fault("describe lags", 0.2)) return Millis{0};
  const Millis lag = shape_.slow && random_.Chance(0.1) ? Delay(90'000) : Delay(30'000);
  if (lag > kMaxEffectLag) beyond_until_ = now_ + minutes{3};
  return lag;
}

std::vector<std::string> World::Passing() {
  if (!Fault("states on the way", 0.4)) return {};
  std::vector<std::string> states = {"STOPPING", "STOPPED"};
  if (random_.Chance(0.2)) states.insert(states.begin(), "REBOOTING");
  if (random_.Chance(0.2)) states.push_back("SHUTDOWN");
  return states;
}

bool World::Fault(const char* kind, double probability) {
  if (!faults_on_ || !random_.Chance(probability * shape_.faults)) return false;
  const std::string name = std::string(kind) + "#" + std::to_string(++chances_[kind]);
  if (shape_.suppressed.contains(kind) || shape_.suppressed.contains(name)) return false;
  ++report_.faults[kind];
  return true;
}

void World::At(Process* process, Millis delay, std::function<void()> run) {
  Put({now_ + delay, ++order_, process, process ? process->life : 0, std::move(run)});
}

void World::Put(Due due) {
  agenda_.push_back(std::make_unique<Due>(std::move(due)));
  std::push_heap(agenda_.begin(), agenda_.end(), IsLater);
}

World::Due World::Take() {
  std::pop_heap(agenda_.begin(), agenda_.end(), IsLater);
  const std::unique_ptr<Due> due = std::move(agenda_.back());
  agenda_.pop_back();
  return std::move(*due);
}

void World::Trace(const std::string& line) {
  report_.trace.push_back(std::to_string(now_.time_since_epoch().count()) + " " + line);
  if (report_.trace.size() > 2 * kTraceLines) {
    report_.trace.erase(report_.trace.begin(), report_.trace.end() - kTraceLines);
  }
}

void World::Fail(const std::string& invariant) {
  if (!report_.violation.empty()) return;
  if (shape_.suppressed.contains(invariant.substr(0, invariant.find(':')))) return;
  report_.violation = invariant;
  Trace("VIOLATION " + invariant);
}

Report World::Run() {
  const Mono end = quiet_ + kHealing;
  const int64_t many = shape_.requests > 1'000 ? 4 * kMostStepsOfMany : kMostStepsOfMany;
  const int64_t most = shape_.big || shape_.crowded ? many : kMostSteps;
  while (report_.violation.empty() && !agenda_.empty() && report_.steps < most) {
    Due due = Take();
    now_ = std::max(now_, due.at);
    if (now_ > quiet_) faults_on_ = false;
    if (healed_ || now_ > end) break;
    if (due.process != nullptr) {
      if (due.life != due.process->life) continue;
      if (now_ < due.process->frozen_until) {
        // It wakes with everything in hand, in the old order.
        due.at = due.process->frozen_until;
        Put(std::move(due));
        continue;
      }
    }
    due.run();
  }
  if (report_.violation.empty() && report_.steps >= most) Fail("E4: steps without end");
  if (report_.violation.empty()) JudgeEnd();
  return report_;
}

}  // namespace simulation
