#include "retirement/status.h"

#include <algorithm>

#include "base/hash.h"
#include "retirement/accept.h"
#include "retirement/members.h"

namespace retirement {
namespace {

struct Draft {
  ConditionStatus status = ConditionStatus::kAbsent;
  std::string reason{};
  std::string message{};
};

constexpr ConditionStatus kTrue = ConditionStatus::kTrue;
constexpr ConditionStatus kFalse = ConditionStatus::kFalse;

Draft Accepted(const Request& r) {
  if (r.IsAccepted()) return {kTrue, "Accepted", "the request is valid and its account serves it"};
  return {kFalse, r.not_accepted.reason, r.not_accepted.message};
}

constexpr size_t kMostMembers = 400;
constexpr std::string_view kSeenWith = "; seen with credentials ";

/// From where every member that is not done was seen, as the present credentials if they are the
/// same account; "" when they differ.
std::string SeenWith(const State& state, const Request& r) {
  const Viewpoint* from = nullptr;
  for (const MemberStatus& m : r.members) {
    const bool done = IsFinal(m.state) && m.state != MemberState::kBlocked;
    const auto found = state.targets.find(m.id);
    if (m.charge.empty() || done || found == state.targets.end()) continue;
    const auto& known = found->second.known;
    const auto here = std::find_if(known.rbegin(), known.rend(),
                                   [&](const Viewpoint* v) { return v->region == r.spec.region; });
    if (here == known.rend()) return {};
    if (from != nullptr && !Same(*from, **here)) return {};
    from = *here;
  }
  return from == nullptr ? std::string() : from->who->ToString();
}

Draft PlanOf(const State& state, const Request& r) {
  if (r.planned_generation == r.generation) {
    return {kTrue, "PlanReady",
            std::to_string(r.plan.calls) + " calls for " + std::to_string(r.plan.prepaid) +
                " prepaid and " + std::to_string(r.plan.postpaid) + " other instances"};
  }
  const auto account = state.accounts.find(r.spec.account);
  if (account != state.accounts.end() && !account->second.not_ready.reason.empty()) {
    return {ConditionStatus::kUnknown, "DescribeFailed", account->second.not_ready.message};
  }
  if (r.not_permitted.told_only && !r.not_permitted.reason.empty()) {
    return {ConditionStatus::kUnknown, "DescribeFailed", r.not_permitted.message};
  }
  return {ConditionStatus::kUnknown, "Resolving", "its instances are being observed"};
}

Draft Planned(const State& state, const Request& r) {
  if (!r.IsAccepted()) return {};
  Draft draft = PlanOf(state, r);
  const std::string credential = SeenWith(state, r);
  if (!credential.empty()) draft.message += std::string(kSeenWith) + credential;
  return draft;
}

Draft Permitted(const Request& r) {
  if (!r.IsAccepted() || !r.Executes()) return {};
  if (AllFinal(r) && r.phase != Phase::kExpired)
    return {kTrue, "Permitted", "nothing holds it back"};
  if (r.not_permitted.reason.empty()) return {kTrue, "Permitted", "nothing holds it back"};
  return {kFalse, r.not_permitted.reason, r.not_permitted.message};
}

/// "InstanceProtected 2, UnpaidOrder 1".
std::string CountReasons(const Request& r, MemberState wanted) {
  std::array<int, kReasons> counts{};
  for (const MemberStatus& m : r.members) {
    if (m.state == wanted) ++counts[size_t(m.reason)];
  }
  std::string text;
  for (size_t i = 0; i < kReasons; ++i) {
    if (counts[i] == 0) continue;
    text += (text.empty() ? "" : ", ") + std::string(ToString(Reason(i))) + " " +
            std::to_string(counts[i]);
  }
  return text;
}

Draft ReadyWhenFinal(const Request& r) {
  const std::string progress = Progress(r);
  if (r.phase == Phase::kDryRun) return {kTrue, "DryRunComplete", "planned; nothing was changed"};
  if (r.phase == Phase::kExpired) {
    return {kFalse, "Expired", progress + " were retired before spec.schedule.expiresAt"};
  }
  if (Count(r, MemberState::kBlocked) > 0) {
    return {kFalse, "MembersBlocked",
            progress + " retired; blocked: " + CountReasons(r, MemberState::kBlocked) +
                "; remove the cause and annotate cvm-retirement.dev/requestedAt to go on at once"};
  }
  if (Count(r, MemberState::kFailed) > 0) {
    return {kFalse, "MembersFailed",
            progress + " retired; failed: " + CountReasons(r, MemberState::kFailed)};
  }
  return {kTrue, "Complete", progress + " retired"};
}

Draft Ready(const Request& r) {
  if (!r.IsAccepted()) return {kFalse, r.not_accepted.reason, r.not_accepted.message};
  if (AllFinal(r)) return ReadyWhenFinal(r);
  const Holdup& holdup = r.not_permitted;
  const bool held = !holdup.reason.empty() && (r.Executes() || holdup.told_only);
  const bool started = Count(r, MemberState::kSubmitted) + Count(r, MemberState::kVerifying) > 0;
  if (held && (!started || holdup.told_only)) return {kFalse, holdup.reason, holdup.message};
  return {kFalse, "InProgress", holdup.message.empty() ? "in progress" : holdup.message};
}

bool IsStalled(const Request& r) {
  if (!r.IsAccepted()) return r.not_accepted.needs_person;
  return r.phase == Phase::kIncomplete || r.phase == Phase::kExpired;
}

bool IsDone(const Request& r) {
  return r.IsAccepted() && (r.phase == Phase::kComplete || r.phase == Phase::kDryRun);
}

std::array<Draft, kConditionTypes> Conditions(const State& state, const Request& r) {
  std::array<Draft, kConditionTypes> c;
  const Draft ready = Ready(r);
  c[size_t(ConditionType::kAccepted)] = Accepted(r);
  c[size_t(ConditionType::kPlanned)] = Planned(state, r);
  c[size_t(ConditionType::kPermitted)] = Permitted(r);
  c[size_t(ConditionType::kReady)] = ready;
  if (IsStalled(r)) {
    c[size_t(ConditionType::kStalled)] = {kTrue, ready.reason, ready.message};
  } else if (!IsDone(r)) {
    c[size_t(ConditionType::kReconciling)] = {kTrue, ready.reason, ready.message};
  }
  return c;
}

std::optional<Wall> NextAttempt(const Request& r) {
  if (!r.IsAccepted() || !r.Executes() || AllFinal(r)) return std::nullopt;
  return r.not_permitted.until;
}

}  // namespace

const char* ToString(ConditionType type) {
  constexpr std::array<const char*, kConditionTypes> kNames = {
      "Accepted", "Planned", "Permitted", "Ready", "Reconciling", "Stalled"};
  return kNames[size_t(type)];
}

std::string Progress(const Request& r) {
  return std::to_string(Good(r)) + "/" + std::to_string(r.members.size());
}

const Condition* ReadyOf(const RequestStatus& status) {
  for (const Condition& c : status.conditions) {
    if (c.type == ToString(ConditionType::kReady)) return &c;
  }
  return nullptr;
}

uint64_t PrintOf(const Condition& c) {
  return base::Fingerprint().Add(c.reason).Add(c.message).value();
}

std::string SeenWith(const RequestStatus& status) {
  for (const Condition& c : status.conditions) {
    const size_t at = c.type == "Planned" ? c.message.rfind(kSeenWith) : std::string::npos;
    if (at != std::string::npos) return c.message.substr(at + kSeenWith.size());
  }
  return {};
}

RequestStatus Render(const State& state, const Request& r, Now now) {
  RequestStatus s;
  s.observed_generation = r.generation;
  s.phase = r.phase;
  s.summary.total = int(r.members.size());
  std::copy(r.counts.begin(), r.counts.end(), s.summary.count);
  if (r.planned_generation == r.generation) s.plan = r.plan;
  s.next_attempt = NextAttempt(r);
  s.accepted = r.accepted;
  s.started = r.started;
  s.completed = r.completed;
  s.handled_requested_at = r.handled_requested_at;
  s.members = r.members;
  // The CRD takes so many: the oldest of those that were removed from the spec go first.
  if (s.members.size() > kMostMembers) {
    const size_t surplus = s.members.size() - kMostMembers;
    const auto removed = s.members.begin() + std::ptrdiff_t(r.spec.members.size());
    s.members.erase(removed, removed + std::ptrdiff_t(surplus));
  }
  const auto drafts = Conditions(state, r);
  for (size_t i = 0; i < kConditionTypes; ++i) {
    const Draft& d = drafts[i];
    if (d.status == ConditionStatus::kAbsent) continue;
    const ConditionMemo& memo = r.conditions[i];
    s.conditions.push_back({ToString(ConditionType(i)), d.status, d.reason, d.message,
                            memo.status == d.status ? memo.since : now.wall, r.generation});
  }
  return s;
}

void Remember(Request& r, const RequestStatus& status) {
  r.conditions = {};
  for (const Condition& c : status.conditions) {
    for (size_t i = 0; i < kConditionTypes; ++i) {
      if (c.type == ToString(ConditionType(i))) r.conditions[i] = {c.status, c.since};
    }
  }
}

}  // namespace retirement
