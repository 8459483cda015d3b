#include "retirement/judge.h"

#include <gtest/gtest.h>

#include "retirement/durations.h"

namespace retirement {
namespace {

const Lane kLane{"default", "ap-guangzhou"};
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
  t.seen_lane = kLane;
  t.seen_credential = "key";
  t.known = {{kLane, "key"}};
  return t;
}

Target Absent(Millis since, bool known) {
  Target t = Seen();
  t.present = false;
  if (!known) t.known.clear();
  t.first_absent = kNow.mono - since;
  return t;
}

Wanted Want(PrepaidPolicy prepaid = PrepaidPolicy::kRecycle) {
  Wanted w;
  w.intent.prepaid = prepaid;
  w.lane = kLane;
  w.credential = "key";
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
  t.seen_lane.region = "ap-beijing";
  EXPECT_TRUE(Is<LookAt>(Judge(t, Want(), kNow)));
  t = Seen();
  t.seen_credential = "another";
  EXPECT_TRUE(Is<LookAt>(Judge(t, Want(), kNow)));
}

// S8: gone needs prior sight and two absences.
TEST(JudgeTest, GoneIsAbsentTwiceAndKnownBefore) {
  EXPECT_TRUE(Is<LookAt>(Judge(Absent(Millis{0}, true), Want(), kNow)));
  EXPECT_TRUE(Is<LookAt>(Judge(Absent(kAbsenceGap - Millis{1}, true), Want(), kNow)));
  ExpectFinish(Judge(Absent(kAbsenceGap, true), Want(), kNow), MemberState::kRetired,
               Reason::kAlreadyGone);
  Target t = Absent(kAbsenceGap, true);
  t.seen_alive = true;
  ExpectFinish(Judge(t, Want(), kNow), MemberState::kRetired, Reason::kRetiredByOther);
  t.by_us = true;
  ExpectFinish(Judge(t, Want(), kNow), MemberState::kRetired, Reason::kRetiredByUs);
  EXPECT_TRUE(Is<LookAt>(Judge(Absent(kAbsenceGap, false), Want(), kNow)));
  ExpectFinish(Judge(Absent(kNeverObservedAfter, false), Want(), kNow), MemberState::kFailed,
               Reason::kNeverObserved);
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
  Target Called(const char* state, std::string_view charge, Millis ago) {
    Target t = Seen(state, charge);
    t.place = Place::kBatch;
    t.called = t.by_us = true;
    t.last_call_end = kNow.mono - ago;
    t.verify_until = t.last_call_end + kVerifyDeadline;
    return t;
  }
};

TEST_F(JudgeCalledTest, VerifiesByLooking) {
  EXPECT_TRUE(Is<LookAt>(JudgeCalled(Called("RUNNING", "POSTPAID_BY_HOUR", Millis{1}), Want(),
                                     Step::kFirst, BatchPhase::kAccepted, kNow)));
  ExpectFinish(JudgeCalled(Called("SHUTDOWN", kPrepaid, Millis{1}), Want(), Step::kFirst,
                           BatchPhase::kAccepted, kNow),
               MemberState::kRecycled, Reason::kRetiredByUs);
}

TEST_F(JudgeCalledTest, AnUnclearCallThatLeftNoTraceIsUntouched) {
  const Target t = Called("RUNNING", "POSTPAID_BY_HOUR", kMaxEffectLag);
  const Verdict v = JudgeCalled(t, Want(), Step::kFirst, BatchPhase::kAmbiguous, kNow);
  ASSERT_TRUE(Is<Finish>(v));
  EXPECT_EQ(std::get<Finish>(v).result, BatchResult::kUntouched);
}

// S5 again, where the entry is still open.
TEST_F(JudgeCalledTest, AnAcceptedCallIsNeverTakenForUntouchedWhereARepeatWouldDestroy) {
  const Target postpaid = Called("RUNNING", "POSTPAID_BY_HOUR", kMaxEffectLag * 2);
  EXPECT_TRUE(Is<LookAt>(JudgeCalled(postpaid, Want(), Step::kFirst, BatchPhase::kAccepted, kNow)));
  const Target second = Called("SHUTDOWN", kPrepaid, kMaxEffectLag * 2);
  EXPECT_TRUE(Is<LookAt>(JudgeCalled(second, Want(PrepaidPolicy::kDestroy), Step::kSecond,
                                     BatchPhase::kAccepted, kNow)));
}

TEST_F(JudgeCalledTest, NoDeadlineClosesAnEntry) {
  const Target t = Called("RUNNING", "POSTPAID_BY_HOUR", kVerifyDeadline);
  const Verdict v = JudgeCalled(t, Want(), Step::kFirst, BatchPhase::kAccepted, kNow);
  ExpectFinish(v, MemberState::kBlocked, Reason::kVerifyDeadlineExceeded);
  EXPECT_EQ(std::get<Finish>(v).result, BatchResult::kNone);
}

}  // namespace
}  // namespace retirement
