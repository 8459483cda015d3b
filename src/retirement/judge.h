// Judge: the one place that reads a sight and says what comes next. Pure.

#pragma once

#include <string>
#include <variant>

#include "retirement/target.h"

namespace retirement {

/// Observe it, not before `when`. `reason` is what the member shows meanwhile.
struct LookAt {
  Mono when{};
  Reason reason = Reason::kNone;
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
};
using Verdict = std::variant<LookAt, Pack, Finish>;

struct Wanted {
  Intent intent{};
  const Expectation* expect = nullptr;
  Lane lane{};
  std::string credential{};
  bool use_get = false;
  bool called_as_we_are = false;  // the log says that these credentials called it in this lane
};

/// What to do about a target that is in no open batch, wanted by an accepted and permitted request.
Verdict Judge(const Target& target, const Wanted& wanted, Now now);

/// What an observation says about a target in an open batch whose call has ended, in `step`.
/// LookAt = not yet; Finish.result tells what became of it; kUntouched sends it back to Judge.
Verdict JudgeCalled(const Target& target, const Wanted& wanted, Step step, BatchPhase phase,
                    Now now);

/// What would stop a call on this target, "" for nothing: the message of a dry run.
std::string Obstacle(const Target& target, const Wanted& wanted);

bool IsPrepaid(const Target& target);
/// SHUTDOWN of a prepaid instance: in the recycle bin (CVM API, InstanceState).
bool IsInBin(const Target& target);
/// The last sight is not too old to justify a call at `now`.
Mono FreshUntil(const Target& target);

}  // namespace retirement
