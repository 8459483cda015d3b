// Judge: the one place that reads a sight and says what comes next. Pure.

#pragma once

#include <string>
#include <variant>

#include "retirement/durations.h"
#include "retirement/target.h"

namespace retirement {

/// Observe it, not before `when`. `reason` is what the member shows meanwhile.
struct LookAt {
  Mono when{};
  Reason reason = Reason::kNone;
  std::string message{};
};
/// It belongs in a batch with this step; the sight justifies a call until `fresh_until`.
struct Pack {
  Step step = Step::kFirst;
  Mono fresh_until{};
};
/// It is done; for an entry that is open, `result` closes it.
struct Finish {
  MemberState state = MemberState::kFailed;
  Reason reason = Reason::kNone;
  std::string message{};
  BatchResult result = BatchResult::kNone;
  bool by_intent = false;  // the termination that is wanted refuses its charge type
};
using Verdict = std::variant<LookAt, Pack, Finish>;

struct Wanted {
  Intent intent{};
  const Expectation* expect = nullptr;
  Lane lane{};
  const Viewpoint* from = nullptr;  // null without credentials
  bool use_get = false;
  bool suspicious = false;  // so much vanished from this lane at once that absence proves nothing
  // The sight must justify a call for so long: until a batch of it is committed and called.
  Millis ahead = kCommitAhead + kFenceMargin;
};

/// The open entry in which a target is.
struct Called {
  Step step = Step::kFirst;
  BatchPhase phase = BatchPhase::kIntent;
  CloudRequestId request_id{};  // of its call, "" when the answer was lost
};

/// What to do about a target that is in no open batch, wanted by an accepted and permitted request.
Verdict Judge(const Target& target, const Wanted& wanted, Now now);

/// What an observation says about a target in an open batch whose call has ended, in `step`.
/// LookAt = not yet; Finish.result tells what became of it; kUntouched sends it back to Judge.
Verdict JudgeCalled(const Target& target, const Wanted& wanted, const Called& called, Now now);

/// S5: a call of which only a status tells; it may have been accepted, and nobody asked for
/// another.
bool IsOrphan(const Target& target);
/// What becomes of it where it still exists.
Finish Orphaned();

/// What would stop a call on this target, "" for nothing: the message of a dry run.
std::string Obstacle(const Target& target, const Wanted& wanted);

bool IsPrepaid(const Target& target);
/// SHUTDOWN: in the recycle bin (CVM API, InstanceState). Recognized by what is seen, not by the
/// charge type: the international site has a bin for pay-as-you-go, too.
bool IsInBin(const Target& target);
/// What a look that was sent then shows does not lag behind the last call: the service names that
/// very call as the latest operation, or it was sent late enough.
bool ReflectsLastCall(const Target& target, Mono sent);
/// Seen outside the bin, by a look that does not lag behind one that showed it there.
bool LeftTheBin(const Target& target, Mono sent);
/// What a request expects of the instance is what is seen; so it is without expectations.
bool IsExpected(const Target& target, const Expectation* expect);
/// S8: it was seen from here once, or from where the same account looks.
bool IsKnownFrom(const Target& target, const Viewpoint* from);
/// Absent without an accepted call of ours; missing as long as that is not concluded.
bool HasVanished(const Target& target);
bool IsMissing(const Target& target);
/// A termination that was not there when it was packed, and that may be ours, whatever came of it.
/// An answer may leave out the operation, so what one look showed counts for the next ones.
bool ShowsNewTermination(const Target& target);
/// Of what a refusal may be about: state, charge type, protection.
uint64_t SightPrint(const Sight& sight);
/// From when on a look shows what the last call did.
Mono SettledAt(const Target& target);
/// Until when the last sight justifies a call.
Mono FreshUntil(const Target& target);

}  // namespace retirement
