// What is told is true, also of what seldom happens (T1).
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeToldTest : public RudeTest {};

// T1: a single request of an instance whose charge type is not documented.
TEST_F(RudeToldTest, AnUnknownChargeTypeIsToldAsSuch) {
  describe_ = [](const Observe& a) { return All(a, "RUNNING", "UNDERWRITE"); };
  Start({Request("r", {Id(1)})});
  Go(minutes{2});
  EXPECT_EQ(Told("r").state, MemberState::kFailed) << WordsOf("r");
  EXPECT_EQ(Told("r").reason, Reason::kChargeTypeRefused) << WordsOf("r");
}

// T1: an answer that leaves out the charge type once makes no plan.
TEST_F(RudeToldTest, APlanIsNotMadeOfAnAnswerThatLeavesOutTheChargeType) {
  int looks = 0;
  describe_ = [&](const Observe& a) {
    return All(a, "RUNNING", ++looks == 1 ? "" : "POSTPAID_BY_HOUR");
  };
  RequestObject r = Request("r", {Id(1)});
  r.spec.mode = Mode::kDryRun;
  Start({r});
  Go(minutes{30});
  EXPECT_EQ(WordsOf("r").find("would not be retired"), std::string::npos) << WordsOf("r");
}

// T1: an account that was spoilt while nobody led says so.
TEST_F(RudeToldTest, AnAccountThatWasSpoiltMeanwhileSaysSo) {
  Start({Request("r", {Id(1)})});
  Go(minutes{1});
  ASSERT_EQ(AccountReady().status, ConditionStatus::kTrue);
  AccountObject& a = accounts_.at("default");
  a.errors = {"spec.api.endpoint: plain http is for this machine only"};
  ++a.generation;
  a.version = std::to_string(++version_);
  Restart();
  Go(minutes{5});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kFalse) << WordsOfAccount();
}

// T1: what our call has put into the bin was started.
TEST_F(RudeToldTest, WhatWasRecycledBeforeItsExpiryWasStarted) {
  const char* state = "RUNNING";
  describe_ = [&](const Observe& a) { return All(a, state, kPrepaid); };
  terminate_ = [&](const Call&, Answered&) { state = "SHUTDOWN"; };
  RequestObject r = Request("r", {Id(1)});
  r.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  r.spec.expires_at = now_.wall + minutes{10};
  Start({r});
  ASSERT_TRUE(GoUntilCalled());
  EditAccount([](AccountObject& a) { a.spec.paused = true; });
  Go(minutes{30});
  ASSERT_EQ(called_.size(), 1u);
  EXPECT_EQ(WordsOf("r").find("not started"), std::string::npos) << WordsOf("r");
}

// T1: what may have been called is not told as not started.
TEST_F(RudeToldTest, WhatMayHaveBeenCalledBeforeItsExpiryMayHaveStarted) {
  RequestObject r = Request("r", {Id(1)});
  TellOfACall(r, MemberState::kSubmitted, Reason::kNone, 1);
  r.spec.expires_at = now_.wall - minutes{1};
  gone_.insert(Parsed(Id(1)));  // by that very call
  Start({r});
  Go(hours{1});
  EXPECT_EQ(WordsOf("r").find("not started"), std::string::npos) << WordsOf("r");
}

// L1: nor is what became of it left open.
TEST_F(RudeToldTest, WhatACallOfAnExpiredRequestDidIsSeen) {
  RequestObject r = Request("r", {Id(1)});
  TellOfACall(r, MemberState::kSubmitted, Reason::kNone, 1);
  r.spec.expires_at = now_.wall - minutes{1};
  Start({r});
  Go(hours{1});
  ASSERT_EQ(Told("r").state, MemberState::kBlocked) << WordsOf("r");
  EXPECT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded);
  gone_.insert(Parsed(Id(1)));
  Go(hours{1});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r");
  EXPECT_TRUE(called_.empty());
}

// E1: what was refused for good once may be gone: it is looked at before that is said again.
TEST_F(RudeToldTest, WhatWasRefusedForGoodMayBeGone) {
  terminate_ = [](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kFinal, Reason::kNotReturnable, "FailedOperation.Unreturnable", "no", {}};
  };
  Start({Request("r", {Id(1)})});
  Go(minutes{1});
  ASSERT_EQ(Told("r").state, MemberState::kFailed);
  gone_.insert(Parsed(Id(1)));
  Go(minutes{1});
  const size_t looks = looked_.size();
  Put(Request("later", {Id(1)}));
  Go(minutes{30});
  EXPECT_GT(looked_.size(), looks) << "nobody has looked";
  EXPECT_EQ(Told("later").state, MemberState::kRetired) << WordsOf("later");
}

// T1: looks that take so long that what they show is too old to be acted on are told.
TEST_F(EngineTest, LooksThatTakeLongAreTold) {
  Begin({Request("r", {"ins-00000001"})});
  size_t looks = 0;
  for (const Mono end = now_.mono + minutes{30}; now_.mono < end;) {
    const auto look = Take<Observe>();
    const Mono sent = now_.mono;
    Wait(seconds{8});
    while (const auto w = Take<WriteAccountStatus>()) {
      account_.status = w->status;
      Step(StatusWritten{Kind::kAccount, {"", "default"}, true, false, "", now_.mono, false});
    }
    while (const auto c = Take<Confirm>()) Confirmed_(*c);
    if (!look) continue;
    ++looks;
    Sight s;
    s.id = look->ids[0];
    s.state = "RUNNING";
    s.charge = ChargeType(kPrepaid);
    Observed o{look->lane, look->ids, sent, "key", std::vector<Sight>{s}, {}};
    o.service_time = ServiceTime{std::chrono::floor<seconds>(now_.wall), now_.mono};
    Step(o);
  }
  std::string words;
  for (const Condition& c : account_.status.conditions) words += c.reason + " " + c.message + "; ";
  EXPECT_TRUE(CountOf<Commit>() > 0 || Member("r").reason != Reason::kNone ||
              words.find("Ready the account is served;") == std::string::npos)
      << looks << " looks; " << words << ToString(Member("r").state) << " "
      << ToString(Member("r").reason);
}

}  // namespace
}  // namespace retirement
