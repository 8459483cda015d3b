#include "retirement/claims.h"

#include <algorithm>

#include "retirement/crowd.h"
#include "retirement/judge.h"

namespace retirement {
namespace {

bool IsOlder(const Request& a, const Request& b) {
  return a.created != b.created ? a.created < b.created : a.uid < b.uid;
}

template <typename Predicate>
const Claim* Oldest(const Target& t, Predicate may) {
  const Claim* oldest = nullptr;
  for (const Claim& claim : t.claims) {
    if (!may(claim)) continue;
    if (oldest == nullptr || IsOlder(*claim.request, *oldest->request)) oldest = &claim;
  }
  return oldest;
}

}  // namespace

MemberStatus& MemberOf(const Claim& claim) { return claim.request->members[claim.member]; }

bool InSpec(const Claim& claim) { return claim.member < claim.request->spec.members.size(); }

bool IsDuplicateBlock(const MemberStatus& m) {
  return m.state == MemberState::kBlocked && m.reason == Reason::kDuplicateRequest;
}

bool IsMistaken(const Target& t, const Claim& claim) {
  // Whoever saw it, and although it is to be looked at anew: until then nothing else is known.
  if (!InSpec(claim) || !t.present) return false;
  return !IsExpected(t, claim.request->spec.members[claim.member].expect.get());
}

bool Refuses(const Target& t, const Claim& claim) {
  if (!t.present || t.sight.charge.empty()) return false;
  const Intent& intent = claim.request->spec.intent;
  return IsPrepaid(t) ? intent.prepaid == PrepaidPolicy::kRefuse
                      : intent.postpaid == PostpaidPolicy::kRefuse;
}

bool MayOwn(const Target& t, const Claim& claim) {
  const Request& r = *claim.request;
  const MemberStatus& m = MemberOf(claim);
  if (!InSpec(claim) || !r.Executes() || !r.IsPermitted() || r.deleting) return false;
  if (IsMistaken(t, claim) || Refuses(t, claim)) return false;
  return !IsFinal(m.state) || (m.state == MemberState::kBlocked && !IsDuplicateBlock(m));
}

bool IsHolder(const Claim& c) {
  return InSpec(c) && c.request->Executes() && c.request->IsAccepted() &&
         !c.request->hold.empty() && c.request->not_permitted.reason != "Expired" &&
         (!IsFinal(MemberOf(c).state) || IsDuplicateBlock(MemberOf(c)));
}

bool HasWish(const Claim& c) {
  const Request& r = *c.request;
  return InSpec(c) && r.Executes() && r.IsAccepted() && !r.deleting &&
         MemberOf(c).state != MemberState::kCancelled;
}

bool IsHeld(const Target& t) {
  return CrowdHolds(t) || std::any_of(t.claims.begin(), t.claims.end(), IsHolder);
}

bool MayAsk(const State& state, const Claim& claim) {
  const Request& r = *claim.request;
  if (!InSpec(claim) || r.Executes() || !r.IsAccepted() || r.deleting) return false;
  if (r.spec.suspend || !r.hold.empty() || IsFinal(MemberOf(claim).state)) return false;
  const auto found = state.accounts.find(r.spec.account);
  if (found == state.accounts.end()) return false;
  const Account& account = found->second;
  const AccountSpec& spec = account.object.spec;
  return spec.server_side_dry_run && !spec.paused && spec.mode == Mode::kExecute &&
         !account.dry_run_unknown && !account.dry_run_doubted;
}

const Claim* FindOwner(const State& state, const Target& t) {
  if (IsHeld(t)) return nullptr;
  if (const Claim* owner = Oldest(t, [&](const Claim& claim) { return MayOwn(t, claim); }))
    return owner;
  return Oldest(t, [&](const Claim& claim) { return MayAsk(state, claim); });
}

bool IsNamed(const Target& t) { return t.crowd || !t.claims.empty(); }

const Claim* ClaimOf(const Target& t, const Request* request) {
  for (const Claim& claim : t.claims) {
    if (claim.request == request) return &claim;
  }
  return nullptr;
}

Intent EffectiveIntent(const Target& t) {
  Intent intent = t.owner->spec.intent;
  for (const Claim& claim : t.claims) {
    // Who refuses does not want it done by himself; that stops nobody else.
    const bool refuses = claim.request->spec.intent.prepaid == PrepaidPolicy::kRefuse;
    if (!HasWish(claim) || (refuses && claim.request != t.owner)) continue;
    intent.prepaid = std::min(intent.prepaid, claim.request->spec.intent.prepaid);
  }
  intent.prepaid = std::min(intent.prepaid, MildestOfCrowd(t).value_or(intent.prepaid));
  return intent;
}

bool IsSeenBy(const Target& t, const Request& r) { return t.observed && t.WasSeenIn(r.lane()); }

bool Agree(const Request& a, const Request& b) {
  return a.spec.intent == b.spec.intent && a.lane() == b.lane();
}

}  // namespace retirement
