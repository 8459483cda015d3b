#include "retirement/sights.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/claims.h"
#include "retirement/durations.h"
#include "retirement/members.h"
#include "retirement/targets.h"

namespace retirement {
namespace {
constexpr double kMostIdsOfCall = 100;  // CVM API, TerminateInstances, InstanceIds
}

void Know(Target& t, const Lane& lane, const std::string& credential) {
  std::erase_if(t.known,
                [&](const Sighting& s) { return s.lane == lane && s.credential == credential; });
  t.known.push_back({lane, credential});
}

void ForgetSight(Target& t) {
  t.observed = false;
  t.retries = 0;
  t.server_faults = 0;
  t.not_before = Mono{};
}

namespace {

/// A row of absences has no long gaps (S9): in between anything may have been seen.
void TakeAbsence(Target& t, Mono sent, Mono received) {
  const bool goes_on = t.observed && !t.present && sent - t.seen_at <= kSightAge;
  if (!goes_on || t.first_absent == Mono{}) t.first_absent = received;
  t.present = false;
}

void TakeSight(Target& t, const Sight& sight) {
  t.present = true;
  t.seen_alive = true;
  t.first_absent = Mono{};
  t.sight = sight;
  // S5: outside the bin again, whatever was accepted before has been undone.
  if (IsPrepaid(t) && !IsInBin(t) && t.place != Place::kBatch) t.accepted = false;
}

void ShowCharge(State& state, Target& t, Now now) {
  for (const Claim& claim : t.claims) {
    MemberStatus& m = MemberOf(claim);
    const bool here = claim.request->lane() == t.seen_lane;
    if (here && t.present && m.charge.empty()) m.charge = t.sight.charge;
    UpdatePlan(state, *claim.request, now);
  }
}

void TakeAnswer(State& state, const Observed& event, Target& t, const Sight* sight, Now now) {
  t.looking = false;
  const bool same_view = t.seen_lane == event.lane && t.seen_credential == event.credential;
  if (event.sent < t.seen_at) return;
  // An absence under other credentials, or in another region, does not continue a row of absences.
  if (!same_view) t.first_absent = Mono{};
  if (sight) Know(t, event.lane, event.credential);
  sight ? TakeSight(t, *sight) : TakeAbsence(t, event.sent, now.mono);
  t.observed = true;
  t.seen_at = event.sent;
  t.seen_lane = event.lane;
  t.seen_credential = event.credential;
  ShowCharge(state, t, now);
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
  }
  for (const InstanceId id : event.ids) {
    const auto found = state.targets.find(id);
    if (found == state.targets.end()) continue;
    Target& t = found->second;
    t.looking = false;
    if (t.place == Place::kLook) t.place = Place::kIdle;
    if (sights) {
      const auto sight = seen.find(id);
      TakeAnswer(state, event, t, sight == seen.end() ? nullptr : sight->second, now);
    }
    Reassess(state, t, now);
  }
}

namespace {

/// So many of the packed can be called within `time`; 100 at least.
double Sendable(const Account& account, Millis time) {
  const double calls = account.terminate.current() * double(time.count()) / 1000;
  return std::max(1.0, calls) * kMostIdsOfCall;
}

/// Looking further ahead than the rate can send only lets sights age.
bool MayLookAhead(const State& state, const Account& account) {
  size_t ahead = 0;
  size_t prepaid = 0;
  for (const std::string& region : account.lanes) {
    const auto lane = state.lanes.find({account.object.name, region});
    if (lane == state.lanes.end()) continue;
    ahead += lane->second.packer.size() + lane->second.looking;
    prepaid += lane->second.packer.prepaid();
  }
  return double(ahead) < Sendable(account, prepaid > 0 ? kPrepaidLookAhead : kLookAhead);
}

}  // namespace

void SendLooks(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced() || state.stopping) return;
  for (auto& [lane, lane_state] : state.lanes) {
    Account* account = state.FindAccount(lane.account);
    if (account == nullptr) continue;
    while (LooksAllowedAt(*account, now) <= now.mono && lane_state.looks.Next(true) <= now.mono) {
      std::vector<Target*> targets = lane_state.looks.Take(now.mono, MayLookAhead(state, *account));
      if (targets.empty()) break;
      KeepCredentialsFresh(state, *account, now);
      account->describe.TryTake(now.mono);
      account->credentials_breaker.OnSend();
      Observe observe{lane, OptionsOf(*account), {}};
      for (Target* t : targets) {
        t->looking = true;
        observe.ids.push_back(t->id);
      }
      lane_state.looking += targets.size();
      state.Do(std::move(observe));
    }
  }
}

Mono NextLook(const State& state, Now now) {
  Mono next = base::kNever;
  for (const auto& [lane, lane_state] : state.lanes) {
    const auto account = state.accounts.find(lane.account);
    if (account == state.accounts.end()) continue;
    const Mono allowed = LooksAllowedAt(account->second, now);
    if (allowed == base::kNever || lane_state.looks.empty()) continue;
    next = std::min(next,
                    std::max(allowed, lane_state.looks.Next(MayLookAhead(state, account->second))));
  }
  return next;
}

}  // namespace retirement
