// Dry runs that ask the service.
#include "retirement/engine_fixture.h"

namespace retirement {
namespace {

/// A dry run in an account whose service honours DryRun=true.
class DryRunTest : public EngineTest {
 protected:
  DryRunTest() { account_.spec.server_side_dry_run = true; }
  RequestObject Plan(const std::vector<std::string>& ids) {
    RequestObject r = Request("plan", ids);
    r.spec.mode = Mode::kDryRun;
    return r;
  }
};

TEST_F(DryRunTest, AsksTheServiceThroughTheLog) {
  Begin({Plan({"ins-00000001", "ins-00000002"})});
  AnswerLook("RUNNING");
  // The service may not know the parameter: the first to ask is one instance, alone.
  for (int asked = 0; asked < 2; ++asked) {
    const auto call = GoToCall();
    ASSERT_TRUE(call);
    EXPECT_TRUE(call->dry_run);
    EXPECT_TRUE(committed_.dry_run);
    EXPECT_EQ(call->ids.size(), 1u);
    Wait(seconds{1});
    EXPECT_FALSE(Take<Commit>());
    AnswerCall(*call, Answered::Outcome::kRejected,
               {Fault::kDryRunOk, Reason::kNone, "DryRunOperation", "", {}});
  }
  EXPECT_EQ(Member("plan").state, MemberState::kPlanned);
  EXPECT_EQ(Member("plan", 1).message_view(),
            "would be terminated; the service agrees (DryRunOperation)");
  Wait(minutes{10});
  EXPECT_FALSE(Take<Call>());
  EXPECT_EQ(CountOf<Commit>(), 0u);
}

TEST_F(DryRunTest, OffendersAreFoundAndSaidInThePlan) {
  Begin({Plan({"ins-00000001", "ins-00000002"})});
  AnswerLook("RUNNING");
  std::optional<Call> call;
  const auto second = *InstanceId::Parse("ins-00000002");
  for (int calls = 0, rounds = 0; calls < 2; ++calls) {
    for (call = std::nullopt; !call && rounds < 20; ++rounds) {
      while (const auto look = Take<Observe>()) Answer(*look, "RUNNING");
      call = GoToCall();
    }
    ASSERT_TRUE(call);
    ASSERT_EQ(call->ids.size(), 1u);
    const Fault fault = call->ids.front() == second ? Fault::kFinal : Fault::kDryRunOk;
    AnswerCall(*call, Answered::Outcome::kRejected,
               {fault, Reason::kNotReturnable, "FailedOperation.Unreturnable", "", {}});
  }
  EXPECT_EQ(Member("plan", 1).message_view(),
            "would not be retired: NotReturnable: FailedOperation.Unreturnable");
  EXPECT_EQ(Member("plan", 0).message_view(),
            "would be terminated; the service agrees (DryRunOperation)");
}

TEST_F(DryRunTest, AServiceThatDoesNotKnowItIsNotAskedAgain) {
  Begin({Plan({"ins-00000001"})});
  AnswerLook("RUNNING");
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  AnswerCall(*call, Answered::Outcome::kRejected,
             {Fault::kSplit, Reason::kRejectedByApi, "UnknownParameter", "", {}});
  EXPECT_EQ(Member("plan").state, MemberState::kPlanned);
  EXPECT_EQ(Member("plan").message_view(), "would be terminated");
  Wait(minutes{1});
  EXPECT_FALSE(Take<Call>());
}

// A plain success: it was really executed. The batch is a real one, and the account stands still.
TEST_F(DryRunTest, APlainSuccessRaisesTheAlarm) {
  Begin({Plan({"ins-00000001"})});
  AnswerLook("RUNNING");
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  actions_.clear();
  AnswerCall(*call, Answered::Outcome::kAccepted);
  const auto alarm = Take<Announce>();
  ASSERT_TRUE(alarm);
  EXPECT_EQ(alarm->reason, "DryRunExecuted");
  EXPECT_TRUE(alarm->warning);
  Step(RequestSeen{Request("real", {"ins-00000009"})});
  for (int i = 0; i < 4; ++i) {
    Wait(seconds{12});
    while (const auto look = Take<Observe>()) Answer(*look, "");
  }
  EXPECT_EQ(Member("plan").state, MemberState::kRetired);
  EXPECT_EQ(Member("plan").reason, Reason::kRetiredByUs);
  EXPECT_EQ(engine_.state().requests.at({"team", "real"})->not_permitted.reason, "AccountNotReady");
  EXPECT_FALSE(Take<Call>());
}

TEST_F(DryRunTest, AskingStopsWhenTheAccountIsPaused) {
  account_.spec.paused = true;
  Begin({Plan({"ins-00000001"})});
  AnswerLook("RUNNING");
  EXPECT_FALSE(GoToCall());
  EXPECT_EQ(Member("plan").message_view(), "would be terminated");
}

}  // namespace
}  // namespace retirement
