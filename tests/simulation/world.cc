#include "simulation/world.h"

namespace simulation {
namespace {

constexpr Millis kTroubled = minutes{10};  // then faults stop
constexpr Millis kHealing = hours{4};      // L1: then everything is final
constexpr int64_t kMostSteps = 40'000;
constexpr size_t kTraceLines = 400;

}  // namespace

Shape ShapeOf(uint64_t seed) {
  Shape shape;
  shape.requests = int(1 + seed % 5);
  shape.members = int(1 + seed / 5 % 6);
  shape.accounts = seed / 3 % 4 == 0 ? 2 : 1;
  shape.regions = seed / 2 % 3 == 0 ? 2 : 1;
  shape.processes = seed % 3 == 0 ? 1 : 2;
  shape.faults = seed % 7 == 0 ? 0 : 1;
  return shape;
}

World::World(uint64_t seed, const Shape& shape)
    : random_(seed), shape_(shape), cloud_(*static_cast<simulator::Nature*>(this)) {
  Populate();
  ScheduleUsers();
  for (int i = 0; i < shape_.processes; ++i) {
    auto process = std::make_unique<Process>();
    process->number = i;
    process->skew = Millis{int64_t(random_.Below(4'000)) - 2'000};
    processes_.push_back(std::move(process));
    Elect(*processes_.back());
  }
}

Millis World::DescribeLag() { return Fault("describe lags", 0.2) ? Delay(30'000) : Millis{0}; }

bool World::Fault(const char* kind, double probability) {
  if (!faults_on_ || !random_.Chance(probability * shape_.faults)) return false;
  const std::string name = std::string(kind) + "#" + std::to_string(++chances_[kind]);
  if (shape_.suppressed.contains(kind) || shape_.suppressed.contains(name)) return false;
  ++report_.faults[kind];
  return true;
}

void World::At(Process* process, Millis delay, std::function<void()> run) {
  agenda_.push({now_ + delay, ++order_, process, process ? process->life : 0, std::move(run)});
}

void World::Trace(const std::string& line) {
  report_.trace.push_back(std::to_string(now_.time_since_epoch().count()) + " " + line);
  if (report_.trace.size() > kTraceLines) report_.trace.erase(report_.trace.begin());
}

void World::Fail(const std::string& invariant) {
  if (!report_.violation.empty()) return;
  report_.violation = invariant;
  Trace("VIOLATION " + invariant);
}

Report World::Run() {
  const Mono quiet = now_ + kTroubled;
  const Mono end = quiet + kHealing;
  while (report_.violation.empty() && !agenda_.empty() && report_.steps < kMostSteps) {
    Due due = agenda_.top();
    agenda_.pop();
    now_ = std::max(now_, due.at);
    if (now_ > quiet) faults_on_ = false;
    if ((!faults_on_ && AllFinal() && LogIsClosed()) || now_ > end) break;
    if (due.process != nullptr) {
      if (due.life != due.process->life) continue;
      if (now_ < due.process->frozen_until) {
        // It wakes with everything in hand, in the old order.
        due.at = due.process->frozen_until;
        agenda_.push(std::move(due));
        continue;
      }
    }
    due.run();
  }
  if (report_.violation.empty()) JudgeEnd();
  return report_;
}

}  // namespace simulation
