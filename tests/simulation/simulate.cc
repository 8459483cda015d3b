// simulate: searches seeds for a violation of the invariants, or replays one. A failing seed is
// shrunk: faults that it can do without are left out of the trace.
//
//   simulate [--seed N] [--seconds N] [--worlds N] [--first N] [--without NAME]...
//
// --without leaves out a kind of fault, or an invariant ("S12") that is known to be broken.

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "simulation/world.h"

namespace {

using simulation::Report;
using simulation::Shape;
using simulation::World;

constexpr int kMostShrinkRuns = 2'000;
// A fault that is possible and hardly ever happens would prove nothing.
constexpr int64_t kEnoughOfEach = 1'000;
constexpr int64_t kStepsThatSuffice = 40'000'000;

struct Options {
  uint64_t seed = 0;
  bool replay = false;
  int seconds = 10;
  int64_t worlds = 1'000'000'000;
  std::set<std::string> without{};
  uint64_t first = uint64_t(std::chrono::system_clock::now().time_since_epoch().count());
};

Options Parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seed") o.seed = std::strtoull(argv[i + 1], nullptr, 10), o.replay = true;
    if (flag == "--seconds") o.seconds = std::atoi(argv[i + 1]);
    if (flag == "--worlds") o.worlds = std::atoll(argv[i + 1]);
    if (flag == "--without") o.without.insert(argv[i + 1]);
    if (flag == "--first") o.first = std::strtoull(argv[i + 1], nullptr, 10);
  }
  return o;
}

Shape ShapeOf(uint64_t seed, const Options& o) {
  Shape shape = simulation::ShapeOf(seed);
  shape.suppressed = o.without;
  return shape;
}

/// What escapes from a world is a violation, too.
Report Try(uint64_t seed, const Shape& shape) {
  try {
    return World(seed, shape).Run();
  } catch (const std::exception& e) {
    Report report;
    report.violation = std::string("exception: ") + e.what();
    return report;
  }
}

/// "S5" of "S5: second accepted call for ...".
std::string Invariant(const std::string& violation) {
  return violation.substr(0, violation.find(':'));
}

/// The instance that a violation is about.
std::optional<retirement::InstanceId> InstanceIn(const std::string& violation) {
  const size_t at = violation.find("ins-");
  if (at == std::string::npos) return std::nullopt;
  return retirement::InstanceId::Parse(violation.substr(at, 12));
}

/// Leaves out whole kinds of faults, then single ones, while the same invariant stays broken; the
/// trace then tells all of the instance that it is about.
Report Shrink(uint64_t seed, Shape shape, Report report) {
  int runs = 0;
  const auto try_without = [&](const std::string& fault) {
    if (++runs > kMostShrinkRuns) return;
    Shape smaller = shape;
    smaller.suppressed.insert(fault);
    Report r = Try(seed, smaller);
    if (Invariant(r.violation) != Invariant(report.violation)) return;
    shape = std::move(smaller);
    report = std::move(r);
  };
  for (const auto& [kind, count] : simulation::FaultCounts(report.faults)) try_without(kind);
  for (const auto& [kind, count] : simulation::FaultCounts(report.faults)) {
    for (int64_t n = count; n > 0; --n) try_without(kind + "#" + std::to_string(n));
  }
  shape.focus = InstanceIn(report.violation);
  return Try(seed, shape);
}

int Tell(uint64_t seed, const Shape& shape, const Report& found) {
  if (found.violation.empty()) {
    fmt::print("seed {}: {} steps, no violation\n", seed, found.steps);
    return 0;
  }
  const Report report = Shrink(seed, shape, found);
  fmt::print("seed {}: {}\n  with these faults:", seed, report.violation);
  for (const auto& [kind, count] : report.faults) fmt::print(" {} x {};", count, kind);
  fmt::print("\n");
  for (const std::string& line : report.trace) fmt::print("  {}\n", line);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = Parse(argc, argv);
  if (o.replay) {
    const Shape shape = ShapeOf(o.seed, o);
    return Tell(o.seed, shape, Try(o.seed, shape));
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(o.seconds);
  simulation::FaultCounts faults;
  int64_t steps = 0;
  int64_t worlds = 0;
  while (worlds < o.worlds && std::chrono::steady_clock::now() < end) {
    const uint64_t seed = o.first + uint64_t(worlds);
    const Shape shape = ShapeOf(seed, o);
    const Report report = Try(seed, shape);
    steps += report.steps;
    ++worlds;
    for (const auto& [kind, count] : report.faults) faults[kind] += count;
    if (!report.violation.empty()) return Tell(seed, shape, report);
  }
  fmt::print("{} worlds, {} steps, no violation\n", worlds, steps);
  bool rare = false;
  for (const auto& [kind, count] : faults) {
    const bool too_rare = steps >= kStepsThatSuffice && count < kEnoughOfEach;
    fmt::print("  {:32} {}{}\n", kind, count, too_rare ? "  TOO RARE" : "");
    rare = rare || too_rare;
  }
  return rare ? 1 : 0;
}
