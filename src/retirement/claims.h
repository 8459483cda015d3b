// Claims: what the requests that name one instance want of it. Pure.

#pragma once

#include "retirement/state.h"

namespace retirement {

MemberStatus& MemberOf(const Claim& claim);
/// False for a member that was removed from the spec and is still in a batch.
bool InSpec(const Claim& claim);
/// Blocked by another intent; it stays so until somebody asks to look again.
bool IsDuplicateBlock(const MemberStatus& member);
/// It could own: accepted, permitted, Execute, not done, and what it expects is not contradicted:
/// an obstacle of the request gives the instance up to the next claim.
bool MayOwn(const Target& target, const Claim& claim);
/// It does not want what is seen terminated; that stops nobody else.
bool Refuses(const Target& target, const Claim& claim);
/// What it expects differs from what is seen.
bool IsMistaken(const Target& target, const Claim& claim);
/// A dry run that asks the service: its account says serverSideDryRun and nothing stands against
/// a call.
bool MayAsk(const State& state, const Claim& claim);
/// It holds the instance back from everybody.
bool IsHolder(const Claim& claim);
/// What it wants done with a prepaid instance counts.
bool HasWish(const Claim& claim);
/// A hold of any of the requests holds the instance.
bool IsHeld(const Target& target);
/// The oldest claim that may own; without one the oldest that may ask. Null while it is held.
const Claim* FindOwner(const State& state, const Target& target);
/// Some request names it, if only one that is done (S5: its wish counts).
bool IsNamed(const Target& target);
/// Null when `request` does not name it.
const Claim* ClaimOf(const Target& target, const Request* request);
/// The owner's intent, with the mildest prepaid intent of all live requests.
Intent EffectiveIntent(const Target& target);
/// It was looked at where the request says it is.
bool IsSeenBy(const Target& target, const Request& request);
/// They want the same done in the same place.
bool Agree(const Request& a, const Request& b);

}  // namespace retirement
