#include "retirement/targets.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/members.h"

namespace retirement {
namespace {

MemberStatus& MemberOf(const Claim& claim) { return claim.request->members[claim.member]; }

bool InSpec(const Claim& claim) { return claim.member < claim.request->spec.members.size(); }

bool IsDuplicateBlock(const MemberStatus& m) {
  return m.state == MemberState::kBlocked && m.reason == Reason::kDuplicateRequest;
}

/// A claim that could own: accepted, permitted, Execute, not done. One that was blocked by another
/// intent stays so until somebody asks to look again.
bool MayOwn(const Claim& claim) {
  const Request& r = *claim.request;
  const MemberStatus& m = MemberOf(claim);
  if (!InSpec(claim) || !r.Executes() || !r.IsPermitted() || r.deleting) return false;
  return !IsFinal(m.state) || (m.state == MemberState::kBlocked && !IsDuplicateBlock(m));
}

bool IsOlder(const Request& a, const Request& b) {
  return a.created != b.created ? a.created < b.created : a.uid < b.uid;
}

bool IsHeld(const Target& t) {
  return std::any_of(t.claims.begin(), t.claims.end(), [](const Claim& c) {
    return InSpec(c) && c.request->Executes() && c.request->IsAccepted() &&
           !c.request->hold.empty() &&
           (!IsFinal(MemberOf(c).state) || IsDuplicateBlock(MemberOf(c)));
  });
}

const Claim* FindOwner(const Target& t) {
  const Claim* owner = nullptr;
  if (IsHeld(t)) return nullptr;
  for (const Claim& claim : t.claims) {
    if (!MayOwn(claim)) continue;
    if (owner == nullptr || IsOlder(*claim.request, *owner->request)) owner = &claim;
  }
  return owner;
}

const Claim* ClaimOf(const Target& t, const Request* request) {
  for (const Claim& claim : t.claims) {
    if (claim.request == request) return &claim;
  }
  return nullptr;
}

/// The owner's intent, with the mildest prepaid intent of all live requests.
Intent EffectiveIntent(const Target& t) {
  Intent intent = t.owner->spec.intent;
  for (const Claim& claim : t.claims) {
    const Request& r = *claim.request;
    if (!InSpec(claim) || !r.Executes() || !r.IsAccepted() || r.deleting) continue;
    if (MemberOf(claim).state == MemberState::kCancelled) continue;
    intent.prepaid = std::min(intent.prepaid, r.spec.intent.prepaid);
  }
  return intent;
}

bool Agree(const Request& a, const Request& b) {
  return a.spec.intent == b.spec.intent && a.lane() == b.lane();
}

constexpr const char* kOtherIntent =
    "another request names this instance and wants something else done with it";

/// The others share the owner's obstacle or wait for it; they are blocked when they want something
/// else.
void ShowDuplicates(State& state, Target& t, Now now) {
  const Claim* owner = t.owner ? ClaimOf(t, t.owner) : nullptr;
  if (owner == nullptr) return;
  MemberChange shared{MemberState::kWaiting, Reason::kDuplicateRequest,
                      "an older request retires this instance"};
  if (const MemberStatus& m = MemberOf(*owner); m.state == MemberState::kBlocked) {
    shared = {m.state, m.reason, std::string(m.message_view())};
  }
  for (const Claim& claim : std::vector<Claim>(t.claims)) {
    Request& r = *claim.request;
    if (&r == t.owner || !MayOwn(claim)) continue;
    SetMember(state, r, claim.member,
              Agree(r, *t.owner)
                  ? shared
                  : MemberChange{MemberState::kBlocked, Reason::kDuplicateRequest, kOtherIntent},
              now);
  }
}

std::string WouldDo(const Target& t, const Request& r) {
  if (!IsPrepaid(t)) return "would be terminated";
  return r.spec.intent.prepaid == PrepaidPolicy::kDestroy ? "would be recycled, then destroyed"
                                                          : "would be recycled";
}

/// A claim that may not act: it shows what it would do (DryRun), or waits.
void ShowIdle(State& state, Target& t, const Claim& claim, Now now) {
  Request& r = *claim.request;
  const MemberStatus& m = MemberOf(claim);
  if (!InSpec(claim) || !r.IsAccepted() || IsFinal(m.state)) return;
  if (r.Executes() && r.not_permitted.reason == "Expired") {
    SetMember(state, r, claim.member,
              {MemberState::kCancelled, Reason::kExpired, "not started before its expiry"}, now);
    return;
  }
  if (r.Executes()) {
    const bool waits = t.observed || !m.charge.empty() || m.state == MemberState::kWaiting;
    SetMember(state, r, claim.member, {waits ? MemberState::kWaiting : MemberState::kPending}, now);
    return;
  }
  if (!t.observed || t.seen_lane != r.lane()) return;
  const MemberSpec& spec = r.spec.members[claim.member];
  const Account* account = state.FindAccount(r.spec.account);
  Wanted wanted;
  wanted.intent = r.spec.intent;
  wanted.expect = spec.expect.get();
  wanted.use_get = account != nullptr && account->object.spec.use_get;
  const std::string obstacle = Obstacle(t, wanted);
  SetMember(state, r, claim.member,
            {MemberState::kPlanned, Reason::kWouldRetire,
             obstacle.empty() ? WouldDo(t, r) : "would not be retired: " + obstacle},
            now);
}

/// A request that waits or plans needs to have seen each instance once; how long ago is no matter.
const Claim* PlanLook(const Target& t) {
  for (const Claim& claim : t.claims) {
    const MemberStatus& m = MemberOf(claim);
    if (!InSpec(claim) || !claim.request->IsAccepted() || IsFinal(m.state)) continue;
    const bool seen = t.observed && t.seen_lane == claim.request->lane();
    if (claim.request->Executes() ? m.charge.empty() && !t.observed : !seen) return &claim;
  }
  return nullptr;
}

void ScheduleLook(State& state, Target& t, const Lane& lane, Mono due) {
  if (t.looking) return;
  // The earlier of two times counts, or every change of anything would put the look off.
  if (t.place == Place::kLook && t.batch_lane == lane && t.due <= due) return;
  LeavePlace(state, t);
  t.place = Place::kLook;
  t.batch_lane = lane;
  state.LaneOf(lane).looks.Add(t, due);
}

/// A look at a target in a batch keeps its place there.
void ScheduleBatchLook(State& state, Target& t, Mono due) {
  if (t.looking || t.due <= due) return;
  state.LaneOf(t.batch_lane).looks.Add(t, due);
}

void ScheduleLook(State& state, Target& t, Mono due) {
  ScheduleLook(state, t, t.owner->lane(), due);
}

PackKey KeyOf(const Target& t, const Pack& pack) {
  const Intent& intent = t.owner->spec.intent;
  return {t.group, pack.step, intent.release_address, intent.release_disks,
          std::string(t.sight.charge.view())};
}

void PutInPack(State& state, Target& t, const Pack& pack, Now now) {
  const Lane lane = t.owner->lane();
  if (t.place != Place::kPack || t.batch_lane != lane) LeavePlace(state, t);
  t.place = Place::kPack;
  t.batch_lane = lane;
  state.LaneOf(lane).packer.Add(t, KeyOf(t, pack), now.mono);
}

void ReassessOwned(State& state, Target& t, const Claim& owner, Now now) {
  Request& r = *owner.request;
  const Verdict verdict = Judge(t, WantedOf(state, t), now);
  if (const auto* look = std::get_if<LookAt>(&verdict)) {
    ScheduleLook(state, t, look->when);
    const MemberStatus& m = MemberOf(owner);
    // What is blocked stays so until a look says otherwise; what a status says is kept likewise.
    if (m.state == MemberState::kBlocked) return;
    if (look->reason == Reason::kNone && m.state == MemberState::kWaiting && !t.observed) return;
    const bool seen = t.observed || !m.charge.empty();
    SetMember(state, r, owner.member,
              {seen ? MemberState::kWaiting : MemberState::kPending, look->reason}, now);
  } else if (const auto* pack = std::get_if<Pack>(&verdict)) {
    PutInPack(state, t, *pack, now);
    SetMember(state, r, owner.member, {MemberState::kWaiting}, now);
  } else {
    Conclude(state, t, std::get<Finish>(verdict), now);
  }
}

}  // namespace

void LeavePlace(State& state, Target& t) {
  const Lane lane = t.batch_lane;
  if (lane.account.empty()) return;
  if (t.place == Place::kPack) state.LaneOf(lane).packer.Remove(t);
  if (t.place == Place::kLook) state.LaneOf(lane).looks.Remove(t);
  t.place = Place::kIdle;
}

Target& TargetOf(State& state, InstanceId id) {
  const auto [it, is_new] = state.targets.try_emplace(id);
  Target& t = it->second;
  if (!is_new) return t;
  t.id = id;
  const auto past = state.history.find(id);
  if (past == state.history.end()) return t;
  if (past->second.origin) Know(t, past->second.origin->lane, past->second.origin->credential);
  t.retired_before = past->second.result == BatchResult::kRetired;
  if (past->second.sent) {
    t.called = true;
    t.last_call_end = past->second.learnt;
  }
  return t;
}

void AddClaims(State& state, Request& r, Now) {
  for (uint32_t i = 0; i < r.members.size(); ++i) {
    Target& t = TargetOf(state, r.members[i].id);
    t.claims.push_back({&r, i});
    const MemberStatus& m = r.members[i];
    if (!m.charge.empty() && !t.known) Know(t, r.lane(), "");
    t.attempts = std::max(t.attempts, m.attempts);
    if (t.request_id.empty()) t.request_id = m.request_id;
    if (t.place == Place::kBatch && t.owner == nullptr && IsMemberOf(state, t, r)) t.owner = &r;
  }
}

void RemoveClaims(State& state, Request& r, Now now) {
  for (const MemberStatus& m : r.members) {
    const auto found = state.targets.find(m.id);
    if (found == state.targets.end()) continue;
    Target& t = found->second;
    std::erase_if(t.claims, [&](const Claim& c) { return c.request == &r; });
    if (t.owner == &r) t.owner = nullptr;
    if (t.place != Place::kBatch) Reassess(state, t, now);
    if (t.claims.empty() && t.place != Place::kBatch && !t.called && !t.looking) {
      LeavePlace(state, t);
      state.targets.erase(found);
    }
  }
}

void Know(Target& t, const Lane& lane, const std::string& credential) {
  t.known = true;
  t.known_lane = lane;
  t.known_credential = credential;
}

void ForgetSight(Target& t) {
  t.observed = false;
  t.retries = 0;
  t.server_faults = 0;
  t.not_before = Mono{};
}

Wanted WantedOf(const State& state, const Target& t) {
  Wanted wanted;
  const Claim* owner = t.owner ? ClaimOf(t, t.owner) : nullptr;
  if (owner != nullptr) {
    wanted.intent = EffectiveIntent(t);
    wanted.lane = t.owner->lane();
    if (InSpec(*owner)) wanted.expect = t.owner->spec.members[owner->member].expect.get();
  } else {
    wanted.lane = t.batch_lane;
  }
  if (t.place == Place::kBatch) wanted.lane = t.batch_lane;
  const auto account = state.accounts.find(wanted.lane.account);
  if (account == state.accounts.end()) return wanted;
  wanted.credential = account->second.credential;
  wanted.recorded_credential = account->second.recorded_credential;
  wanted.use_get = account->second.object.spec.use_get;
  return wanted;
}

void Reassess(State& state, Target& t, Now now) {
  if (!state.Synced()) return;
  if (t.place == Place::kBatch) {
    const auto when = ReassessCalled(state, t, now);
    if (when) ScheduleBatchLook(state, t, *when);
    return;
  }
  const Claim* owner = FindOwner(t);
  t.owner = owner ? owner->request : nullptr;
  for (const Claim& claim : std::vector<Claim>(t.claims)) {
    if (!owner || !MayOwn(claim)) ShowIdle(state, t, claim, now);
  }
  if (owner) {
    const Claim chosen = *owner;
    ReassessOwned(state, t, chosen, now);
    return ShowDuplicates(state, t, now);
  }
  if (const Claim* plan = PlanLook(t))
    return ScheduleLook(state, t, plan->request->lane(), now.mono);
  LeavePlace(state, t);
}

void ReassessMembers(State& state, Request& r, Now now) {
  for (uint32_t i = 0; i < r.members.size(); ++i) {
    const auto found = state.targets.find(r.members[i].id);
    if (found != state.targets.end()) Reassess(state, found->second, now);
  }
}

void ShowInBatch(State& state, Target& t, MemberState member_state, Reason reason, Now now) {
  const Claim* owner = t.owner ? ClaimOf(t, t.owner) : nullptr;
  if (owner == nullptr) return;
  MemberStatus& m = MemberOf(*owner);
  m.batch = t.batch;
  m.attempts = t.attempts;
  m.request_id = t.request_id;
  SetMember(state, *owner->request, owner->member, {member_state, reason}, now);
}

namespace {

void Give(State& state, const Claim& claim, const Target& t, const Finish& finish, Now now) {
  MemberStatus& m = MemberOf(claim);
  if (claim.request == t.owner) {
    m.attempts = t.attempts;
    m.request_id = t.request_id;
  }
  SetMember(state, *claim.request, claim.member, {finish.state, finish.reason, finish.message},
            now);
}

/// The owner wanted it destroyed, but a milder request is alive: its goal is reached, not ours.
bool StopsShort(const Request& r, const Finish& finish) {
  const Intent& intent = r.spec.intent;
  if (finish.reason == Reason::kChargeTypeRefused && intent.prepaid != PrepaidPolicy::kRefuse &&
      intent.postpaid != PostpaidPolicy::kRefuse &&
      finish.message.find("api.method") == std::string::npos) {
    return true;
  }
  return finish.state == MemberState::kRecycled && r.spec.intent.prepaid == PrepaidPolicy::kDestroy;
}

}  // namespace

void Conclude(State& state, Target& t, const Finish& finish, Now now) {
  const bool in_batch = t.place == Place::kBatch;
  const bool gone = finish.result == BatchResult::kRetired;
  for (const Claim& claim : std::vector<Claim>(t.claims)) {
    const bool owns = claim.request == t.owner;
    if (!owns && !MayOwn(claim)) continue;
    // S8: gone here proves nothing about another account or region.
    if (!owns && claim.request->lane() != t.seen_lane) continue;
    if (StopsShort(*claim.request, finish)) {
      if (owns && !in_batch) {
        Give(state, claim, t,
             {MemberState::kBlocked, Reason::kDuplicateRequest, kOtherIntent, BatchResult::kNone},
             now);
      }
    } else if (owns || gone ||
               (finish.result == BatchResult::kRecycled && t.owner &&
                Agree(*claim.request, *t.owner))) {
      Give(state, claim, t, finish, now);
    }
  }
  if (in_batch) return;
  LeavePlace(state, t);
  t.group = 0;
  if (t.owner == nullptr || finish.state == MemberState::kFailed) return Reassess(state, t, now);
  if (finish.state == MemberState::kBlocked) ScheduleLook(state, t, now.mono + kBlockedLook);
}

namespace {

/// What the batch would do is what the intent allows (S5).
bool Allows(const Intent& intent, const Target& t, const BatchObject& batch) {
  if (intent.release_address != batch.release_address) return false;
  if (intent.release_disks != batch.release_disks) return false;
  if (!IsPrepaid(t)) return intent.postpaid != PostpaidPolicy::kRefuse;
  return batch.step == Step::kSecond ? intent.prepaid == PrepaidPolicy::kDestroy
                                     : intent.prepaid != PrepaidPolicy::kRefuse;
}

}  // namespace

bool StillWanted(const State& state, const Target& t, const BatchObject& batch,
                 const BatchMember& member) {
  if (t.owner == nullptr || t.owner->uid != member.uid || t.owner->lane() != batch.lane) {
    return false;
  }
  for (const Claim& claim : t.claims) {
    if (claim.request->suspect) return false;
  }
  const Claim* owner = ClaimOf(t, t.owner);
  return owner != nullptr && MayOwn(*owner) && !IsHeld(t) &&
         Allows(WantedOf(state, t).intent, t, batch);
}

namespace {

void TakeAbsence(Target& t, Mono received) {
  if (!t.observed || t.present || t.first_absent == Mono{}) t.first_absent = received;
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
    if (t.present && m.charge.empty()) m.charge = t.sight.charge;
    UpdatePlan(state, *claim.request, now);
  }
}

void TakeAnswer(State& state, const Observed& event, Target& t, const Sight* sight, Now now) {
  t.looking = false;
  const bool same_view = t.seen_lane == event.lane && t.seen_credential == event.credential;
  // An absence under other credentials, or in another region, does not continue a row of absences.
  if (!same_view) t.first_absent = Mono{};
  if (event.sent < t.seen_at) return;
  if (sight) Know(t, event.lane, event.credential);
  sight ? TakeSight(t, *sight) : TakeAbsence(t, now.mono);
  t.observed = true;
  t.seen_at = event.sent;
  t.seen_lane = event.lane;
  t.seen_credential = event.credential;
  ShowCharge(state, t, now);
}

}  // namespace

void OnObserved(State& state, const Observed& event, Now now) {
  Account* account = state.FindAccount(event.lane.account);
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

void SendLooks(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced() || state.stopping) return;
  for (auto& [lane, lane_state] : state.lanes) {
    Account* account = state.FindAccount(lane.account);
    if (account == nullptr) continue;
    while (LooksAllowedAt(*account, now) <= now.mono && lane_state.looks.Next() <= now.mono) {
      std::vector<Target*> targets = lane_state.looks.Take(now.mono);
      if (targets.empty()) break;
      account->describe.TryTake(now.mono);
      account->credentials_breaker.OnSend();
      Observe observe{lane, OptionsOf(*account), {}};
      for (Target* t : targets) {
        t->looking = true;
        observe.ids.push_back(t->id);
      }
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
    next = std::min(next, std::max(allowed, lane_state.looks.Next()));
  }
  return next;
}

}  // namespace retirement
