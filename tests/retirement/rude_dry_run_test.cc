// A service that executes what says DryRun=true.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeDryRunTest : public RudeTest {};

// S10: the regions of an account have one service, and one first dry run.
TEST_F(RudeDryRunTest, AFirstDryRunRisksOneInstanceInAllRegions) {
  account_.spec.server_side_dry_run = true;
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  RequestObject here = Request("here", Ids(1, 5));
  RequestObject there = Request("there", Ids(11, 5));
  here.spec.mode = there.spec.mode = Mode::kDryRun;
  there.spec.region = "ap-shanghai";
  terminate_ = [this](const Call& c, Answered& a) {
    gone_.insert(c.ids.begin(), c.ids.end());
    a.outcome = Answered::Outcome::kUnclear;
  };
  Start({here, there});
  Go(minutes{10});
  EXPECT_EQ(gone_.size(), 1u);
}

// E1: what is not a dry run is not made small by the first one.
TEST_F(RudeDryRunTest, ServerSideDryRunLeavesOtherCallsWhole) {
  account_.spec.server_side_dry_run = true;
  Start({Request("r", Ids(1, 100))});
  Go(minutes{2});
  EXPECT_EQ(called_.size(), 1u);
  EXPECT_EQ(Retired("r"), 100);
}

// An alarm that nothing could end any more.
TEST_F(RudeDryRunTest, ADryRunThatWasSwitchedOffLeavesNoAlarm) {
  account_.spec.server_side_dry_run = true;
  RequestObject r = Request("r", {Id(1)});
  r.spec.mode = Mode::kDryRun;
  terminate_ = [this](const Call& c, Answered& a) {
    gone_.insert(c.ids.begin(), c.ids.end());
    a.outcome = Answered::Outcome::kUnclear;
  };
  Start({r});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  EditAccount([](AccountObject& a) { a.spec.server_side_dry_run = false; });
  Go(minutes{30});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

// S10: whoever saw that a dry run was executed may not have lived to tell it on the account.
TEST_F(RudeDryRunTest, TheLogTellsThatADryRunWasExecuted) {
  account_.spec.server_side_dry_run = true;
  BatchObject executed = Open();
  executed.dry_run = true;
  executed.phase = BatchPhase::kVerified;
  executed.members[0].result = BatchResult::kRecycled;
  RequestObject asks = Request("asks", {Id(2)});
  asks.spec.mode = Mode::kDryRun;
  Start({asks}, {executed});
  Go(minutes{5});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(AccountReady().reason, "DryRunExecuted") << WordsOfAccount();
  EditAccount([](AccountObject& a) { a.spec.server_side_dry_run = false; });
  Go(minutes{5});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
  EXPECT_EQ(Told("asks").state, MemberState::kPlanned);
}

// S10: what became of a dry run that was taken over by somebody else's entry nobody saw; another
// instance is not risked to find out.
TEST_F(RudeDryRunTest, ADryRunOfWhichNobodySawTheEndIsNotRepeated) {
  account_.spec.server_side_dry_run = true;
  BatchObject lost = Open();
  lost.dry_run = true;
  lost.phase = BatchPhase::kVerified;
  lost.members[0].result = BatchResult::kUnknown;
  RequestObject asks = Request("asks", {Id(2)});
  asks.spec.mode = Mode::kDryRun;
  Start({asks}, {lost});
  Go(minutes{5});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(Told("asks").state, MemberState::kPlanned);
  EXPECT_NE(WordsOfAccount().find("serverSideDryRun"), std::string::npos) << WordsOfAccount();
}

// T1: a dry run of which nobody saw the end is told on the account.
TEST_F(RudeDryRunTest, ADoubtedDryRunIsTold) {
  account_.spec.server_side_dry_run = true;
  RequestObject r = Request("r", {Id(1)});
  r.spec.mode = Mode::kDryRun;
  describe_ = [](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  terminate_ = [](const Call&, Answered& a) { a.outcome = Answered::Outcome::kUnclear; };
  Start({r});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  Go(seconds{5});
  BatchObject b = log_.begin()->second;
  b.close = "alice: never mind";
  b.version = std::to_string(++version_);
  log_.begin()->second = b;
  Tell(BatchSeen{b});
  Go(minutes{15});
  EXPECT_TRUE(engine_.state().accounts.at("default").dry_run_doubted);
  EXPECT_NE(WordsOfAccount().find("serverSideDryRun"), std::string::npos) << WordsOfAccount();
}

// An alarm that a person has ended comes back with the next leader.
TEST_F(RudeDryRunTest, AMendedAlarmStaysMended) {
  account_.spec.server_side_dry_run = true;
  RequestObject r = Request("r", {Id(1)});
  r.spec.mode = Mode::kDryRun;
  bool mended = false;
  terminate_ = [&](const Call& c, Answered& a) {
    if (mended && c.dry_run) {
      a.outcome = Answered::Outcome::kRejected;
      a.refusal = {Fault::kDryRunOk, Reason::kNone, "DryRunOperation", "", {}};
      return;
    }
    gone_.insert(c.ids.begin(), c.ids.end());
    if (!mended) a.outcome = Answered::Outcome::kUnclear;
  };
  Start({r});
  Go(minutes{15});
  EXPECT_EQ(AccountReady().reason, "DryRunExecuted") << WordsOfAccount();
  mended = true;
  EditAccount([](AccountObject& a) { a.spec.server_side_dry_run = false; });
  Go(minutes{1});
  EditAccount([](AccountObject& a) { a.spec.server_side_dry_run = true; });
  Go(minutes{1});
  Put(Request("works", {Id(5)}));
  Go(minutes{1});
  EXPECT_EQ(CountOfState("works", MemberState::kRetired), 1) << WordsOfAccount();
  Restart();
  Put(Request("works2", {Id(6)}));
  Go(minutes{5});
  EXPECT_EQ(CountOfState("works2", MemberState::kRetired), 1) << WordsOfAccount();
}

}  // namespace
}  // namespace retirement
