#include "retirement/targets.h"

#include <algorithm>

#include "retirement/absences.h"
#include "retirement/accept.h"
#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/claims.h"
#include "retirement/crowd.h"
#include "retirement/durations.h"
#include "retirement/entries.h"
#include "retirement/members.h"
#include "retirement/outcomes.h"
#include "retirement/sights.h"

namespace retirement {
namespace {

/// L1: a claim whose account cannot look, is served by somebody else, or whose looks are refused,
/// is in nobody's way.
const Claim* FirstThatLooks(State& state, const Target& t,
                            bool (*wants)(const Target&, const Claim&), Now now) {
  const Claim* blind = nullptr;
  const Claim* refused = nullptr;
  for (const Claim& claim : t.claims) {
    if (!wants(t, claim)) continue;
    const bool looks = MayLookFor(state, *claim.request, now);
    if (looks && state.LaneOf(claim.request->lane()).refused_looks == 0) return &claim;
    const Claim*& kept = looks ? refused : blind;
    if (kept == nullptr) kept = &claim;
  }
  return refused ? refused : blind;
}

/// An answer that left out what it is.
bool IsBlank(const Target& t) {
  return t.present && (t.sight.charge.empty() || t.sight.state.empty());
}

/// A request that waits or plans needs to have seen each instance once; how long ago is no matter.
bool NeedsASight(const Target& t, const Claim& claim) {
  if (!InSpec(claim) || !claim.request->IsAccepted()) return false;
  // Two lanes may take turns with one id, so a waiting member is known to have been seen.
  return MemberOf(claim).state == MemberState::kPending &&
         (!IsSeenBy(t, *claim.request) || (!claim.request->Executes() && IsBlank(t)));
}

void Plan(LaneState& lane, Target& t, Mono due, Looks::Purpose purpose) {
  CancelLook(t);
  t.looks_in = &lane;
  lane.looks.Add(t, due, purpose);
}

/// What is not the expected instance is looked at again, slowly: its name may be put right.
bool ExpectsAnother(const Target& t, const Claim& claim) {
  const MemberStatus& m = MemberOf(claim);
  const bool mistaken = m.reason == Reason::kExpectMismatch ||
                        (m.reason == Reason::kVerifyDeadlineExceeded && IsMistaken(t, claim));
  const bool told = m.state == MemberState::kBlocked && mistaken;
  const bool untold = claim.request->Executes() && !IsFinal(m.state) && IsMistaken(t, claim);
  return InSpec(claim) && (told || untold);
}

bool ExpectsAnotherHere(const Target& t, const Claim& claim) {
  return t.WasSeenIn(claim.request->lane()) && ExpectsAnother(t, claim);
}

/// E2: it is looked at where it was seen: elsewhere nothing is learnt of its names.
const Claim* FirstMistaken(State& state, const Target& t, Now now) {
  const Claim* here = FirstThatLooks(state, t, ExpectsAnotherHere, now);
  const bool looks = here != nullptr && MayLookFor(state, *here->request, now);
  return looks ? here : FirstThatLooks(state, t, ExpectsAnother, now);
}

void LookIn(State& state, Target& t, const Lane& lane, Mono due, Looks::Purpose purpose) {
  if (t.looking) {
    // Its answer finds a new place for it; until then nothing calls it.
    if (t.place == Place::kPack) LeavePlace(state, t);
    return;
  }
  // The earlier of two times counts, or every change of anything would put the look off.
  if (t.place == Place::kLook && t.batch_lane == lane && t.due <= due) return;
  LeavePlace(state, t);
  t.place = Place::kLook;
  t.batch_lane = lane;
  Plan(state.LaneOf(lane), t, due, purpose);
}

/// Where it can be looked at: the account of its entry may be gone, and another one name it.
Lane LookLane(const State& state, const Target& t) {
  const auto account = state.accounts.find(t.batch_lane.account);
  if (account != state.accounts.end() && account->second.exists) return t.batch_lane;
  const Claim* blind = nullptr;
  for (const Claim& claim : t.claims) {
    if (claim.request->spec.region != t.batch_lane.region) continue;
    const auto other = state.accounts.find(claim.request->spec.account);
    const bool looks = other != state.accounts.end() && other->second.not_ready.reason.empty();
    if (looks) return claim.request->lane();
    if (blind == nullptr) blind = &claim;
  }
  return blind ? blind->request->lane() : t.batch_lane;
}

/// A look at a target in a batch keeps its place there.
void ScheduleBatchLook(State& state, Target& t, Mono due) {
  LaneState& lane = state.LaneOf(LookLane(state, t));
  if (t.looking || (t.due <= due && t.looks_in == &lane)) return;
  Plan(lane, t, due, Looks::Purpose::kKnow);
}

PackKey KeyOf(const State& state, const Target& t, const Pack& pack) {
  const Intent& intent = t.owner->spec.intent;
  const auto account = state.accounts.find(t.owner->spec.account);
  const bool undone = account != state.accounts.end() && t.group < account->second.groups_from;
  return {undone ? 0 : t.group,   pack.step,
          intent.release_address, intent.release_disks,
          !t.owner->Executes(),   std::string(t.sight.charge.view())};
}

void PutInPack(State& state, Target& t, const Pack& pack, Now now) {
  const Lane lane = t.owner->lane();
  if (t.place != Place::kPack || t.batch_lane != lane) LeavePlace(state, t);
  t.place = Place::kPack;
  t.batch_lane = lane;
  state.LaneOf(lane).packer.Add(t, KeyOf(state, t, pack), now.mono);
}

/// T1: what is packed is simply queued, unless a search or refusals slow its calls down.
MemberChange Queued(State& state, const Target& t, const Pack& pack) {
  constexpr int kSlow = 6;  // calls in vain: more than half a minute between two
  if (KeyOf(state, t, pack).group != 0) {
    return {MemberState::kWaiting, Reason::kRefused, t.wait_message ? *t.wait_message : ""};
  }
  if (state.LaneOf(t.owner->lane()).ledger.futile < kSlow) return {MemberState::kWaiting};
  const Account* account = state.FindAccount(t.owner->spec.account);
  if (account != nullptr && account->refused_as == Fault::kThrottled) {
    return {MemberState::kWaiting, Reason::kThrottled,
            "the service takes no more calls for now: " + account->refused_code};
  }
  return {MemberState::kWaiting, Reason::kRefused,
          "calls in this region fail, or cannot be made; they are tried again at growing "
          "intervals, see the CloudAccount"};
}

/// E1: a call that ended for good need not be made again to know how it ends.
std::optional<Finish> EndedBefore(const Target& t, const Request& r, Now now) {
  if (!t.ended || now.mono >= t.not_before) return std::nullopt;
  if (!t.present || now.mono > t.seen_at + kSightAge) return std::nullopt;
  if (t.ended->intent != r.spec.intent || t.ended->lane != r.lane()) return std::nullopt;
  return Finish{
      .state = MemberState::kFailed, .reason = t.ended->reason, .message = t.ended->message};
}

void ReassessOwned(State& state, Target& t, const Claim& owner, Now now) {
  Request& r = *owner.request;
  if (const auto ended = EndedBefore(t, r, now)) return Conclude(state, t, *ended, now);
  const Verdict verdict = Judge(t, WantedOf(state, t), now);
  if (const auto* look = std::get_if<LookAt>(&verdict)) {
    ScheduleLook(state, t, look->when);
    const MemberStatus& m = MemberOf(owner);
    // What is blocked stays so until a look says otherwise; what a status says is kept likewise.
    if (m.state == MemberState::kBlocked) return;
    if (look->reason == Reason::kNone && m.state == MemberState::kWaiting && !t.observed) return;
    const bool seen = t.observed || !m.charge.empty();
    SetMember(state, r, owner.member,
              {seen ? MemberState::kWaiting : MemberState::kPending, look->reason, look->message},
              now);
  } else if (const auto* pack = std::get_if<Pack>(&verdict)) {
    PutInPack(state, t, *pack, now);
    // What was refused shows that until it is really tried again.
    const bool refused = t.refused_sight != 0 && MemberOf(owner).state == MemberState::kBlocked;
    if (!refused) SetMember(state, r, owner.member, Queued(state, t, *pack), now);
  } else {
    Conclude(state, t, std::get<Finish>(verdict), now);
  }
}

/// A dry run that asks the service, for a first call only: the second one destroys should the
/// service not know DryRun.
void ReassessAsking(State& state, Target& t, const Claim& owner, Now now) {
  const Wanted wanted = WantedOf(state, t);
  const Verdict verdict = Judge(t, wanted, now);
  const auto* pack = std::get_if<Pack>(&verdict);
  const bool planned = IsSeenBy(t, *owner.request) && !Obstacle(t, wanted).empty();
  if (planned || (pack && pack->step == Step::kSecond)) {
    LeavePlace(state, t);
    return ShowIdle(state, t, owner, now);
  }
  if (const auto* look = std::get_if<LookAt>(&verdict)) return ScheduleLook(state, t, look->when);
  pack ? PutInPack(state, t, *pack, now) : Conclude(state, t, std::get<Finish>(verdict), now);
}

/// Nobody may act: what blocks may go by itself, slowly.
void AwaitChange(State& state, Target& t, Now now) {
  const auto reached = ShowReached(state, t, now);
  const Claim* mistaken = FirstMistaken(state, t, now);
  if (mistaken != nullptr && (!reached || t.present)) {
    const Mono due = t.observed ? now.mono + kBlockedLook : now.mono;
    return LookIn(state, t, mistaken->request->lane(), due, Looks::Purpose::kKnow);
  }
  if (reached) return LookIn(state, t, reached->lane, reached->due, Looks::Purpose::kKnow);
  const Claim* blind = FirstThatLooks(state, t, NeedsASight, now);
  const Mono soon = IsBlank(t) ? std::max(now.mono, t.seen_at + kLongestLook) : now.mono;
  blind ? LookIn(state, t, blind->request->lane(), soon, Looks::Purpose::kKnow)
        : LeavePlace(state, t);
}

}  // namespace

void ScheduleLook(State& state, Target& t, Mono due) {
  LookIn(state, t, t.owner->lane(), due, Looks::Purpose::kCall);
}

void CancelLook(Target& t) {
  if (t.looks_in != nullptr) t.looks_in->looks.Remove(t);
  t.looks_in = nullptr;
}

void LeavePlace(State& state, Target& t) {
  const Lane lane = t.batch_lane;
  if (lane.account.empty()) return;
  if (t.place == Place::kPack) state.LaneOf(lane).packer.Remove(t);
  // Who was let go from a batch may still have a look to come in the lane of that batch.
  CancelLook(t);
  t.place = Place::kIdle;
}

void MakeOrphan(Target& t, const EntryRef& entry, Now now) {
  t.called = true;
  t.by_us = true;
  t.orphan = std::make_unique<const EntryRef>(entry);
  t.last_call_end = now.mono;
  // The longest that an entry may have said.
  t.settle_until = now.mono + kSignatureAge + kClockError + kMaxEffectLag;
}

Target& TargetOf(State& state, InstanceId id) {
  const auto [it, is_new] = state.targets.try_emplace(id);
  Target& t = it->second;
  if (!is_new) return t;
  t.id = id;
  const auto past = state.history.find(id);
  if (past == state.history.end()) return t;
  Know(state, t, past->second.origin->from);
  t.retired_before = past->second.result == BatchResult::kRetired;
  t.retired_learnt = past->second.learnt;
  t.accepted = past->second.accepted;
  t.failed = past->second.failed;
  t.binned_by = past->second.binned_by;
  if (past->second.sent) {
    t.called = true;
    t.last_call_end = past->second.learnt;
  }
  return t;
}

void AddClaims(State& state, Request& r, Now) {
  for (uint32_t i = 0; i < r.members.size(); ++i) {
    Target& t = TargetOf(state, r.members[i].id);
    AddClaim(state, t, r, i);
    const MemberStatus& m = r.members[i];
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
    RemoveClaim(state, t, r);
    if (t.owner == &r) t.owner = nullptr;
    if (t.place != Place::kBatch) Reassess(state, t, now);
  }
}

namespace {

void Forget(State& state, std::map<InstanceId, Target>::iterator found) {
  Target& t = found->second;
  if (IsNamed(t) || t.place == Place::kBatch || t.looking) return;
  LeavePlace(state, t);
  state.targets.erase(found);
}

}  // namespace

void ForgetUncalled(State& state, InstanceId id) {
  const auto found = state.targets.find(id);
  if (found != state.targets.end() && !found->second.called) Forget(state, found);
}

void SweepTargets(State& state, Now now) {
  std::vector<InstanceId> unclaimed;
  for (const auto& [id, t] : state.targets) {
    const Mono until = std::max(t.settle_until, t.last_call_end + kMaxEffectLag);
    if (!IsNamed(t) && (!t.called || now.mono >= until)) unclaimed.push_back(id);
  }
  for (const InstanceId id : unclaimed) Forget(state, state.targets.find(id));
}

Wanted WantedIn(State& state, const Lane& where) {
  Wanted wanted;
  wanted.lane = where;
  const auto account = state.accounts.find(where.account);
  if (account == state.accounts.end()) return wanted;
  wanted.from = ViewpointOf(state, where);
  wanted.use_get = account->second.object.spec.use_get;
  const auto lane = state.lanes.find(where);
  wanted.suspicious = lane != state.lanes.end() && IsSuspicious(lane->second);
  return wanted;
}

Wanted WantedOf(State& state, const Target& t) {
  const Claim* owner = t.owner ? ClaimOf(t, t.owner) : nullptr;
  const bool in_batch = t.place == Place::kBatch;
  Wanted wanted = WantedIn(state, in_batch           ? LookLane(state, t)
                                  : owner != nullptr ? t.owner->lane()
                                                     : t.batch_lane);
  if (owner == nullptr) return wanted;
  wanted.intent = EffectiveIntent(t);
  if (InSpec(*owner)) wanted.expect = t.owner->spec.members[owner->member].expect.get();
  return wanted;
}

namespace {

/// A plan elsewhere need not wait for an owner that waits for a person, or for the instance.
bool MayBeInterrupted(const Target& t, const Claim& owner) {
  const MemberStatus& m = MemberOf(owner);
  if (m.state == MemberState::kBlocked) return true;
  return m.state == MemberState::kWaiting && m.reason != Reason::kNone && t.present &&
         t.place == Place::kLook;
}

}  // namespace

void Reassess(State& state, Target& t, Now now) {
  if (!state.Synced()) return;
  if (t.place == Place::kBatch) {
    const auto when = ReassessCalled(state, t, now);
    if (!when) return;
    ScheduleBatchLook(state, t, *when);
    for (const Claim& claim : std::vector<Claim>(t.claims)) {
      if (claim.request != t.owner) ShowIdle(state, t, claim, now);
    }
    return;
  }
  Balance(state, t);
  for (Claim& claim : t.claims) {
    if (t.crowd && IsMistaken(t, claim)) claim.round = t.crowd->round;  // it is told so now
  }
  const Claim* found = FindOwner(state, t);
  const Claim owner = found ? *found : Claim{};
  t.owner = owner.request;
  for (const Claim& claim : std::vector<Claim>(t.claims)) {
    if (claim.request != t.owner && !(t.owner && MayOwn(t, claim))) ShowIdle(state, t, claim, now);
  }
  if (t.owner && !t.owner->Executes()) return ReassessAsking(state, t, owner, now);
  if (t.owner) {
    ReassessOwned(state, t, owner, now);
    ShowDuplicates(state, t, now);
    if (!MayBeInterrupted(t, owner)) return;
  }
  const Claim* plan = FirstThatLooks(state, t, NeedsASight, now);
  if (plan != nullptr && MayLookFor(state, *plan->request, now)) {
    Mono due = t.look_denied ? std::max(now.mono, t.not_before) : now.mono;
    if (IsBlank(t)) due = std::max(due, t.seen_at + kLongestLook);
    return LookIn(state, t, plan->request->lane(), due, Looks::Purpose::kKnow);
  }
  if (!t.owner) AwaitChange(state, t, now);
}

bool ReassessCrowds(State& state, Now now) {
  constexpr size_t kAtOnce = 50;
  for (size_t i = 0; i < kAtOnce && !state.again.empty(); ++i) {
    const InstanceId id = state.again.back();
    state.again.pop_back();
    const auto found = state.targets.find(id);
    if (found == state.targets.end()) continue;
    found->second.again = false;
    ShowCharge(found->second);
    // Who waited for a place may have been removed from its request meanwhile.
    found->second.place == Place::kBatch ? Reassess(state, found->second, now)
                                         : ReassessIds(state, {id}, now);
  }
  return state.again.empty();
}

void ReassessMembers(State& state, Request& r, Now now) {
  for (uint32_t i = 0; i < r.members.size(); ++i) {
    const auto found = state.targets.find(r.members[i].id);
    if (found == state.targets.end()) continue;
    // S0: once for all the requests that a change concerns.
    found->second.crowd ? DecideAnew(state, found->second) : Reassess(state, found->second, now);
  }
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

bool StillWanted(State& state, const Target& t, const BatchObject& batch,
                 const BatchMember& member) {
  if (t.owner == nullptr || t.owner->uid != member.uid || t.owner->lane() != batch.lane ||
      t.owner->Executes() == batch.dry_run) {
    return false;
  }
  for (const Claim& claim : t.claims) {
    if (claim.request->suspect) return false;
  }
  const Claim* owner = ClaimOf(t, t.owner);
  return owner != nullptr && (batch.dry_run ? MayAsk(state, *owner) : MayOwn(t, *owner)) &&
         !IsHeld(t) && Allows(EffectiveIntent(t), t, batch);
}

bool StillPacked(State& state, const Target& t, const PackKey& key, Now now) {
  if (t.owner == nullptr) return false;
  const Account* account = state.FindAccount(t.owner->spec.account);
  if (account == nullptr || !CheckAccepted(*t.owner, account).reason.empty()) return false;
  const auto lane = state.lanes.find(t.owner->lane());
  const Holdup holdup = CheckPermitted(*t.owner, *account, &lane->second, now);
  if (t.owner->Executes() && !holdup.reason.empty() && !holdup.told_only) return false;
  Wanted wanted = WantedOf(state, t);
  wanted.ahead = Millis{0};
  const Verdict verdict = Judge(t, wanted, now);
  const auto* pack = std::get_if<Pack>(&verdict);
  if (pack == nullptr) return false;
  PackKey now_key = KeyOf(state, t, *pack);
  now_key.group = key.group;  // which search it belongs to makes no call wrong
  return now_key == key;
}

}  // namespace retirement
