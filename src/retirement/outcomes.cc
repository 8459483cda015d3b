#include "retirement/outcomes.h"

#include "retirement/accounts.h"
#include "retirement/claims.h"
#include "retirement/crowd.h"
#include "retirement/members.h"
#include "retirement/targets.h"

namespace retirement {
namespace {

constexpr const char* kOtherIntent =
    "another request names this instance and wants something else done with it";

std::string WouldDo(const Target& t, const Request& r) {
  if (!IsPrepaid(t)) return "would be terminated";
  return r.spec.intent.prepaid == PrepaidPolicy::kDestroy ? "would be recycled, then destroyed"
                                                          : "would be recycled";
}

MemberChange PlanOf(const Target& t, const Request& r, const std::string& obstacle) {
  return {MemberState::kPlanned, Reason::kWouldRetire,
          obstacle.empty() ? WouldDo(t, r) : "would not be retired: " + obstacle};
}

constexpr const char* kMistaken =
    "the instance is not the expected one: its name or private IP differs; correct spec.instances "
    "or the id";

/// T1: what holds a claim that may not act, if it is not what the whole request shows.
MemberChange WhyIdle(const Target& t, const Claim& claim, bool waits) {
  const Request& r = *claim.request;
  if (t.place == Place::kBatch) {
    return {MemberState::kWaiting, Reason::kAwaitingBatch,
            t.batch == 0 ? "it is being called for another request"
                         : "the end of RetirementBatch " + BatchName(t.batch_lane, t.batch) +
                               " is awaited, in which it is"};
  }
  if (t.look_denied) {
    return {MemberState::kWaiting, Reason::kRefused, t.wait_message ? *t.wait_message : ""};
  }
  if (r.IsPermitted() && r.hold.empty() && IsHeld(t)) {
    return {MemberState::kWaiting, Reason::kHeldByOther,
            "a hold on another request that names this instance"};
  }
  return {waits ? MemberState::kWaiting : MemberState::kPending};
}

}  // namespace

void ShowDuplicates(State& state, Target& t, Now now) {
  const Claim* owner = t.owner ? ClaimOf(t, t.owner) : nullptr;
  if (owner == nullptr) return;
  MemberChange shared{MemberState::kWaiting, Reason::kDuplicateRequest,
                      "an older request retires this instance"};
  if (const MemberStatus& m = MemberOf(*owner); m.state == MemberState::kBlocked) {
    shared = {m.state, m.reason, std::string(m.message_view())};
  }
  ShareWithCrowd(state, t, shared.state == MemberState::kBlocked ? shared.reason : Reason::kNone);
  for (const Claim& claim : std::vector<Claim>(t.claims)) {
    Request& r = *claim.request;
    if (&r == t.owner || !MayOwn(t, claim)) continue;
    // Whose intent counts shows only when it is known what it is about.
    SetMember(state, r, claim.member,
              Agree(r, *t.owner) || !t.observed
                  ? shared
                  : MemberChange{MemberState::kBlocked, Reason::kDuplicateRequest, kOtherIntent},
              now);
  }
}

MemberChange ExpiredAs(const Target& t, const MemberStatus& m) {
  if (t.orphan && IsUnended(m)) {
    return {MemberState::kBlocked, Reason::kVerifyDeadlineExceeded,
            "its RetirementBatch was deleted, and the call that it stood for may have been "
            "accepted before spec.expiresAt; it is not called again"};
  }
  const bool called = m.attempts > 0 || IsUnended(m);
  return {MemberState::kCancelled, Reason::kExpired,
          called ? "called before its expiry without reaching what was asked for; nothing more is "
                   "called"
                 : "not called before its expiry"};
}

void ShowIdle(State& state, Target& t, const Claim& claim, Now now) {
  Request& r = *claim.request;
  const MemberStatus& m = MemberOf(claim);
  if (!InSpec(claim) || !r.IsAccepted()) return;
  const bool open = !IsFinal(m.state) || m.state == MemberState::kBlocked;
  const bool may_be_told = open && r.Executes() && t.place != Place::kBatch;
  if (may_be_told && IsMistaken(t, claim)) {
    SetMember(state, r, claim.member, {MemberState::kBlocked, Reason::kExpectMismatch, kMistaken},
              now);
    return;
  }
  if (may_be_told && Refuses(t, claim)) {
    const std::string charge(t.sight.charge.view());
    SetMember(state, r, claim.member,
              {MemberState::kFailed, Reason::kChargeTypeRefused,
               "spec.termination refuses instances of charge type " + charge},
              now);
    return;
  }
  // What an earlier process asked the service, or what its entry left open, is planned anew.
  const bool was_asked = m.state == MemberState::kSubmitted || m.state == MemberState::kVerifying ||
                         m.state == MemberState::kBlocked ||
                         (m.state == MemberState::kWaiting && !IsSeenBy(t, r));
  if (!r.Executes() && was_asked && t.place != Place::kBatch) {
    SetMember(state, r, claim.member, {MemberState::kPending}, now);
  }
  if (IsFinal(m.state)) return;
  if (r.Executes() && r.not_permitted.reason == "Expired") {
    SetMember(state, r, claim.member, ExpiredAs(t, m), now);
    return;
  }
  if (r.Executes()) {
    const bool waits = IsSeenBy(t, r) || !m.charge.empty() || m.state == MemberState::kWaiting;
    // L1: should the entry be lost, it is this one's end that nobody knows, not that of a former.
    const bool awaits = t.place == Place::kBatch && t.batch != 0 && t.batch_lane == r.lane();
    if (awaits) MemberOf(claim).batch = t.batch;
    SetMember(state, r, claim.member, WhyIdle(t, claim, waits), now);
    return;
  }
  if (!IsSeenBy(t, r)) return;
  if (t.present && (t.sight.charge.empty() || t.sight.state.empty())) return;
  const MemberSpec& spec = r.spec.members[claim.member];
  const Account* account = state.FindAccount(r.spec.account);
  Wanted wanted;
  wanted.intent = r.spec.intent;
  wanted.expect = spec.expect.get();
  wanted.use_get = account != nullptr && account->object.spec.use_get;
  SetMember(state, r, claim.member, PlanOf(t, r, Obstacle(t, wanted)), now);
}

void ShowAnswer(State& state, Target& t, const std::string& obstacle, Now now) {
  const Claim* owner = t.owner ? ClaimOf(t, t.owner) : nullptr;
  if (owner == nullptr) return;
  MemberChange plan = PlanOf(t, *t.owner, obstacle);
  if (obstacle.empty()) plan.message += "; the service agrees (DryRunOperation)";
  MemberOf(*owner).attempts = t.attempts;
  SetMember(state, *t.owner, owner->member, plan, now);
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

/// Blocked by the intent of another, or by a call of ours that has outlived its request: it may
/// not act, yet may reach what it wants.
bool AwaitsOutcome(const Claim& claim) {
  const MemberStatus& m = MemberOf(claim);
  const bool outlived = m.state == MemberState::kBlocked &&
                        m.reason == Reason::kVerifyDeadlineExceeded &&
                        claim.request->not_permitted.reason == "Expired";
  return InSpec(claim) && (outlived || IsDuplicateBlock(m));
}

bool IsReached(const Claim& claim, const Finish& finish) {
  if (!claim.request->Executes() || !AwaitsOutcome(claim)) return false;
  if (finish.result == BatchResult::kRecycled) {
    return claim.request->spec.intent.prepaid == PrepaidPolicy::kRecycle;
  }
  return finish.result == BatchResult::kRetired || finish.reason == Reason::kNeverObserved;
}

/// The owner wanted it destroyed, but a milder request is alive: its goal is reached, not ours.
bool StopsShort(const Request& r, const Finish& finish) {
  const Intent& intent = r.spec.intent;
  if (finish.by_intent && intent.prepaid != PrepaidPolicy::kRefuse &&
      intent.postpaid != PostpaidPolicy::kRefuse) {
    return true;
  }
  return finish.state == MemberState::kRecycled && r.spec.intent.prepaid == PrepaidPolicy::kDestroy;
}

/// E1: what is the end for the owner is so for everybody who wants the same of the instance; the
/// service is not asked again.
bool IsShared(const Target& t, const Claim& claim, const Finish& finish) {
  const bool ends = finish.result == BatchResult::kRecycled || finish.state == MemberState::kFailed;
  return ends && t.owner && Agree(*claim.request, *t.owner);
}

}  // namespace

void ShowInBatch(State& state, Target& t, const MemberChange& change, Now now) {
  const Claim* owner = t.owner ? ClaimOf(t, t.owner) : nullptr;
  if (owner == nullptr) return;
  MemberStatus& m = MemberOf(*owner);
  m.batch = t.batch;
  m.attempts = t.attempts;
  m.request_id = t.request_id;
  SetMember(state, *owner->request, owner->member, change, now);
}

namespace {

/// A crowd gets its outcome bit by bit, or a step would take as long as it is large.
void GoOn(State& state, Target& t, Now now) {
  t.crowd ? DecideAnew(state, t) : Reassess(state, t, now);
}

}  // namespace

void Conclude(State& state, Target& t, const Finish& finish, Now now) {
  const bool in_batch = t.place == Place::kBatch;
  if (t.owner && !t.owner->Executes() && !in_batch) {
    const std::string reason = finish.reason == Reason::kNone ? "" : ToString(finish.reason);
    ShowAnswer(state, t, reason + (finish.message.empty() ? "" : ": " + finish.message), now);
    return GoOn(state, t, now);
  }
  const bool gone = finish.result == BatchResult::kRetired;
  t.concluded = t.concluded || gone;
  for (const Claim& claim : std::vector<Claim>(t.claims)) {
    const bool owns = claim.request == t.owner;
    if (!owns && !MayOwn(t, claim) && !IsReached(claim, finish)) continue;
    // S8: gone here proves nothing about another account or region.
    if (!owns && !t.WasSeenIn(claim.request->lane())) continue;
    if (StopsShort(*claim.request, finish)) {
      if (owns && !in_batch) {
        Give(state, claim, t,
             {MemberState::kBlocked, Reason::kDuplicateRequest, kOtherIntent, BatchResult::kNone},
             now);
      }
    } else if (owns || gone || IsReached(claim, finish) || IsShared(t, claim, finish)) {
      Give(state, claim, t, finish, now);
    }
  }
  if (in_batch) return;
  LeavePlace(state, t);
  t.group = 0;
  // Others may go on: in another lane, or with another intent.
  const bool of_request = finish.reason == Reason::kExpectMismatch;
  // S5: an orphan may have been told another end than this one.
  const Claim* owner = t.owner ? ClaimOf(t, t.owner) : nullptr;
  const bool blocked = owner != nullptr && MemberOf(*owner).state == MemberState::kBlocked &&
                       !IsDuplicateBlock(MemberOf(*owner));
  if (!blocked || of_request) return GoOn(state, t, now);
  ScheduleLook(state, t, now.mono + kBlockedLook);
}

namespace {

/// E0: a row of absences goes on in its lane; else lanes take turns, slowly.
void Consider(std::optional<NextSight>& next, const Target& t, const Lane& lane, Now now,
              const Verdict& verdict) {
  const auto* again = std::get_if<LookAt>(&verdict);
  const bool here = t.observed && t.WasSeenIn(lane);
  if (again && here && !t.present) {
    next = NextSight{again->when, lane};
  } else if (!next || (t.WasSeenIn(next->lane) && next->due >= now.mono + kBlockedLook)) {
    next = NextSight{now.mono + kBlockedLook, lane};
  }
}

}  // namespace

std::optional<NextSight> ShowReached(State& state, Target& t, Now now) {
  std::optional<NextSight> next;
  std::optional<NextSight> blind;  // L1: whose account cannot look is in nobody's way
  for (const Claim& claim : std::vector<Claim>(t.claims)) {
    if (!AwaitsOutcome(claim) || !claim.request->IsAccepted()) continue;
    Wanted wanted = WantedIn(state, claim.request->lane());
    wanted.intent = claim.request->spec.intent;
    const Verdict verdict = Judge(t, wanted, now);
    const auto* finish = std::get_if<Finish>(&verdict);
    if (finish && IsReached(claim, *finish)) {
      Give(state, claim, t, *finish, now);
      t.concluded = t.concluded || finish->result == BatchResult::kRetired;
      continue;
    }
    const bool looks = MayLookFor(state, *claim.request, now);
    Consider(looks ? next : blind, t, claim.request->lane(), now, verdict);
  }
  return next ? next : blind;
}

}  // namespace retirement
