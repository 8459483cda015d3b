// Time as values: two clocks, RFC 3339 and HTTP dates, durations as people write them.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace base {

using Millis = std::chrono::milliseconds;

/// Names the boot-time clock for std::chrono: it never jumps and runs on while the machine is
/// suspended (CLOCK_BOOTTIME; steady_clock stops then). It has no now(): see Clock.
struct BootClock {
  using duration = Millis;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, Millis>;
  static constexpr bool is_steady = true;
};

using Mono = BootClock::time_point;
using Wall = std::chrono::sys_time<Millis>;

/// The present on both clocks. Decisions take it as an argument and read no clock.
struct Now {
  Mono mono{};
  Wall wall{};
};

inline constexpr Mono kNever = Mono::max();

/// "2026-12-01T18:00:00Z"; parts of a second are cut off.
std::string FormatRfc3339(Wall time);
/// "2026-12-01T18:00:00.000000Z", the MicroTime of Leases and Events.
std::string FormatMicroTime(Wall time);
/// Any RFC 3339 time: offset or Z, fraction or none, year 1..9999. Nothing for another text.
std::optional<Wall> ParseRfc3339(std::string_view text);
/// "Tue, 14 Nov 2023 22:13:20 GMT" (RFC 9110 5.6.7, the preferred form only).
std::optional<Wall> ParseHttpDate(std::string_view text);
std::string FormatHttpDate(Wall time);
/// "2023-11-14" in UTC.
std::string FormatDate(Wall time);

/// Durations of configuration and specs: "1h30m", "15m", "250ms". Needs a unit, is not negative,
/// at most 10 years.
std::optional<Millis> ParseDuration(std::string_view text);
/// The shortest such text: "1h30m", "15s", "0s".
std::string FormatDuration(Millis duration);

}  // namespace base
