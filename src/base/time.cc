#include "base/time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace base {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::array<const char*, 7> kWeekdays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Fields {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<Millis> time;
};

Fields Split(Wall t) {
  const auto day = floor<days>(t);
  return {std::chrono::year_month_day{day}, std::chrono::hh_mm_ss<Millis>{t - day}};
}

std::string FormatSeconds(const Fields& f) {
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int(f.date.year()),
                     unsigned(f.date.month()), unsigned(f.date.day()), f.time.hours().count(),
                     f.time.minutes().count(), f.time.seconds().count());
}

/// Takes exactly `width` digits off the front of `text`.
std::optional<int> TakeDigits(std::string_view& text, size_t width) {
  if (text.size() < width) return std::nullopt;
  int value = 0;
  for (char c : text.substr(0, width)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool Take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Wall> Join(int year, int month, int day, Millis in_day) {
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{unsigned(month)},
                                         std::chrono::day{unsigned(day)}};
  if (!date.ok() || year < 1) return std::nullopt;
  return Wall{std::chrono::sys_days{date}} + in_day;
}

std::optional<Millis> TakeTimeOfDay(std::string_view& text) {
  const auto h = TakeDigits(text, 2);
  if (!h || *h > 23 || !Take(text, ':')) return std::nullopt;
  const auto m = TakeDigits(text, 2);
  if (!m || *m > 59 || !Take(text, ':')) return std::nullopt;
  const auto s = TakeDigits(text, 2);
  if (!s || *s > 60) return std::nullopt;
  return hours{*h} + minutes{*m} + seconds{*s};
}

/// The milliseconds of an optional ".123456"; nothing when the point has no digit after it.
std::optional<Millis> TakeFraction(std::string_view& text) {
  if (!Take(text, '.')) return Millis{0};
  int millis = 0;
  int scale = 100;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    millis += (text[digits] - '0') * scale;
    scale /= 10;
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return Millis{millis};
}

std::optional<minutes> TakeOffset(std::string_view& text) {
  if (Take(text, 'Z') || Take(text, 'z')) return minutes{0};
  const bool negative = Take(text, '-');
  if (!negative && !Take(text, '+')) return std::nullopt;
  const auto h = TakeDigits(text, 2);
  if (!h || *h > 23 || !Take(text, ':')) return std::nullopt;
  const auto m = TakeDigits(text, 2);
  if (!m || *m > 59) return std::nullopt;
  const minutes offset = hours{*h} + minutes{*m};
  return negative ? -offset : offset;
}

struct DurationUnit {
  const char* name;
  Millis size;
};
constexpr std::array<DurationUnit, 5> kUnits = {
    {{"ms", Millis{1}}, {"s", seconds{1}}, {"m", minutes{1}}, {"h", hours{1}}, {"d", hours{24}}}};

std::optional<Millis> UnitSize(std::string_view name) {
  for (const DurationUnit& unit : kUnits) {
    if (name == unit.name) return unit.size;
  }
  return std::nullopt;
}

constexpr Millis kLongest = hours{24 * 3650};

}  // namespace

std::string FormatRfc3339(Wall time) { return FormatSeconds(Split(time)) + "Z"; }

std::string FormatMicroTime(Wall time) {
  const Fields f = Split(time);
  return fmt::format("{}.{:03}000Z", FormatSeconds(f), f.time.subseconds().count());
}

std::optional<Wall> ParseRfc3339(std::string_view text) {
  const auto year = TakeDigits(text, 4);
  if (!year || !Take(text, '-')) return std::nullopt;
  const auto month = TakeDigits(text, 2);
  if (!month || !Take(text, '-')) return std::nullopt;
  const auto day = TakeDigits(text, 2);
  if (!day || !(Take(text, 'T') || Take(text, 't'))) return std::nullopt;
  const auto in_day = TakeTimeOfDay(text);
  if (!in_day) return std::nullopt;
  const auto fraction = TakeFraction(text);
  if (!fraction) return std::nullopt;
  const auto offset = TakeOffset(text);
  if (!offset || !text.empty()) return std::nullopt;
  const auto joined = Join(*year, *month, *day, *in_day + *fraction);
  if (!joined) return std::nullopt;
  return *joined - *offset;
}

std::string FormatHttpDate(Wall time) {
  const Fields f = Split(time);
  const std::chrono::weekday weekday{std::chrono::sys_days{f.date}};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kWeekdays[weekday.c_encoding()],
                     unsigned(f.date.day()), kMonths[unsigned(f.date.month()) - 1],
                     int(f.date.year()), f.time.hours().count(), f.time.minutes().count(),
                     f.time.seconds().count());
}

std::optional<Wall> ParseHttpDate(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  text = text.substr(5, 20);
  const auto day = TakeDigits(text, 2);
  if (!day || !Take(text, ' ')) return std::nullopt;
  int month = 0;
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (text.substr(0, 3) == kMonths[i]) month = int(i) + 1;
  }
  if (month == 0) return std::nullopt;
  text.remove_prefix(3);
  if (!Take(text, ' ')) return std::nullopt;
  const auto year = TakeDigits(text, 4);
  if (!year || !Take(text, ' ')) return std::nullopt;
  const auto in_day = TakeTimeOfDay(text);
  if (!in_day) return std::nullopt;
  return Join(*year, month, *day, *in_day);
}

std::string FormatDate(Wall time) { return FormatRfc3339(time).substr(0, 10); }

std::optional<Millis> ParseDuration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Millis total{0};
  while (!text.empty()) {
    int64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc{} || number < 0 || number > kLongest.count()) return std::nullopt;
    text.remove_prefix(size_t(end - text.data()));
    const size_t length = std::min(text.find_first_of("0123456789"), text.size());
    const auto unit = UnitSize(text.substr(0, length));
    if (!unit || number > kLongest / *unit) return std::nullopt;
    total += number * *unit;
    if (total > kLongest) return std::nullopt;
    text.remove_prefix(length);
  }
  return total;
}

std::string FormatDuration(Millis duration) {
  if (duration == Millis{0}) return "0s";
  std::string text;
  for (const DurationUnit& unit : {kUnits[3], kUnits[2], kUnits[1], kUnits[0]}) {
    if (duration < unit.size) continue;
    text += fmt::format("{}{}", duration / unit.size, unit.name);
    duration %= unit.size;
  }
  return text;
}

}  // namespace base
