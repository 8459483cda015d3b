#include "retirement/judge.h"

#include <algorithm>

#include "retirement/durations.h"

namespace retirement {
namespace {

// CVM API, data type Instance, InstanceState, and the internal states that its error codes imply.
bool IsTransitional(std::string_view state) {
  return state == "PENDING" || state == "STARTING" || state == "STOPPING" || state == "REBOOTING" ||
         state == "ENTER_RESCUE_MODE" || state == "EXIT_RESCUE_MODE" ||
         state == "ENTER_SERVICE_LIVE_MIGRATE" || state == "EXIT_SERVICE_LIVE_MIGRATE";
}
bool IsGoing(std::string_view state) { return state == "TERMINATING" || state == "ISOLATING"; }
bool NeedsPerson(std::string_view state) { return state == "FREEZING" || state == "BANNING"; }

Millis RetryAfter(const Target& t) {
  const Millis delay = kFirstRetry * (1 << std::min<int>(t.retries, 5));
  return std::min<Millis>(delay, kLongestRetry);
}

/// Verification starts fast and slows down.
Mono NextVerifyLook(const Target& t, Now now) {
  const Millis age = t.called ? now.mono - t.last_call_end : Millis{0};
  return now.mono + std::clamp<Millis>(age / 4, kFirstLook, kLongestLook);
}

bool MatchesExpectation(const Target& t, const Expectation& e) {
  if (!e.name.empty() && e.name != t.sight.name) return false;
  const auto& ips = t.sight.private_ips;
  return e.private_ip.empty() || std::find(ips.begin(), ips.end(), e.private_ip) != ips.end();
}

/// A sight of another lane, or under other credentials, proves nothing here.
bool SeenHere(const Target& t, const Wanted& w) {
  return t.observed && t.seen_lane == w.lane && t.seen_credential == w.credential;
}

/// From when on an observation of this target counts: it began after the call had time to show.
Mono CountsFrom(const Target& t) {
  Mono from = t.settle_until;
  if (t.called && IsPrepaid(t)) from = std::max(from, t.last_call_end + kMaxEffectLag);
  if (t.called && !IsPrepaid(t)) from = std::max(from, t.last_call_end);
  return from;
}

Finish Gone(const Target& t) {
  Finish f{.state = MemberState::kRetired, .result = BatchResult::kRetired};
  if (t.by_us) {
    f.reason = Reason::kRetiredByUs;
  } else if (t.seen_alive) {
    f.reason = Reason::kRetiredByOther;
    f.message = "it disappeared without a call of ours";
  } else {
    f.reason = Reason::kAlreadyGone;
  }
  return f;
}

/// S8: absence proves something only where the instance was seen, by whom it was seen.
bool KnownHere(const Target& t, const Wanted& w) {
  if (w.called_as_we_are) return true;
  return std::any_of(t.known.begin(), t.known.end(), [&](const Sighting& s) {
    return s.lane == w.lane && s.credential == w.credential;
  });
}

/// Absent: gone when absent twice with a gap, and known to have existed (S8).
Verdict JudgeAbsent(const Target& t, const Wanted& w, Now now) {
  const bool known = KnownHere(t, w);
  const Millis absent_for = t.seen_at - t.first_absent;
  const Millis needed = known ? kAbsenceGap : kNeverObservedAfter;
  if (absent_for < needed) return LookAt{std::max(now.mono, t.first_absent + needed)};
  if (known) return Gone(t);
  return Finish{.state = MemberState::kFailed,
                .reason = Reason::kNeverObserved,
                .message = "no such instance in this account and region, and none was seen before"};
}

Finish Refused(Reason reason, MemberState state, std::string message) {
  return {.state = state, .reason = reason, .message = std::move(message)};
}

/// What keeps a present instance from being called for good or until somebody acts.
std::optional<Finish> PresentObstacle(const Target& t, const Wanted& w) {
  if (w.expect && !MatchesExpectation(t, *w.expect)) {
    return Refused(Reason::kExpectMismatch, MemberState::kBlocked,
                   "the instance is not the expected one: its name or private IP differs; correct "
                   "spec.instances or the id");
  }
  const bool prepaid = IsPrepaid(t);
  if (IsInBin(t) && w.intent.prepaid == PrepaidPolicy::kRecycle) return std::nullopt;  // done
  if (prepaid && w.use_get && w.intent.prepaid == PrepaidPolicy::kRecycle) {
    return Refused(Reason::kChargeTypeRefused, MemberState::kFailed,
                   "an account with api.method GET takes prepaid instances only with "
                   "termination.prepaid: Destroy");
  }
  if (prepaid ? w.intent.prepaid == PrepaidPolicy::kRefuse
              : w.intent.postpaid == PostpaidPolicy::kRefuse) {
    return Refused(
        Reason::kChargeTypeRefused, MemberState::kFailed,
        "spec.termination refuses instances of charge type " + std::string(t.sight.charge.view()));
  }
  if (t.sight.state == "LAUNCH_FAILED") {
    return Refused(Reason::kNotReturnable, MemberState::kFailed,
                   "its creation failed (LAUNCH_FAILED); such an instance cannot be terminated");
  }
  if (NeedsPerson(t.sight.state)) {
    return Refused(Reason::kBanned, MemberState::kBlocked,
                   "the instance is in state " + t.sight.state + "; ask the vendor's support");
  }
  if (t.sight.protected_from_termination) {
    return Refused(Reason::kInstanceProtected, MemberState::kBlocked,
                   "termination protection is on; switch it off in the console to go on");
  }
  return std::nullopt;
}

Verdict JudgeBin(const Target& t, const Wanted& w) {
  if (w.intent.prepaid != PrepaidPolicy::kDestroy) {
    return Finish{.state = MemberState::kRecycled,
                  .reason = t.by_us ? Reason::kRetiredByUs : Reason::kRetiredByOther,
                  .result = BatchResult::kRecycled};
  }
  return Pack{.step = Step::kSecond, .fresh_until = FreshUntil(t)};
}

Verdict JudgePresent(const Target& t, const Wanted& w, Now now) {
  if (t.retired_before && t.seen_at < t.retired_learnt + kMaxEffectLag) {
    return LookAt{t.retired_learnt + kMaxEffectLag};  // the answer may lag behind the truth
  }
  if (t.retired_before) {
    return Refused(Reason::kResurrected, MemberState::kFailed,
                   "the log says that it was retired, yet it exists; a person must look");
  }
  if (const auto obstacle = PresentObstacle(t, w)) return *obstacle;
  if (IsGoing(t.sight.state) || t.sight.operating) {
    return LookAt{now.mono + std::min<Millis>(RetryAfter(t) / 2, kLongestLook),
                  Reason::kOperationInProgress};
  }
  if (IsTransitional(t.sight.state)) {
    return LookAt{now.mono + std::min<Millis>(RetryAfter(t) / 2, kLongestLook),
                  Reason::kInstanceBusy};
  }
  if (now.mono < t.not_before) return LookAt{t.not_before, t.wait_reason};
  if (IsInBin(t)) return JudgeBin(t, w);
  // S5: whatever is not prepaid gets one accepted call in its life.
  if (!IsPrepaid(t) && t.accepted) {
    return Refused(Reason::kVerifyDeadlineExceeded, MemberState::kBlocked,
                   "a call was accepted and the instance still exists; it is not called again");
  }
  return Pack{.step = Step::kFirst, .fresh_until = FreshUntil(t)};
}

}  // namespace

bool IsPrepaid(const Target& t) { return t.sight.charge.view() == kPrepaid; }

bool IsInBin(const Target& t) { return IsPrepaid(t) && t.sight.state == "SHUTDOWN"; }

Mono FreshUntil(const Target& t) {
  return t.seen_at + (IsPrepaid(t) ? kPrepaidSightAge : kSightAge);
}

Verdict Judge(const Target& t, const Wanted& w, Now now) {
  const Mono counts_from = CountsFrom(t);
  if (now.mono < t.settle_until) return LookAt{counts_from, Reason::kAmbiguous};
  if (!SeenHere(t, w) || t.seen_at < counts_from) return LookAt{std::max(now.mono, counts_from)};
  if (!t.present) return JudgeAbsent(t, w, now);
  // Fresh enough to last until the call, or a full queue of stale ones would turn in a circle.
  if (now.mono + kCommitAhead + kFenceMargin >= FreshUntil(t)) return LookAt{now.mono};
  return JudgePresent(t, w, now);
}

namespace {

/// The look proves that the call left no trace: sent late enough, instance as before, not busy.
bool Untouched(const Target& t, Step step) {
  if (!t.present || t.sight.operating || IsGoing(t.sight.state)) return false;
  if (t.seen_at < std::max(t.settle_until, t.last_call_end + kMaxEffectLag)) return false;
  return step == Step::kSecond ? IsInBin(t) : !IsInBin(t);
}

LookAt LookAgain(const Target& t, Now now) {
  return {std::max(NextVerifyLook(t, now), t.settle_until),
          now.mono < t.settle_until ? Reason::kAmbiguous : Reason::kNone};
}

}  // namespace

Verdict JudgeCalled(const Target& t, const Wanted& w, Step step, BatchPhase phase, Now now) {
  const Mono counts_from = std::max(t.settle_until, t.last_call_end);
  if (!SeenHere(t, w) || t.seen_at < counts_from) {
    return LookAt{std::max(counts_from, t.observed ? NextVerifyLook(t, now) : now.mono),
                  now.mono < t.settle_until ? Reason::kAmbiguous : Reason::kNone};
  }
  if (!t.present) {
    const bool gap = t.seen_at - t.first_absent >= kAbsenceGap;
    if (gap && KnownHere(t, w)) return Gone(t);
    if (!gap) return LookAt{std::max(now.mono, t.first_absent + kAbsenceGap)};
  }
  if (step == Step::kFirst && t.present && IsInBin(t) && !t.sight.operating) {
    return Finish{.state = MemberState::kRecycled,
                  .reason = Reason::kRetiredByUs,
                  .result = BatchResult::kRecycled};
  }
  // S5: an accepted call is followed by another one only for a prepaid instance that was seen
  // outside the bin since; never by a second second call.
  const bool may_repeat = phase != BatchPhase::kAccepted || (IsPrepaid(t) && step == Step::kFirst);
  if (may_repeat && Untouched(t, step)) {
    return Finish{.state = MemberState::kWaiting, .result = BatchResult::kUntouched};
  }
  if (now.mono >= t.verify_until) {
    return Finish{
        .state = MemberState::kBlocked,
        .reason = Reason::kVerifyDeadlineExceeded,
        .message = !t.present
                       ? std::string("it is not listed, and these credentials never "
                                     "saw it; restore those of the call")
                       : "the call was accepted but shows no effect" +
                             (t.sight.operation_error.empty() ? std::string()
                                                              : ": " + t.sight.operation_error)};
  }
  return LookAgain(t, now);
}

std::string Obstacle(const Target& t, const Wanted& w) {
  if (!t.present) return "no such instance in this account and region";
  if (const auto obstacle = PresentObstacle(t, w)) {
    return std::string(ToString(obstacle->reason)) + ": " + obstacle->message;
  }
  if (IsInBin(t) && w.intent.prepaid == PrepaidPolicy::kRecycle)
    return "already in the recycle bin";
  return {};
}

}  // namespace retirement
