#include "retirement/judge.h"

#include <algorithm>

#include "base/hash.h"
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

/// A sight from elsewhere proves nothing here.
bool SeenHere(const Target& t, const Wanted& w) {
  return t.observed && t.WasSeenIn(w.lane) && t.seen_from == w.from && w.from != nullptr;
}

/// From when on an observation of this target counts: it began after the call had time to show. An
/// answer that lags may show another charge type than the one it was called as.
Mono CountsFrom(const Target& t) {
  Mono from = t.settle_until;
  const bool bins = IsPrepaid(t) || t.binned_by;
  if (t.called && bins) from = std::max(from, t.last_call_end + kMaxEffectLag);
  if (t.called && !bins) from = std::max(from, t.last_call_end);
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

constexpr const char* kAbsent = "it is not listed any more; absence is believed after five minutes";
constexpr const char* kTooLate =
    "the answers of DescribeInstances take so long that what they show is too old to call on";
constexpr const char* kManyAbsent =
    "it is not listed any more, like many others of this account at once; if that is right, "
    "annotate cvm-retirement.dev/requestedAt, else it is believed after half an hour";

/// S8: after an accepted call two absences prove it gone; without one absence is no hurry.
Verdict JudgeKnownAbsent(const Target& t, const Wanted& w, Now now) {
  const Millis absent_for = t.seen_at - t.first_absent;
  if (t.accepted || t.retired_before) {
    if (absent_for >= kAbsenceGap) return Gone(t);
    return LookAt{std::max(now.mono, t.first_absent + kAbsenceGap)};
  }
  const Mono believed = std::max(t.asked_at, t.believed_at);
  const bool wait = w.suspicious && (believed == Mono{} || believed < t.first_absent);
  const Millis needed = wait ? kSuspiciousAbsence : kForeignAbsence;
  if (absent_for >= needed && t.absences >= kForeignAbsences) return Gone(t);
  return LookAt{std::max(now.mono, t.seen_at + kAbsenceLook), Reason::kServiceError,
                wait ? kManyAbsent : kAbsent};
}

Verdict JudgeAbsent(const Target& t, const Wanted& w, Now now) {
  if (IsKnownFrom(t, w.from)) return JudgeKnownAbsent(t, w, now);
  const Millis absent_for = t.seen_at - t.first_absent;
  if (absent_for < kNeverObservedAfter) {
    return LookAt{std::max(now.mono, t.first_absent + kNeverObservedAfter)};
  }
  const char* message =
      t.known.empty() ? "no such instance in this account and region, and none was seen before"
                      : "these credentials do not list it, and were never seen to list what "
                        "those that saw it did; restore those, or correct the account";
  return Finish{
      .state = MemberState::kFailed, .reason = Reason::kNeverObserved, .message = message};
}

/// Of the others the vendor does not say what TerminateInstances does (CVM API,
/// InstanceChargeType).
bool IsKnownCharge(std::string_view charge) {
  return charge == kPrepaid || charge == "POSTPAID_BY_HOUR" || charge == "SPOTPAID" ||
         charge == "CDHPAID";
}

Finish Refused(Reason reason, MemberState state, std::string message) {
  return {.state = state, .reason = reason, .message = std::move(message)};
}

/// What keeps a present instance from being called for good or until somebody acts.
std::optional<Finish> PresentObstacle(const Target& t, const Wanted& w) {
  if (!IsExpected(t, w.expect)) {
    return Refused(Reason::kExpectMismatch, MemberState::kBlocked,
                   "the instance is not the expected one: its name or private IP differs; correct "
                   "spec.instances or the id");
  }
  const bool prepaid = IsPrepaid(t);
  if (IsInBin(t) && (!prepaid || w.intent.prepaid == PrepaidPolicy::kRecycle)) {
    return std::nullopt;  // done
  }
  if (!IsKnownCharge(t.sight.charge.view())) {
    return Refused(Reason::kChargeTypeRefused, MemberState::kFailed,
                   "how instances of charge type " + std::string(t.sight.charge.view()) +
                       " are terminated is not documented; they are not called");
  }
  if (prepaid && w.use_get && w.intent.prepaid == PrepaidPolicy::kRecycle) {
    return Refused(Reason::kChargeTypeRefused, MemberState::kFailed,
                   "an account with api.method GET takes prepaid instances only with "
                   "termination.prepaid: Destroy");
  }
  if (prepaid ? w.intent.prepaid == PrepaidPolicy::kRefuse
              : w.intent.postpaid == PostpaidPolicy::kRefuse) {
    Finish refused = Refused(
        Reason::kChargeTypeRefused, MemberState::kFailed,
        "spec.termination refuses instances of charge type " + std::string(t.sight.charge.view()));
    refused.by_intent = true;
    return refused;
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

/// S8a: somebody asked for another call. Who asked before that was told did not mean it.
bool HasConsent(const Target& t) { return t.asked_at != Mono{} && t.asked_at >= SettledAt(t); }

Verdict JudgeBin(const Target& t, const Wanted& w) {
  if (!IsPrepaid(t) || w.intent.prepaid != PrepaidPolicy::kDestroy) {
    return Finish{.state = MemberState::kRecycled,
                  .reason = t.by_us ? Reason::kRetiredByUs : Reason::kRetiredByOther,
                  .result = BatchResult::kRecycled};
  }
  // S5: the call of which a status tells may have been the second one.
  if (IsOrphan(t)) return Orphaned();
  return Pack{.step = Step::kSecond, .fresh_until = FreshUntil(t)};
}

std::string WhyItWaits(const Target& t) { return t.wait_message ? *t.wait_message : ""; }

/// What has to pass before a call can be thought of; nothing when nothing has to.
std::optional<LookAt> MustWait(const Target& t, Now now) {
  const Mono soon = now.mono + std::min<Millis>(RetryAfter(t) / 2, kLongestLook);
  // A sight that does not say what it is justifies nothing.
  if (t.sight.charge.empty() || t.sight.state.empty()) {
    return LookAt{now.mono + kLongestLook, Reason::kServiceError,
                  "DescribeInstances shows it without a state or charge type"};
  }
  if (IsGoing(t.sight.state) || t.sight.operating) {
    return LookAt{soon, Reason::kOperationInProgress};
  }
  if (IsTransitional(t.sight.state)) return LookAt{soon, Reason::kInstanceBusy};
  // E0: not before its back-off has ended; a look meanwhile may show that the cause is gone.
  if (now.mono < t.not_before) {
    return LookAt{std::min(t.not_before, now.mono + kBlockedLook), t.wait_reason, WhyItWaits(t)};
  }
  return std::nullopt;
}

}  // namespace

bool IsOrphan(const Target& t) { return t.orphan && !HasConsent(t); }

Finish Orphaned() {
  return Refused(
      Reason::kVerifyDeadlineExceeded, MemberState::kBlocked,
      "its RetirementBatch was deleted, and the call that it stood for may have been accepted; "
      "to call it again, annotate cvm-retirement.dev/requestedAt");
}

namespace {

Verdict JudgePresent(const Target& t, const Wanted& w, Now now) {
  if (t.retired_before && t.seen_at < t.retired_learnt + kMaxEffectLag) {
    return LookAt{t.retired_learnt + kMaxEffectLag};  // the answer may lag behind the truth
  }
  const bool believes = t.asked_at != Mono{} && t.asked_at > t.retired_learnt + kMaxEffectLag;
  if (t.retired_before && !believes) {
    return Refused(Reason::kResurrected, MemberState::kFailed,
                   "the log says that it was retired, yet it exists; a person must look");
  }
  if (!t.sight.charge.empty() && !t.sight.state.empty()) {
    if (const auto obstacle = PresentObstacle(t, w)) return *obstacle;
  }
  if (const auto wait = MustWait(t, now)) return *wait;
  if (IsInBin(t)) return JudgeBin(t, w);
  // S5: the answer may lag behind one that showed it in the bin.
  if (!LeftTheBin(t, t.seen_at)) return LookAt{t.binned_at + kMaxEffectLag};
  if (IsOrphan(t)) return Orphaned();
  // S5, S8a: whatever is not prepaid gets one accepted call in its life; what is prepaid another
  // one after it was in the bin, or when a person asks.
  const bool had_its_call = t.accepted || (t.failed && !IsPrepaid(t));
  if (had_its_call && !(IsPrepaid(t) && HasConsent(t))) {
    return Refused(Reason::kVerifyDeadlineExceeded, MemberState::kBlocked,
                   "a call was accepted and the instance still exists; it is not called again" +
                       (t.sight.operation_error.empty() ? "" : ": " + t.sight.operation_error));
  }
  return Pack{.step = Step::kFirst, .fresh_until = FreshUntil(t)};
}

}  // namespace

bool IsPrepaid(const Target& t) { return t.sight.charge.view() == kPrepaid; }

bool IsInBin(const Target& t) { return t.sight.state == "SHUTDOWN"; }

bool ReflectsLastCall(const Target& t, Mono sent) {
  const bool names_it = !t.request_id.empty() && t.sight.operation_request == t.request_id;
  return names_it || sent >= t.last_call_end + kMaxEffectLag;
}

bool LeftTheBin(const Target& t, Mono sent) {
  return !IsInBin(t) && (t.binned_at == Mono{} || sent >= t.binned_at + kMaxEffectLag);
}

bool IsExpected(const Target& t, const Expectation* e) {
  if (e == nullptr) return true;
  if (!e->name.empty() && e->name != t.sight.name) return false;
  const auto& ips = t.sight.private_ips;
  return e->private_ip.empty() || std::find(ips.begin(), ips.end(), e->private_ip) != ips.end();
}

bool IsKnownFrom(const Target& t, const Viewpoint* from) {
  return from != nullptr && std::any_of(t.known.begin(), t.known.end(),
                                        [&](const Viewpoint* v) { return Same(*v, *from); });
}

bool HasVanished(const Target& t) {
  // What is in an open entry may have gone by a call of ours: it is no surprise.
  const bool surprises = !t.accepted && !t.retired_before && t.place != Place::kBatch;
  return t.observed && !t.present && surprises && IsKnownFrom(t, t.seen_from);
}

bool IsMissing(const Target& t) { return !t.concluded && HasVanished(t); }

bool ShowsNewTermination(const Target& t) {
  if (!t.sight.terminated_last) return false;
  // Who has not packed it knows from the log which termination put it into the bin.
  if (!t.packed && t.binned_by && !t.binned_by->request_id.empty()) {
    return t.sight.operation_request != t.binned_by->request_id;
  }
  return !t.packed || !t.packed->terminated_last ||
         t.packed->operation_request != t.sight.operation_request;
}

uint64_t SightPrint(const Sight& s) {
  base::Fingerprint f;
  f.Add(s.state).Add(s.charge.view()).Add(int64_t(s.operating));
  f.Add(int64_t(s.protected_from_termination));
  return f.value();
}

Mono SettledAt(const Target& t) {
  return std::max(t.settle_until, t.last_call_end + kMaxEffectLag);
}

Mono FreshUntil(const Target& t) {
  return t.seen_at + (IsPrepaid(t) ? kPrepaidSightAge : kSightAge);
}

Verdict Judge(const Target& t, const Wanted& w, Now now) {
  if (t.look_denied) {
    return Refused(t.wait_reason, MemberState::kBlocked, WhyItWaits(t));
  }
  const Mono counts_from = CountsFrom(t);
  if (now.mono < t.settle_until) return LookAt{counts_from, Reason::kAmbiguous};
  if (!SeenHere(t, w) || t.seen_at < counts_from) return LookAt{std::max(now.mono, counts_from)};
  // S8: what was absent long ago is looked at anew.
  if (!t.present && now.mono > t.seen_at + kLongestAbsenceGap) return LookAt{now.mono};
  if (!t.present) return JudgeAbsent(t, w, now);
  // Fresh enough to last until the call, or a full queue of stale ones would turn in a circle.
  if (now.mono + w.ahead >= FreshUntil(t)) {
    if (t.stale_looks < kRefusedAlike) return LookAt{now.mono};
    return LookAt{now.mono, Reason::kServiceError, kTooLate};
  }
  return JudgePresent(t, w, now);
}

namespace {

/// Where it was before the step: outside the bin before the first, in it before the second.
bool IsWhereItWas(const Target& t, Step step) {
  return step == Step::kSecond ? IsInBin(t) : !IsInBin(t);
}

/// S8a: the service says itself that the operation of this very call has failed.
bool FailedByOwnWords(const Target& t, const Called& c) {
  return t.sight.terminated_last && t.sight.operation_failed && !c.request_id.empty() &&
         t.sight.operation_request == c.request_id;
}

/// The looks prove that the call left no trace: sent late enough, twice, and the instance exactly
/// as it was packed. Of an entry that another process packed no more is known than that it is at
/// rest.
bool LeftNoTrace(const Target& t, Now now) {
  if (!t.present || t.sight.operating || t.sight.charge.empty() || t.sight.state.empty()) {
    return false;
  }
  const std::string_view state = t.sight.state;
  if (IsGoing(state) || IsTransitional(state) || t.new_termination) return false;
  if (t.packed && SightPrint(*t.packed) != SightPrint(t.sight)) return false;
  const Mono settled = SettledAt(t);
  return t.unchanged_since >= settled && t.seen_at >= t.unchanged_since + kAbsenceGap &&
         now.mono >= settled;
}

/// S5, S8a: whether the call may be repeated, now that it shows no effect.
bool IsUntouched(const Target& t, const Called& c, Now now) {
  if (!t.present || !IsWhereItWas(t, c.step)) return false;
  const bool at_rest =
      !t.sight.operating && !IsGoing(t.sight.state) && !IsTransitional(t.sight.state);
  const bool asked = HasConsent(t) && t.seen_at >= t.asked_at;
  if (c.phase != BatchPhase::kAccepted) {
    return LeftNoTrace(t, now) || (at_rest && IsPrepaid(t) && (asked || FailedByOwnWords(t, c)));
  }
  // What is not prepaid is not called again: its entry has ended all the same.
  if (c.step != Step::kFirst || !at_rest) return false;
  return FailedByOwnWords(t, c) || (asked && IsPrepaid(t));
}

LookAt LookAgain(const Target& t, Now now) {
  const bool settling = now.mono < t.settle_until;
  return {std::max(NextVerifyLook(t, now), t.settle_until),
          settling ? Reason::kAmbiguous : Reason::kNone};
}

constexpr const char* kHowToClose =
    "; a person who knows better ends the entry: annotate the RetirementBatch with "
    "cvm-retirement.dev/close=\"who: why\"";

std::string WhyNoEffect(const Target& t, const Wanted& w, const Called& c) {
  const std::string what = c.phase == BatchPhase::kAccepted
                               ? "the call was accepted but shows no effect"
                               : "what became of the call is not known, and it shows no effect";
  if (!SeenHere(t, w)) return std::string("nobody can look at it any more") + kHowToClose;
  if (!t.present) {
    return std::string(
               "it is not listed, and these credentials were never seen to list what those "
               "of the call did; restore those") +
           kHowToClose;
  }
  if (!t.sight.operation_error.empty()) {
    return what + ": " + t.sight.operation_error + kHowToClose;
  }
  return what + kHowToClose;
}

/// Absent in an open entry: after an accepted call two looks prove it gone, else as without one.
Verdict JudgeCalledAbsent(const Target& t, const Wanted& w, const Called& c, Now now) {
  if (c.phase != BatchPhase::kAccepted) {
    Verdict verdict = JudgeKnownAbsent(t, w, now);
    if (auto* look = std::get_if<LookAt>(&verdict)) look->reason = Reason::kAmbiguous;
    return verdict;
  }
  if (t.seen_at - t.first_absent >= kAbsenceGap) return Gone(t);
  return LookAt{std::max(now.mono, t.first_absent + kAbsenceGap)};
}

/// Nothing it shows is an end: look again, or tell that a person is needed.
Verdict NotYet(const Target& t, const Wanted& w, const Called& c, LookAt next, Now now) {
  if (now.mono < t.verify_until || now.mono < t.settle_until) return next;
  return Finish{.state = MemberState::kBlocked,
                .reason = Reason::kVerifyDeadlineExceeded,
                .message = WhyNoEffect(t, w, c)};
}

}  // namespace

Verdict JudgeCalled(const Target& t, const Wanted& w, const Called& c, Now now) {
  const Mono counts_from = std::max(t.settle_until, t.last_call_end);
  if (!SeenHere(t, w) || t.seen_at < counts_from) {
    const Mono when = std::max(counts_from, t.observed ? NextVerifyLook(t, now) : now.mono);
    return NotYet(t, w, c, {when, now.mono < t.settle_until ? Reason::kAmbiguous : Reason::kNone},
                  now);
  }
  if (!t.present) {
    if (IsKnownFrom(t, w.from)) return JudgeCalledAbsent(t, w, c, now);
    LookAt again = LookAgain(t, now);
    again.reason = Reason::kAmbiguous;
    again.message = WhyNoEffect(t, w, c);
    return NotYet(t, w, c, again, now);
  }
  // S8a: it may have been in the bin before, and restored.
  if (c.step == Step::kFirst && IsInBin(t) && !t.sight.operating &&
      ReflectsLastCall(t, t.seen_at)) {
    return Finish{.state = MemberState::kRecycled,
                  .reason = Reason::kRetiredByUs,
                  .result = BatchResult::kRecycled};
  }
  if (IsUntouched(t, c, now)) {
    return Finish{.state = MemberState::kWaiting, .result = BatchResult::kUntouched};
  }
  return NotYet(t, w, c, LookAgain(t, now), now);
}

std::string Obstacle(const Target& t, const Wanted& w) {
  if (!t.present) return "no such instance in this account and region";
  if (const auto obstacle = PresentObstacle(t, w)) {
    return std::string(ToString(obstacle->reason)) + ": " + obstacle->message;
  }
  if (IsInBin(t) && (!IsPrepaid(t) || w.intent.prepaid == PrepaidPolicy::kRecycle)) {
    return "already in the recycle bin";
  }
  return {};
}

}  // namespace retirement
