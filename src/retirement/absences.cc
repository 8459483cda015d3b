#include "retirement/absences.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/judge.h"
#include "retirement/trouble.h"

namespace retirement {

namespace {

bool IsKnownToOthersOnly(const Target& t, const Viewpoint& from) {
  if (IsKnownFrom(t, &from)) return false;
  return std::any_of(t.known.begin(), t.known.end(), [&](const Viewpoint* v) {
    return v->region == from.region && v->who->endpoint == from.who->endpoint;
  });
}

}  // namespace

bool LacksWitness(const Target& t, const Viewpoint& from) {
  return !t.present && IsKnownToOthersOnly(t, from);
}

void SeekWitness(State& state, LaneState& lane, const Viewpoint& from, Now now) {
  constexpr size_t kWitnesses = 20;
  if (lane.witness_asked != Mono{} && now.mono < lane.witness_asked + kAbsenceLook) return;
  lane.witness_asked = now.mono;
  Account* account = state.FindAccount(lane.lane.account);
  if (account == nullptr || LooksAllowedAt(*account, now) > now.mono) return;
  Observe observe{lane.lane, OptionsOf(*account), {}};
  for (const auto& [id, t] : state.targets) {
    if (observe.ids.size() == kWitnesses) break;
    const bool may_be_there = !t.called && !(t.observed && !t.present);
    if (may_be_there && !t.looking && IsKnownToOthersOnly(t, from)) observe.ids.push_back(id);
  }
  if (observe.ids.empty()) return;
  account->describe.TryTake(now.mono);
  state.Do(std::move(observe));
}

namespace {

constexpr Millis kCensusInterval = seconds{5};

struct Census {
  size_t known = 0;
  size_t missing = 0;
};

/// What nobody looks for any more does not count; but what a person took for gone during the doubt
/// goes on to count, or believing one would end the doubt about all others.
bool CountsAsMissing(const Target& t, const LaneState& lane, Now now) {
  if (!IsSuspicious(lane)) return IsMissing(t) && now.mono - t.seen_at <= kLongestAbsenceGap;
  const Mono begun = lane.suspicious_since - kLongestAbsenceGap;
  const Mono from = std::max(begun, now.mono - kSuspiciousAbsence);
  return t.seen_at >= from && HasVanished(t);
}

Census Count(const State& state, const LaneState& lane, Now now) {
  Census census;
  for (const auto& [id, t] : state.targets) {
    if (!t.observed || !t.WasSeenIn(lane.lane)) continue;
    const bool missing = CountsAsMissing(t, lane, now);
    census.missing += missing;
    census.known += missing || t.present;
  }
  return census;
}

/// S8: answers that were doubted are no evidence once the doubt has ended.
void RestartAbsences(State& state, const Lane& lane, Now now) {
  for (auto& [id, t] : state.targets) {
    if (t.present || !t.WasSeenIn(lane)) continue;
    t.first_absent = now.mono;
    t.absences = 0;
  }
}

}  // namespace

void CountMissing(State& state, LaneState& lane, Now now) {
  if (lane.census != Mono{} && now.mono < lane.census + kCensusInterval) return;
  lane.census = now.mono;
  Account* account = state.FindAccount(lane.lane.account);
  if (account == nullptr) return;
  const Census census = Count(state, lane, now);
  const bool many =
      census.missing > kSuspiciousCount && census.missing * kSuspiciousShare > census.known;
  if (!many) {
    if (IsSuspicious(lane)) RestartAbsences(state, lane.lane, now);
    lane.suspicious_since = base::kNever;
    return OnSuccess(*account, Work::kSight, lane.lane.region, now);
  }
  lane.suspicious_since = std::min(lane.suspicious_since, now.mono);
  OnFailure(*account, Work::kSight, lane.lane.region,
            {"SuspiciousAnswers",
             "many instances are not listed any more that were seen before; if "
             "that is right, annotate their requests with "
             "cvm-retirement.dev/requestedAt"},
            now);
}

bool IsSuspicious(const LaneState& lane) { return lane.suspicious_since != base::kNever; }

}  // namespace retirement
