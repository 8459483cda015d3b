// simulate: searches seeds for a violation of the invariants, or replays one.
//
//   simulate [--seed N] [--seconds N] [--worlds N]

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "simulation/world.h"

namespace {

struct Options {
  uint64_t seed = 0;
  bool replay = false;
  int seconds = 10;
  int64_t worlds = 1'000'000'000;
};

Options Parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seed") o.seed = std::strtoull(argv[i + 1], nullptr, 10), o.replay = true;
    if (flag == "--seconds") o.seconds = std::atoi(argv[i + 1]);
    if (flag == "--worlds") o.worlds = std::atoll(argv[i + 1]);
  }
  return o;
}

simulation::Shape ShapeOf(uint64_t seed) {
  simulation::Shape shape;
  shape.requests = int(1 + seed % 5);
  shape.members = int(1 + seed / 5 % 6);
  shape.faults = seed % 7 == 0 ? 0 : 1;
  return shape;
}

int Report(uint64_t seed, const simulation::Report& report, bool whole) {
  if (report.violation.empty()) {
    fmt::print("seed {}: {} steps, no violation\n", seed, report.steps);
    return 0;
  }
  fmt::print("seed {}: {}\n", seed, report.violation);
  const size_t shown = whole ? report.trace.size() : std::min<size_t>(40, report.trace.size());
  for (size_t i = report.trace.size() - shown; i < report.trace.size(); ++i) {
    fmt::print("  {}\n", report.trace[i]);
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = Parse(argc, argv);
  if (o.replay) return Report(o.seed, simulation::World(o.seed, ShapeOf(o.seed)).Run(), true);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(o.seconds);
  simulation::FaultCounts faults;
  int64_t steps = 0;
  int64_t worlds = 0;
  const uint64_t first = uint64_t(std::chrono::system_clock::now().time_since_epoch().count());
  while (worlds < o.worlds && std::chrono::steady_clock::now() < end) {
    const uint64_t seed = first + uint64_t(worlds);
    const simulation::Report report = simulation::World(seed, ShapeOf(seed)).Run();
    steps += report.steps;
    ++worlds;
    for (const auto& [kind, count] : report.faults) faults[kind] += count;
    if (!report.violation.empty()) return Report(seed, report, false);
  }
  fmt::print("{} worlds, {} steps, no violation\n", worlds, steps);
  for (const auto& [kind, count] : faults) fmt::print("  {:32} {}\n", kind, count);
  return 0;
}
