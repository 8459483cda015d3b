#include "retirement/object.h"

#include <fmt/format.h>

#include <charconv>

#include "base/hash.h"

namespace retirement {
namespace {

using base::Fingerprint;

// Status shows whole seconds.
int64_t Seconds(Wall time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}
int64_t Seconds(const std::optional<Wall>& time) { return time ? Seconds(*time) : -1; }

void Add(Fingerprint& f, const MemberStatus& m) {
  f.Add(int64_t(m.id.packed())).Add(int64_t(m.state)).Add(int64_t(m.reason)).Add(m.attempts);
  f.Add(int64_t(m.batch)).Add(Seconds(m.time)).Add(m.charge.view()).Add(m.request_id.view());
  f.Add(m.message_view());
}

void Add(Fingerprint& f, const Condition& c) {
  f.Add(c.type).Add(int64_t(c.status)).Add(c.reason).Add(c.message).Add(Seconds(c.since));
  f.Add(c.observed_generation);
}

}  // namespace

const char* ToString(ConditionStatus status) {
  switch (status) {
    case ConditionStatus::kAbsent:
      return "";
    case ConditionStatus::kTrue:
      return "True";
    case ConditionStatus::kFalse:
      return "False";
    case ConditionStatus::kUnknown:
      return "Unknown";
  }
  __builtin_unreachable();
}

uint64_t FingerprintOf(const RequestStatus& s) {
  Fingerprint f;
  f.Add(s.observed_generation).Add(int64_t(s.phase)).Add(s.summary.total);
  for (const int count : s.summary.count) f.Add(count);
  f.Add(s.plan.digest).Add(s.plan.prepaid).Add(s.plan.postpaid).Add(s.plan.calls);
  f.Add(Seconds(s.plan.time)).Add(Seconds(s.next_attempt)).Add(Seconds(s.accepted));
  f.Add(Seconds(s.started)).Add(Seconds(s.completed)).Add(s.handled_requested_at);
  for (const MemberStatus& m : s.members) Add(f, m);
  for (const Condition& c : s.conditions) Add(f, c);
  return f.value();
}

uint64_t FingerprintOf(const AccountStatus& s) {
  Fingerprint f;
  f.Add(s.observed_generation).Add(s.installation);
  f.Add(s.waiting_requests).Add(s.waiting_instances);
  for (const Condition& c : s.conditions) Add(f, c);
  return f.value();
}

std::string BatchName(const Lane& lane, uint64_t sequence) {
  return fmt::format("{}.{}.{:010}", lane.account, lane.region, sequence);
}

std::optional<uint64_t> SequenceOf(std::string_view name, const Lane& lane) {
  const std::string prefix = lane.account + "." + lane.region + ".";
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  uint64_t sequence = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), sequence);
  if (failure != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return sequence;
}

}  // namespace retirement
