#include "retirement/sights.h"

#include <algorithm>

#include "retirement/absences.h"
#include "retirement/accounts.h"
#include "retirement/claims.h"
#include "retirement/durations.h"
#include "retirement/faults.h"
#include "retirement/judge.h"
#include "retirement/members.h"
#include "retirement/targets.h"
#include "retirement/trouble.h"

namespace retirement {
namespace {
constexpr double kMostIdsOfCall = 100;  // CVM API, TerminateInstances, InstanceIds
constexpr size_t kMostIds = 100;        // CVM API, DescribeInstances, InstanceIds
}  // namespace

void Know(State& state, Target& t, const Viewpoint* from) {
  for (const Viewpoint* other : t.known) state.identities.Merge(*other, *from);
  std::erase_if(t.known, [&](const Viewpoint* v) { return Same(*v, *from); });
  t.known.push_back(from);
}

void ForgetSight(Target& t) {
  t.observed = false;
  t.retries = 0;
  t.server_faults = 0;
  t.not_before = Mono{};
  t.refused_sight = 0;
  t.ended.reset();
  t.look_denied = false;
}

void ShowCharge(Target& t) {
  for (const Claim& claim : t.claims) {
    MemberStatus& m = MemberOf(claim);
    const bool here = t.WasSeenIn(claim.request->lane());
    if (here && t.present && m.charge.empty()) m.charge = t.sight.charge;
  }
}

namespace {

/// A row of absences has no long gaps: in between anything may have been seen.
void TakeAbsence(Target& t, Mono sent, Mono received) {
  const Millis longest = t.accepted ? kSightAge : kLongestAbsenceGap;
  const bool goes_on = t.observed && !t.present && sent - t.seen_at <= longest;
  if (!goes_on || t.first_absent == Mono{}) {
    t.first_absent = received;
    t.absences = 0;
  }
  if (t.absences < 1000) ++t.absences;
  t.present = false;
  t.unchanged_since = Mono{};
}

void TakeSight(Target& t, const Sight& sight, Mono sent) {
  const bool same = t.present && SightPrint(t.sight) == SightPrint(sight);
  if (!same || t.unchanged_since < SettledAt(t)) t.unchanged_since = sent;
  t.present = true;
  t.seen_alive = true;
  t.concluded = false;
  t.first_absent = Mono{};
  t.absences = 0;
  const bool renamed = t.sight.name != sight.name || t.sight.private_ips != sight.private_ips;
  if (t.crowd && renamed) ++t.crowd->round;
  t.sight = sight;
  t.new_termination = t.new_termination || ShowsNewTermination(t);
  if (IsInBin(t)) {
    t.binned_at = sent;
    if (ReflectsLastCall(t, sent)) t.proven_at = sent;
  }
  // E0: what it was refused for may be gone.
  if (t.refused_sight != 0 && t.refused_sight != SightPrint(sight)) {
    t.refused_sight = 0;
    t.not_before = Mono{};
    t.ended.reset();
  }
  // S5: outside the bin again, whatever was accepted before has been undone.
  const bool was_there = t.proven_at != Mono{} && t.proven_at >= t.last_call_end;
  if (IsPrepaid(t) && was_there && LeftTheBin(t, sent) && t.place != Place::kBatch) {
    t.accepted = t.failed = false;
  }
}

void TakeAnswer(State& state, const Observed& event, const Viewpoint* from, Target& t,
                const Sight* sight, Now now) {
  if (event.sent < t.seen_at) return;
  // An absence from elsewhere does not continue a row of absences.
  if (!t.WasSeenIn(event.lane) || t.seen_from != from) t.first_absent = Mono{};
  if (sight) Know(state, t, from);
  sight ? TakeSight(t, *sight, event.sent) : TakeAbsence(t, event.sent, now.mono);
  t.observed = true;
  t.look_denied = false;
  t.look_group = 0;
  t.seen_at = event.sent;
  const bool stale = sight && now.mono + kCommitAhead + kFenceMargin >= FreshUntil(t);
  t.stale_looks = stale ? uint8_t(std::min(t.stale_looks + 1, 100)) : 0;
  t.seen_lane = &state.LaneOf(event.lane).lane;
  t.seen_from = from;
  ShowCharge(t);
}

/// One of the ids may be the reason, also when the service says that it failed itself.
bool MayBeOneOfThem(const Refusal& refusal) {
  const About about = RuleOf(refusal.fault).about;
  return about == About::kBatch || about == About::kInstance;
}

/// The halves of a refused look are looked at apart from each other.
void DivideLook(State& state, const Observed& event) {
  if (event.ids.size() < 2) return;
  for (size_t half = 0; half < 2; ++half) {
    const uint32_t group = state.next_group++;
    for (size_t i = half * event.ids.size() / 2; i < (half + 1) * event.ids.size() / 2; ++i) {
      const auto t = state.targets.find(event.ids[i]);
      if (t != state.targets.end()) t->second.look_group = group;
    }
  }
}

/// A look that is refused for one id alone, while others are answered, denies that instance.
void TakeRefusal(const LaneState& lane, const Observed& event, Target& t, Now now) {
  const auto& refusal = std::get<Refusal>(event.answer);
  if (!MayBeOneOfThem(refusal) || event.ids.size() > 1 || lane.refused_looks > 1) return;
  t.look_denied = true;
  t.wait_reason = refusal.fault == Fault::kUnauthorized ? Reason::kUnauthorized
                  : refusal.fault == Fault::kServer     ? Reason::kServiceError
                                                        : Reason::kRejectedByApi;
  if (t.retries < 100) ++t.retries;
  t.not_before = now.mono + BackOff(RuleOf(Fault::kUnauthorized), t.retries);
  t.wait_message =
      std::make_shared<const std::string>("DescribeInstances is refused: " + Words(refusal));
}

/// Once for each request, however many of its members were seen.
void UpdatePlans(State& state, const std::vector<InstanceId>& ids, Now now) {
  std::set<std::pair<std::string_view, Request*>>
      requests;  // in an order that does not depend on addresses
  for (const InstanceId id : ids) {
    const auto found = state.targets.find(id);
    if (found == state.targets.end()) continue;
    for (const Claim& claim : found->second.claims) {
      Request* r = claim.request;
      if (r->planned_generation != r->generation) requests.emplace(r->uid, r);
    }
  }
  for (const auto& [uid, r] : requests) UpdatePlan(state, *r, now);
}

}  // namespace

void OnObserved(State& state, const Observed& event, Now now) {
  Account* account = state.FindAccount(event.lane.account);
  LaneState& lane = state.LaneOf(event.lane);
  lane.looking -= std::min(lane.looking, event.ids.size());
  if (account != nullptr) OnDescribeAnswer(state, *account, event, now);
  const auto* sights = std::get_if<std::vector<Sight>>(&event.answer);
  std::map<InstanceId, const Sight*> seen;
  if (sights) {
    for (const Sight& sight : *sights) seen.emplace(sight.id, &sight);
  } else if (account != nullptr && MayBeOneOfThem(std::get<Refusal>(event.answer))) {
    DivideLook(state, event);
  }
  const Viewpoint* from = state.identities.At(event.lane.region, event.credential, event.endpoint);
  bool lacks_witness = false;
  bool missing = false;
  for (const InstanceId id : event.ids) {
    const auto found = state.targets.find(id);
    if (found == state.targets.end()) continue;
    Target& t = found->second;
    t.looking = false;
    if (t.place == Place::kLook) t.place = Place::kIdle;
    if (sights) {
      const auto sight = seen.find(id);
      TakeAnswer(state, event, from, t, sight == seen.end() ? nullptr : sight->second, now);
      lacks_witness = lacks_witness || LacksWitness(t, *from);
      missing = missing || IsMissing(t);
    } else if (account != nullptr) {
      TakeRefusal(lane, event, t, now);
    }
  }
  if (missing || IsSuspicious(lane)) CountMissing(state, lane, now);
  if (lacks_witness) SeekWitness(state, lane, *from, now);
  UpdatePlans(state, event.ids, now);
  for (const InstanceId id : event.ids) {
    const auto found = state.targets.find(id);
    if (found != state.targets.end()) Reassess(state, found->second, now);
  }
}

namespace {

/// So many of the packed can be called within `time`; 100 at least.
double Sendable(const Account& account, Millis time) {
  const double calls = account.terminate.current() * double(time.count()) / 1000;
  return std::max(1.0, calls) * kMostIdsOfCall;
}

/// Looking further ahead than the rate can send only lets sights age. What waits in another region
/// that may not call does not count.
bool MayLookAhead(const Account& account, const LaneState& here) {
  size_t ahead = 0;
  size_t prepaid = 0;
  for (const auto& [region, lane] : account.lanes) {
    if (lane != &here && lane->breaker.open()) continue;
    ahead += lane->packer.size() + lane->looking;
    prepaid += lane->packer.prepaid();
  }
  return double(ahead) < Sendable(account, prepaid > 0 ? kPrepaidLookAhead : kLookAhead);
}

Mono LooksOfLaneAt(const Account& account, const LaneState& lane, Now now) {
  return std::max(LooksAllowedAt(account, now), lane.looks_after);
}

void SendLooksOf(State& state, Account& account, LaneState& lane, Now now) {
  while (LooksOfLaneAt(account, lane, now) <= now.mono && lane.looks.Next(true) <= now.mono) {
    // While every look is refused one instance after the other is asked for.
    const bool probing = std::max(lane.refused_looks, account.refused_looks) >= kRefusedAlike;
    const Looks::Cut cut{MayLookAhead(account, lane), probing ? 1 : kMostIds,
                         account.look_groups_from};
    std::vector<Target*> targets = lane.looks.Take(now.mono, cut);
    if (targets.empty()) break;
    KeepCredentialsFresh(state, account, now);
    account.describe.TryTake(now.mono);
    account.credentials_breaker.OnSend();
    // E0: while looks are refused, one at a time.
    if (account.looks_after != Mono{}) account.looks_after = now.mono + kLongestLookPause;
    if (probing || lane.refused_looks > 0) lane.looks_after = now.mono + kLongestLookPause;
    Observe observe{lane.lane, OptionsOf(account), {}};
    for (Target* t : targets) {
      t->looking = true;
      observe.ids.push_back(t->id);
    }
    lane.looking += targets.size();
    state.Do(std::move(observe));
  }
}

}  // namespace

void SendLooks(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced() || state.stopping) return;
  state.EachLaneInTurn([&](LaneState& lane) {
    if (!lane.looks.empty()) SendLooksOf(state, *lane.account, lane, now);
  });
}

Mono NextLook(const State& state, Now now) {
  Mono next = base::kNever;
  for (const auto& [key, lane] : state.lanes) {
    if (lane.looks.empty()) continue;
    const Mono allowed = LooksOfLaneAt(*lane.account, lane, now);
    if (allowed == base::kNever) continue;
    const bool ahead = MayLookAhead(*lane.account, lane);
    next = std::min(next, std::max(allowed, lane.looks.Next(ahead)));
  }
  return next;
}

}  // namespace retirement
