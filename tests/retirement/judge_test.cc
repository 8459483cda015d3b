#include "retirement/judge.h"

#include <gtest/gtest.h>

#include "retirement/durations.h"

namespace retirement {
namespace {

const Lane kLane{"default", "ap-guangzhou"};
Identity gOurs{"key", "https://cvm.tencentcloudapi.com", nullptr};
Identity gOthers{"another", "https://cvm.tencentcloudapi.com", nullptr};
const Viewpoint kHere{kLane.region, &gOurs};
const Viewpoint kElsewhere{kLane.region, &gOthers};
constexpr Now kNow{Mono{Millis{10'000'000}}, Wall{Millis{1'700'000'000'000}}};

/// A running postpaid instance that was seen just now; each test changes what it is about.
Target Seen(const char* state = "RUNNING", std::string_view charge = "POSTPAID_BY_HOUR") {
  Target t;
  t.id = *InstanceId::Parse("ins-00000001");
  t.observed = t.present = true;
  t.sight.charge = ChargeType(charge);
  t.sight.state = state;
  t.sight.name = "worker-17";
  t.sight.private_ips = {"10.0.3.17"};
  t.seen_at = kNow.mono;
  t.seen_lane = &kLane;
  t.seen_from = &kHere;
  t.known = {&kHere};
  return t;
}

Target Absent(Millis since, bool known) {
  Target t = Seen();
  t.present = false;
  if (!known) t.known.clear();
  t.first_absent = kNow.mono - since;
  t.absences = kForeignAbsences;
  return t;
}

Wanted Want(PrepaidPolicy prepaid = PrepaidPolicy::kRecycle) {
  Wanted w;
  w.intent.prepaid = prepaid;
  w.lane = kLane;
  w.from = &kHere;
  return w;
}

template <typename T>
bool Is(const Verdict& v) {
  return std::holds_alternative<T>(v);
}

void ExpectFinish(const Verdict& v, MemberState state, Reason reason) {
  ASSERT_TRUE(Is<Finish>(v)) << v.index();
  EXPECT_EQ(std::get<Finish>(v).state, state);
  EXPECT_EQ(std::get<Finish>(v).reason, reason) << ToString(std::get<Finish>(v).reason);
}

TEST(JudgeTest, LooksBeforeItActs) {
  EXPECT_TRUE(Is<LookAt>(Judge(Target{}, Want(), kNow)));
  EXPECT_TRUE(Is<Pack>(Judge(Seen(), Want(), kNow)));
}

// S9: an observation ages.
TEST(JudgeTest, AnOldSightJustifiesNothing) {
  Target t = Seen();
  t.seen_at = kNow.mono - kSightAge;
  EXPECT_TRUE(Is<LookAt>(Judge(t, Want(), kNow)));
  Target prepaid = Seen("RUNNING", kPrepaid);
  prepaid.seen_at = kNow.mono - kPrepaidSightAge;
  EXPECT_TRUE(Is<LookAt>(Judge(prepaid, Want(), kNow)));
}

TEST(JudgeTest, ASightOfAnotherRegionOrCredentialProvesNothing) {
  Target t = Seen();
  const Lane elsewhere{kLane.account, "ap-beijing"};
  t.seen_lane = &elsewhere;
  EXPECT_TRUE(Is<LookAt>(Judge(t, Want(), kNow)));
  t = Seen();
  t.seen_from = &kElsewhere;
  EXPECT_TRUE(Is<LookAt>(Judge(t, Want(), kNow)));
}

// S8: after an accepted call gone needs two absences.
TEST(JudgeTest, GoneAfterAnAcceptedCallIsAbsentTwice) {
  for (const Millis since : {Millis{0}, kAbsenceGap - Millis{1}, Millis{kAbsenceGap}}) {
    Target t = Absent(since, true);
    t.accepted = t.by_us = true;
    const Verdict v = Judge(t, Want(), kNow);
    if (since < kAbsenceGap) {
      EXPECT_TRUE(Is<LookAt>(v));
    } else {
      ExpectFinish(v, MemberState::kRetired, Reason::kRetiredByUs);
    }
  }
}

// S8: without one absence is no hurry: five minutes, four complete answers, and never many at once.
TEST(JudgeTest, AbsenceWithoutACallOfOursIsEvidenceNotProof) {
  EXPECT_TRUE(Is<LookAt>(Judge(Absent(kForeignAbsence - Millis{1}, true), Want(), kNow)));
  Target few = Absent(kForeignAbsence, true);
  few.absences = kForeignAbsences - 1;
  EXPECT_TRUE(Is<LookAt>(Judge(few, Want(), kNow)));
  ExpectFinish(Judge(Absent(kForeignAbsence, true), Want(), kNow), MemberState::kRetired,
               Reason::kAlreadyGone);
  Target alive = Absent(kForeignAbsence, true);
  alive.seen_alive = true;
  ExpectFinish(Judge(alive, Want(), kNow), MemberState::kRetired, Reason::kRetiredByOther);
  Wanted suspicious = Want();
  suspicious.suspicious = true;
  EXPECT_TRUE(Is<LookAt>(Judge(Absent(kForeignAbsence, true), suspicious, kNow)));
  EXPECT_TRUE(Is<Finish>(Judge(Absent(kSuspiciousAbsence, true), suspicious, kNow)));
  Target asked = Absent(kForeignAbsence, true);
  asked.asked_at = kNow.mono;
  EXPECT_TRUE(Is<Finish>(Judge(asked, suspicious, kNow)));
}

// S8: absence at another endpoint, or under a key of which nobody knows whose it is, proves
// nothing.
TEST(JudgeTest, WhoNeverSawItCannotSayThatItIsGone) {
  EXPECT_TRUE(Is<LookAt>(Judge(Absent(kAbsenceGap, false), Want(), kNow)));
  ExpectFinish(Judge(Absent(kNeverObservedAfter, false), Want(), kNow), MemberState::kFailed,
               Reason::kNeverObserved);
  Target t = Absent(kForeignAbsence, true);
  t.known = {&kElsewhere};
  ExpectFinish(Judge(t, Want(), kNow), MemberState::kFailed, Reason::kNeverObserved);
}

// Two keys of one account: what one saw counts for the other once both saw one instance.
TEST(IdentityTest, AWitnessMakesTwoKeysOneAccount) {
  Identities ids;
  const Viewpoint* first = ids.At("ap-guangzhou", "key-1", "https://a");
  const Viewpoint* second = ids.At("ap-guangzhou", "key-2", "https://a");
  const Viewpoint* abroad = ids.At("ap-guangzhou", "key-1", "https://b");
  EXPECT_FALSE(Same(*first, *second));
  EXPECT_FALSE(ids.Merge(*first, *abroad)) << "another endpoint is another world";
  EXPECT_TRUE(ids.Merge(*first, *second));
  EXPECT_TRUE(Same(*first, *second));
  EXPECT_FALSE(ids.Merge(*second, *first)) << "no news";
  EXPECT_TRUE(Same(*ids.At("ap-beijing", "key-1", "https://a"),
                   *ids.At("ap-beijing", "key-2", "https://a")));
  EXPECT_FALSE(Same(*first, *ids.At("ap-beijing", "key-1", "https://a")));
  EXPECT_EQ(ids.Named("ap-guangzhou", first->who->ToString(), ""), first);
  EXPECT_EQ(ids.Named("ap-guangzhou", "key-2", "https://a"), second);
}

TEST(JudgeTest, WhatStandsInTheWayIsNamed) {
  Target t = Seen();
  t.sight.protected_from_termination = true;
  ExpectFinish(Judge(t, Want(), kNow), MemberState::kBlocked, Reason::kInstanceProtected);
  ExpectFinish(Judge(Seen("LAUNCH_FAILED"), Want(), kNow), MemberState::kFailed,
               Reason::kNotReturnable);
  ExpectFinish(Judge(Seen("FREEZING"), Want(), kNow), MemberState::kBlocked, Reason::kBanned);
  Wanted refuse = Want(PrepaidPolicy::kRefuse);
  refuse.intent.postpaid = PostpaidPolicy::kRefuse;
  ExpectFinish(Judge(Seen(), refuse, kNow), MemberState::kFailed, Reason::kChargeTypeRefused);
  ExpectFinish(Judge(Seen("RUNNING", kPrepaid), refuse, kNow), MemberState::kFailed,
               Reason::kChargeTypeRefused);
  t = Seen();
  t.retired_before = true;
  ExpectFinish(Judge(t, Want(), kNow), MemberState::kFailed, Reason::kResurrected);
}

TEST(JudgeTest, ExpectationsMustAllHold) {
  const Expectation both{"worker-17", "10.0.3.17"};
  const Expectation other_name{"worker-18", ""};
  const Expectation other_ip{"worker-17", "10.0.3.18"};
  Wanted w = Want();
  w.expect = &both;
  EXPECT_TRUE(Is<Pack>(Judge(Seen(), w, kNow)));
  for (const Expectation* wrong : {&other_name, &other_ip}) {
    w.expect = wrong;
    ExpectFinish(Judge(Seen(), w, kNow), MemberState::kBlocked, Reason::kExpectMismatch);
  }
}

TEST(JudgeTest, BusyInstancesAreWaitedFor) {
  for (const char* state : {"PENDING", "STARTING", "STOPPING", "REBOOTING", "ENTER_RESCUE_MODE"}) {
    const Verdict v = Judge(Seen(state), Want(), kNow);
    ASSERT_TRUE(Is<LookAt>(v)) << state;
    EXPECT_EQ(std::get<LookAt>(v).reason, Reason::kInstanceBusy);
    EXPECT_GT(std::get<LookAt>(v).when, kNow.mono);
  }
  Target t = Seen();
  t.sight.operating = true;
  EXPECT_EQ(std::get<LookAt>(Judge(t, Want(), kNow)).reason, Reason::kOperationInProgress);
}

TEST(JudgeTest, APrepaidInstanceInTheBinIsRecycledOrGetsItsSecondCall) {
  const Target bin = Seen("SHUTDOWN", kPrepaid);
  ExpectFinish(Judge(bin, Want(), kNow), MemberState::kRecycled, Reason::kRetiredByOther);
  const Verdict v = Judge(bin, Want(PrepaidPolicy::kDestroy), kNow);
  ASSERT_TRUE(Is<Pack>(v));
  EXPECT_EQ(std::get<Pack>(v).step, Step::kSecond);
}

// A bin is what is seen, not a charge type: the international site has one for pay-as-you-go, too.
TEST(JudgeTest, APostpaidInstanceInTheBinIsRecycledAndNeverCalled) {
  for (const PrepaidPolicy policy : {PrepaidPolicy::kRecycle, PrepaidPolicy::kDestroy}) {
    Target t = Seen("SHUTDOWN");
    t.accepted = t.by_us = true;
    ExpectFinish(Judge(t, Want(policy), kNow), MemberState::kRecycled, Reason::kRetiredByUs);
  }
}

TEST(JudgeTest, ASightThatDoesNotSayWhatItIsJustifiesNothing) {
  for (const bool charge : {true, false}) {
    const Target t = charge ? Seen("") : Seen("RUNNING", "");
    const Verdict v = Judge(t, Want(), kNow);
    ASSERT_TRUE(Is<LookAt>(v));
    EXPECT_EQ(std::get<LookAt>(v).reason, Reason::kServiceError);
  }
}

TEST(JudgeTest, AChargeTypeOfWhichNothingIsDocumentedIsNotCalled) {
  for (const char* charge : {"UNDERWRITE", "CDCPAID", "SOMETHING_NEW"}) {
    ExpectFinish(Judge(Seen("RUNNING", charge), Want(), kNow), MemberState::kFailed,
                 Reason::kChargeTypeRefused);
  }
  for (const char* charge : {"POSTPAID_BY_HOUR", "SPOTPAID", "CDHPAID"}) {
    EXPECT_TRUE(Is<Pack>(Judge(Seen("RUNNING", charge), Want(), kNow))) << charge;
  }
}

// E0: what it was refused for is remembered with it.
TEST(JudgeTest, ARefusedInstanceWaitsAndSaysWhy) {
  Target t = Seen();
  t.not_before = kNow.mono + hours{2};
  t.wait_reason = Reason::kUnauthorized;
  t.wait_message = std::make_shared<const std::string>("UnauthorizedOperation: no");
  const Verdict v = Judge(t, Want(), kNow);
  ASSERT_TRUE(Is<LookAt>(v));
  EXPECT_EQ(std::get<LookAt>(v).reason, Reason::kUnauthorized);
  EXPECT_EQ(std::get<LookAt>(v).message, "UnauthorizedOperation: no");
  EXPECT_EQ(std::get<LookAt>(v).when, kNow.mono + kBlockedLook) << "its cause may go meanwhile";
}

// S5: whatever is not prepaid gets one accepted call in its life.
TEST(JudgeTest, APostpaidInstanceIsNeverCalledTwice) {
  Target t = Seen();
  t.accepted = true;
  ExpectFinish(Judge(t, Want(), kNow), MemberState::kBlocked, Reason::kVerifyDeadlineExceeded);
}

// S4, S5: over all states, a call follows an earlier one only on a look that was sent late enough.
TEST(JudgeTest, NoPrepaidCallOnALookThatMayPredateTheEffectOfAnEarlierOne) {
  for (const char* state : {"RUNNING", "STOPPED", "SHUTDOWN"}) {
    for (const PrepaidPolicy policy : {PrepaidPolicy::kRecycle, PrepaidPolicy::kDestroy}) {
      for (int64_t ago = 0; ago < 120'000; ago += 1'000) {
        Target t = Seen(state, kPrepaid);
        t.called = true;
        t.last_call_end = kNow.mono - Millis{ago};
        const bool packed = Is<Pack>(Judge(t, Want(policy), kNow));
        EXPECT_TRUE(!packed || Millis{ago} >= kMaxEffectLag) << state << " " << ago;
      }
    }
  }
}

TEST(JudgeTest, AnUnclearCallIsSettledBeforeAnythingElse) {
  for (const bool present : {true, false}) {
    Target t = present ? Seen() : Absent(kNeverObservedAfter, true);
    t.settle_until = kNow.mono + Millis{1};
    const Verdict v = Judge(t, Want(), kNow);
    ASSERT_TRUE(Is<LookAt>(v));
    EXPECT_EQ(std::get<LookAt>(v).reason, Reason::kAmbiguous);
    EXPECT_GE(std::get<LookAt>(v).when, t.settle_until);
  }
}

class JudgeCalledTest : public testing::Test {
 protected:
  /// Packed as it was seen; looked at twice since the call could show.
  Target InBatch(const char* state, std::string_view charge, Millis ago) {
    Target t = Seen(state, charge);
    t.place = Place::kBatch;
    t.called = t.by_us = true;
    t.last_call_end = kNow.mono - ago;
    t.verify_until = t.last_call_end + kVerifyDeadline;
    t.packed = std::make_unique<const Sight>(t.sight);
    t.unchanged_since = kNow.mono - kAbsenceGap;
    return t;
  }
  static Verdict After(BatchPhase phase, const Target& t,
                       retirement::Step step = retirement::Step::kFirst) {
    return JudgeCalled(t, Want(PrepaidPolicy::kDestroy), {step, phase, CloudRequestId("ours")},
                       kNow);
  }
  static bool IsUntouched(const Verdict& v) {
    return Is<Finish>(v) && std::get<Finish>(v).result == BatchResult::kUntouched;
  }
  const Millis kLate = kMaxEffectLag + kAbsenceGap;
};

TEST_F(JudgeCalledTest, VerifiesByLooking) {
  EXPECT_TRUE(
      Is<LookAt>(After(BatchPhase::kAccepted, InBatch("RUNNING", "POSTPAID_BY_HOUR", Millis{1}))));
  for (const std::string_view charge : {kPrepaid, std::string_view("POSTPAID_BY_HOUR")}) {
    ExpectFinish(After(BatchPhase::kAccepted, InBatch("SHUTDOWN", charge, kMaxEffectLag)),
                 MemberState::kRecycled, Reason::kRetiredByUs);
  }
}

// S8a: an answer that lags may show an earlier stay in the bin, from which it was restored.
TEST_F(JudgeCalledTest, ABinSoonAfterTheCallIsItsEffectIfTheServiceNamesIt) {
  Target t = InBatch("SHUTDOWN", kPrepaid, Millis{1});
  t.request_id = CloudRequestId("ours");
  t.sight.operation_request = CloudRequestId("another");
  EXPECT_TRUE(Is<LookAt>(After(BatchPhase::kAccepted, t)));
  t.sight.operation_request = t.request_id;
  ExpectFinish(After(BatchPhase::kAccepted, t), MemberState::kRecycled, Reason::kRetiredByUs);
}

TEST_F(JudgeCalledTest, AnUnclearCallThatLeftNoTraceIsUntouched) {
  EXPECT_TRUE(
      IsUntouched(After(BatchPhase::kAmbiguous, InBatch("RUNNING", "POSTPAID_BY_HOUR", kLate))));
}

// S4, S5: exactly as it was packed, twice, late enough, and no newer termination.
TEST_F(JudgeCalledTest, AnythingThatDiffersFromWhatWasPackedIsATrace) {
  Target once = InBatch("RUNNING", kPrepaid, kLate);
  once.unchanged_since = kNow.mono;
  EXPECT_FALSE(IsUntouched(After(BatchPhase::kAmbiguous, once)));
  Target early = InBatch("RUNNING", kPrepaid, kMaxEffectLag - Millis{1});
  EXPECT_FALSE(IsUntouched(After(BatchPhase::kAmbiguous, early)));
  for (const char* state : {"STOPPING", "STOPPED", "REBOOTING", "TERMINATING", ""}) {
    Target changed = InBatch("RUNNING", kPrepaid, kLate);
    changed.sight.state = state;
    EXPECT_FALSE(IsUntouched(After(BatchPhase::kAmbiguous, changed))) << state;
  }
  Target newer = InBatch("RUNNING", kPrepaid, kLate);
  newer.sight.terminated_last = true;
  newer.sight.operation_request = CloudRequestId("perhaps-ours");
  EXPECT_TRUE(ShowsNewTermination(newer));
  newer.new_termination = true;
  EXPECT_FALSE(IsUntouched(After(BatchPhase::kAmbiguous, newer)));
  Target unknown = InBatch("RUNNING", kPrepaid, kLate);
  unknown.packed.reset();
  EXPECT_TRUE(IsUntouched(After(BatchPhase::kAmbiguous, unknown)));
}

// S8a: an accepted prepaid call is repeated on positive evidence only, or when a person asks.
TEST_F(JudgeCalledTest, AnAcceptedPrepaidCallIsRepeatedOnlyIfTheServiceSaysThatItFailed) {
  Target t = InBatch("RUNNING", kPrepaid, kLate);
  EXPECT_FALSE(IsUntouched(After(BatchPhase::kAccepted, t)));
  t.sight.terminated_last = t.sight.operation_failed = true;
  t.sight.operation_request = CloudRequestId("of-somebody-else");
  EXPECT_FALSE(IsUntouched(After(BatchPhase::kAccepted, t)));
  t.sight.operation_request = CloudRequestId("ours");
  EXPECT_TRUE(IsUntouched(After(BatchPhase::kAccepted, t)));
  Target asked = InBatch("RUNNING", kPrepaid, kLate);
  asked.asked_at = kNow.mono;
  EXPECT_TRUE(IsUntouched(After(BatchPhase::kAccepted, asked)));
  for (const char* state : {"STOPPING", "STOPPED"}) {
    EXPECT_FALSE(IsUntouched(After(BatchPhase::kAccepted, InBatch(state, kPrepaid, kLate))));
  }
}

// S5 again, where the entry is still open.
TEST_F(JudgeCalledTest, AnAcceptedCallIsNeverTakenForUntouchedWhereARepeatWouldDestroy) {
  EXPECT_TRUE(
      Is<LookAt>(After(BatchPhase::kAccepted, InBatch("RUNNING", "POSTPAID_BY_HOUR", kLate * 2))));
  EXPECT_TRUE(Is<LookAt>(After(BatchPhase::kAccepted, InBatch("SHUTDOWN", kPrepaid, kLate * 2),
                               retirement::Step::kSecond)));
}

TEST_F(JudgeCalledTest, NoDeadlineClosesAnEntry) {
  const Verdict v =
      After(BatchPhase::kAccepted, InBatch("RUNNING", "POSTPAID_BY_HOUR", kVerifyDeadline));
  ExpectFinish(v, MemberState::kBlocked, Reason::kVerifyDeadlineExceeded);
  EXPECT_EQ(std::get<Finish>(v).result, BatchResult::kNone);
}

// L1: a person who knows better finds out how to end what nobody can look at any more.
TEST_F(JudgeCalledTest, WhatNobodyCanObserveSaysHowItIsEnded) {
  Target t = InBatch("RUNNING", "POSTPAID_BY_HOUR", kVerifyDeadline);
  t.present = false;
  t.first_absent = kNow.mono - hours{1};
  t.known = {&kElsewhere};
  const Verdict v = After(BatchPhase::kAccepted, t);
  ExpectFinish(v, MemberState::kBlocked, Reason::kVerifyDeadlineExceeded);
  EXPECT_NE(std::get<Finish>(v).message.find("cvm-retirement.dev/close"), std::string::npos);
}

}  // namespace
}  // namespace retirement
