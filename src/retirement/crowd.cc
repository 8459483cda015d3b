#include "retirement/crowd.h"

#include <algorithm>

#include "retirement/claims.h"
#include "retirement/judge.h"
#include "retirement/members.h"

namespace retirement {
namespace {

// Who tells of a call in which the instance is, or was; of these who may act goes first.
constexpr int kUnendedAndMay = -2;
constexpr int kUnended = -1;
constexpr int kMay = 0;
constexpr int kUntold = 1;
constexpr int kBlocked = 2;
constexpr int kWaits = 3;
constexpr int kDone = 4;

/// Who tells of a call goes first, then who may act, then who has not been told anything, then who
/// is blocked and may act when its cause has gone, then who waits for something of his own.
int RankOf(const Claim& c) {
  const Request& r = *c.request;
  const MemberStatus& m = MemberOf(c);
  const bool blocked = m.state == MemberState::kBlocked;
  const bool may = r.Executes() && r.IsPermitted();
  if (IsFinal(m.state) && !blocked) return kDone;
  if (blocked && InSpec(c) && !r.Executes() && !r.deleting) return kUntold;  // it has no plan yet
  if (!InSpec(c) || r.deleting || IsDuplicateBlock(m)) return kWaits;
  if (blocked) return may ? kBlocked : kWaits;
  if (IsUnended(m)) return may ? kUnendedAndMay : kUnended;
  if (may) return kMay;
  return m.state == MemberState::kPending ? kUntold : kWaits;
}

/// What it was told, so far as it may be told otherwise.
Reason ToldOf(const Claim& c, int rank) {
  const Reason reason = MemberOf(c).reason;
  if (rank == kBlocked) return reason;
  if (rank > kUnended) return Reason::kNone;
  return reason == Reason::kAmbiguous ? reason : Reason::kAwaitingBatch;
}

CrowdKey KeyOf(const Claim& c) {
  const int rank = RankOf(c);
  const Reason reason = ToldOf(c, rank);
  const uint32_t round = reason == Reason::kExpectMismatch ? c.round : 0;
  return {rank, reason, round, c.request->created, c.request->uid, c.request};
}

/// T1: it was told of an obstacle that is not the present one. What it expects is its own affair,
/// until the instance has other names; and an orphan is told as such, whatever else stands against
/// it.
bool IsOutdated(const Target& t, const CrowdKey& key) {
  const Crowd& crowd = *t.crowd;
  if (key.rank != kBlocked) return false;
  if (key.reason == Reason::kVerifyDeadlineExceeded && IsOrphan(t)) return false;
  if (key.reason == Reason::kExpectMismatch) return key.round != crowd.round;
  return crowd.shared != Reason::kNone && key.reason != crowd.shared;
}

/// L1: it tells of a call that has ended; one of a dry run is planned anew.
bool HasEnded(const Target& t, const CrowdKey& key) {
  const bool orphan = IsOrphan(t) && key.request->Executes();
  return t.place != Place::kBatch && !(orphan && key.reason == Reason::kAmbiguous);
}

/// Who was told what no longer holds counts as not told, or goes first if it was about a call.
CrowdKey Effective(const Target& t, CrowdKey key) {
  if (key.rank <= kUnended && !HasEnded(t, key)) {
    key.rank = key.rank == kUnended ? kWaits : kMay;
    key.reason = Reason::kNone;
  }
  if (IsOutdated(t, key)) key.rank = kUntold, key.reason = Reason::kNone, key.round = 0;
  return key;
}

/// The first that was told something else than this one.
Crowd::Waiting::const_iterator After(const Crowd& crowd, const CrowdKey& key) {
  return crowd.waiting.lower_bound({key.rank, Reason(uint8_t(key.reason) + 1), 0, {}, {}, nullptr});
}

/// The first in the crowd that was told of another obstacle than the present one.
Crowd::Waiting::const_iterator FirstOutdated(const Target& t) {
  const Crowd& crowd = *t.crowd;
  auto it = crowd.waiting.lower_bound({kBlocked, Reason::kNone, 0, {}, {}, nullptr});
  while (it != crowd.waiting.end() && it->first.rank == kBlocked) {
    if (IsOutdated(t, it->first)) return it;
    it = After(crowd, it->first);
  }
  return crowd.waiting.end();
}

/// Whose turn it is; nothing when nobody's is.
std::optional<CrowdKey> Next(const Target& t) {
  const Crowd& crowd = *t.crowd;
  std::optional<CrowdKey> best;
  const auto consider = [&](Crowd::Waiting::const_iterator it) {
    if (it == crowd.waiting.end()) return;
    const CrowdKey key = Effective(t, it->first);
    if (!best || key < *best) best = key;
  };
  auto it = crowd.waiting.begin();
  for (; it != crowd.waiting.end() && it->first.rank <= kUnended; it = After(crowd, it->first)) {
    consider(it);
  }
  consider(it);
  if (!best || best->rank > kUntold) consider(FirstOutdated(t));
  return best && best->rank == kDone ? std::nullopt : best;
}

CrowdMember MemberFor(const Claim& c) {
  CrowdMember m;
  m.claim = c;
  m.holds = IsHolder(c);
  m.wishes = HasWish(c);
  m.wish = c.request->spec.intent.prepaid;
  return m;
}

void Count(Crowd& crowd, const CrowdMember& m, int by) {
  crowd.holders += m.holds ? by : 0;
  if (m.wishes) crowd.wishes[size_t(m.wish)] += by;
}

void Seat(Crowd& crowd, const Claim& claim) {
  const CrowdMember m = MemberFor(claim);
  const CrowdKey key = KeyOf(claim);
  crowd.waiting.emplace(key, m);
  crowd.keys[claim.request] = key;
  Count(crowd, m, 1);
}

/// Takes it out of the crowd; nothing when it is not in it.
std::optional<Claim> Unseat(Crowd& crowd, const Request& r) {
  const auto key = crowd.keys.find(&r);
  if (key == crowd.keys.end()) return std::nullopt;
  const auto found = crowd.waiting.find(key->second);
  const Claim claim = found->second.claim;
  Count(crowd, found->second, -1);
  crowd.waiting.erase(found);
  crowd.keys.erase(key);
  return claim;
}

}  // namespace

void DecideAnew(State& state, Target& t) {
  if (!std::exchange(t.again, true)) state.again.push_back(t.id);
}

void Balance(State& state, Target& t) {
  if (!t.crowd) return;
  Crowd& crowd = *t.crowd;
  bool changed = false;
  const auto key_of = [&](const Claim& c) { return Effective(t, KeyOf(c)); };
  while (const auto best = Next(t)) {
    if (t.claims.size() >= kMostClaims) {
      // Whoever owns it keeps his place.
      const auto worst =
          std::max_element(t.claims.begin(), t.claims.end(), [&](const Claim& a, const Claim& b) {
            if (a.request == t.owner || b.request == t.owner) return a.request == t.owner;
            return key_of(a) < key_of(b);
          });
      if (!(*best < key_of(*worst))) break;
      Seat(crowd, *worst);
      t.claims.erase(worst);
    }
    t.claims.push_back(*Unseat(crowd, *best->request));
    changed = true;
  }
  if (changed) DecideAnew(state, t);
  if (crowd.waiting.empty()) t.crowd.reset();
}

void AddClaim(State& state, Target& t, Request& r, uint32_t member) {
  if (!t.crowd && t.claims.size() < kMostClaims) {
    t.claims.push_back({&r, member});
    return;
  }
  if (!t.crowd) {
    t.crowd = std::make_unique<Crowd>();
    state.crowded = true;
  }
  Seat(*t.crowd, {&r, member});
  Balance(state, t);
}

void RemoveClaim(State& state, Target& t, const Request& r) {
  const bool in_crowd = t.crowd && Unseat(*t.crowd, r);
  if (!in_crowd) std::erase_if(t.claims, [&](const Claim& c) { return c.request == &r; });
  if (t.crowd) Balance(state, t);
}

void Rerank(State& state, Request& r) {
  if (!state.crowded) return;
  for (uint32_t i = 0; i < r.members.size(); ++i) OnMemberChanged(state, r, i);
}

void OnMemberChanged(State& state, Request& r, uint32_t member) {
  if (!state.crowded) return;
  const auto found = state.targets.find(r.members[member].id);
  if (found == state.targets.end() || !found->second.crowd) return;
  Target& t = found->second;
  if (const auto claim = Unseat(*t.crowd, r)) {
    Seat(*t.crowd, *claim);
    return Balance(state, t);
  }
  // One that is done gives its place up; whoever holds on to a list of claims has a copy.
  const Claim* claim = ClaimOf(t, &r);
  if (claim == nullptr) return;
  if (claim->request != t.owner && RankOf(*claim) == kDone) {
    Seat(*t.crowd, *claim);
    std::erase_if(t.claims, [&](const Claim& c) { return c.request == &r; });
  }
  Balance(state, t);
}

void ShareWithCrowd(State& state, Target& t, Reason reason) {
  if (t.crowd && std::exchange(t.crowd->shared, reason) != reason) DecideAnew(state, t);
}

bool CrowdHolds(const Target& t) { return t.crowd && t.crowd->holders > 0; }

std::optional<PrepaidPolicy> MildestOfCrowd(const Target& t) {
  if (!t.crowd) return std::nullopt;
  for (size_t i = size_t(PrepaidPolicy::kRecycle); i < t.crowd->wishes.size(); ++i) {
    if (t.crowd->wishes[i] > 0) return PrepaidPolicy(i);
  }
  return std::nullopt;
}

}  // namespace retirement
