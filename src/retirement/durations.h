// All durations that decisions depend on, in one table. docs/durations.md explains them.

#pragma once

#include "base/time.h"

namespace retirement {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// The cloud (CVM API, common error AuthFailure.SignatureExpire): a signature is refused when its
// timestamp is older than this.
inline constexpr base::Millis kSignatureAge = minutes{5};
// From the arrival of a call until DescribeInstances shows its effect. A bound, not an average.
inline constexpr base::Millis kMaxEffectLag = seconds{60};
// From the Date of an answer to its arrival, at most.
inline constexpr base::Millis kLongestAnswer = seconds{30};
// How far our idea of the service's time may be from the truth.
inline constexpr base::Millis kClockError = seconds{5};

// An older observation does not justify a call (S9).
inline constexpr base::Millis kSightAge = seconds{60};
inline constexpr base::Millis kPrepaidSightAge = seconds{10};
// Gone = absent from two complete answers at least this far apart.
inline constexpr base::Millis kAbsenceGap = seconds{3};
// Without an accepted call of ours absence is no hurry (S8): so long, in so many complete answers,
// with looks so far apart; a longer gap breaks the row.
inline constexpr base::Millis kForeignAbsence = minutes{5};
inline constexpr int kForeignAbsences = 4;
inline constexpr base::Millis kAbsenceLook = seconds{60};
inline constexpr base::Millis kLongestAbsenceGap = seconds{100};
// When more than a fifth of what a lane knows, and more than five, vanish at once: so long,
// steadily.
inline constexpr base::Millis kSuspiciousAbsence = minutes{30};
inline constexpr size_t kSuspiciousCount = 5;
inline constexpr size_t kSuspiciousShare = 5;  // one in so many
// An id that was never seen ends as NeverObserved after being absent for so long: young
// instances may be missing from the first answers.
inline constexpr base::Millis kNeverObservedAfter = seconds{10};

// No call on a view of the cluster older than this (S12).
inline constexpr base::Millis kMaxViewAge = seconds{5};
// A batch is committed at most so long before its call.
inline constexpr base::Millis kCommitAhead = seconds{2};
// Left unused at the end of the lease's validity and of a signature.
inline constexpr base::Millis kFenceMargin = seconds{1};

// Ids that are due wait so long for company before they are looked at.
inline constexpr base::Millis kLookWindow = milliseconds{100};
// Before a call a lane looks only as far ahead as its rate can send in this time.
inline constexpr base::Millis kLookAhead = seconds{30};
inline constexpr base::Millis kPrepaidLookAhead = seconds{4};
inline constexpr base::Millis kFirstLook = seconds{1};
inline constexpr base::Millis kLongestLook = seconds{10};
// How often a Blocked instance is looked at again.
inline constexpr base::Millis kBlockedLook = minutes{5};
// An accepted call without visible effect for so long needs a person.
inline constexpr base::Millis kVerifyDeadline = minutes{15};
inline constexpr base::Millis kFirstRetry = seconds{10};
inline constexpr base::Millis kLongestRetry = minutes{5};

// E0, futility. What one instance is refused for is tried again after this, doubling to six hours.
inline constexpr base::Millis kFirstRefused = minutes{5};
// A breaker probes after 5 s, doubling to this.
inline constexpr base::Millis kLongestProbe = hours{2};
// A breaker that nobody has probed for so long after it could is forgotten.
inline constexpr base::Millis kBreakerIdle = minutes{5};
// Without any instance of its account to probe with, one is sought so often.
inline constexpr base::Millis kProbeSearch = seconds{10};
// Commits of a lane without success are so far apart, doubling.
inline constexpr base::Millis kFirstFutile = seconds{1};
inline constexpr base::Millis kLongestFutile = minutes{5};
// An account in which a call was accepted so recently is not refused as a whole.
inline constexpr base::Millis kProvenFor = minutes{1};
// So many refusals in a row, and nothing else, are not about single instances.
inline constexpr int kRefusedAlike = 3;
inline constexpr int kThrottledAlike = 8;
// Looks that fail pause, doubling from a second.
inline constexpr base::Millis kLongestLookPause = minutes{1};
// Credentials that another region took so recently are not rejected as such.
inline constexpr base::Millis kHeardFor = minutes{2};
// Trouble that lasts so long is told on the account and its requests (T1).
inline constexpr base::Millis kTroubleTold = seconds{10};
inline constexpr base::Millis kTroubleToldAnew = minutes{1};  // another cause, doubling to 16 min
// So long everything has to go well before the end of told trouble is told (E2: it may come and
// go).
inline constexpr base::Millis kTroubleOver = seconds{20};
// Entries without effect are deleted after so long, and when there are more of them in a lane.
inline constexpr base::Millis kFutileRetention = hours{1};
inline constexpr size_t kMostFutile = 100;

// Status: what waits is told after it has not changed for so long, progress at most so often.
inline constexpr base::Millis kStatusQuiet = seconds{2};
inline constexpr base::Millis kStatusProgress = seconds{10};
// What holds a whole account is told on its requests only after so long.
inline constexpr base::Millis kAccountWideQuiet = seconds{3};

}  // namespace retirement
