// Calls whose entry changes hands, is ended by a person, or is lost sight of.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeHandOverTest : public RudeTest {};

// S5, S8a: what was accepted after the account was handed over is recorded nowhere.
TEST_F(RudeHandOverTest, AnAnswerAfterTheHandOverIsRecorded) {
  describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  terminate_ = [this](const Call&, Answered&) {
    if (called_.size() == 1) accounts_.at("default").status.installation = "elsewhere";
  };
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
  AccountObject a = accounts_.at("default");
  a.version = std::to_string(++version_);
  accounts_.at("default") = a;
  Tell(AccountSeen{a});
  Go(minutes{2});
  EXPECT_EQ(log_.begin()->second.phase, BatchPhase::kAccepted)
      << ToString(log_.begin()->second.phase);
  // The other installation takes over.
  engine_ = Engine(Config{{}, hours{720}, "elsewhere", "theirs", {""}});
  Start({});
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
}

// a hand-over and back: what the other installation recorded is overwritten
TEST_F(RudeHandOverTest, TheirEndIsNotOverwritten) {
  terminate_ = [this](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kServer, Reason::kServiceError, "InternalServerError", "no", {}};
    accounts_.at("default").status.installation = "elsewhere";
  };
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
  EditAccount([](AccountObject&) {});
  Go(minutes{1});
  BatchObject b = log_.begin()->second;
  b.phase = BatchPhase::kVerified;
  b.members[0].result = BatchResult::kRetired;
  b.version = std::to_string(++version_);
  log_.begin()->second = b;
  Tell(BatchSeen{b});
  gone_.insert(Parsed(Id(1)));
  Go(minutes{1});
  EditAccount([](AccountObject& a) { a.status.installation = "operator"; });
  Go(minutes{5});
  EXPECT_EQ(log_.begin()->second.members[0].result, BatchResult::kRetired)
      << ToString(log_.begin()->second.phase);
}

// S5: one accepted call in its life, also if a person ended the entry and made a new request.
TEST_F(RudeHandOverTest, ClosedByHandAndAskedByANewRequest) {
  for (const bool restart : {true, false}) {
    Fresh();
    describe_ = [&](const Observe& a) { return All(a, "RUNNING"); };
    terminate_ = [](const Call&, Answered&) {};
    Start({Request("r", {Id(1)})});
    ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
    Go(minutes{1});
    BatchObject b = log_.begin()->second;
    b.close = "alice: never mind";
    b.version = std::to_string(++version_);
    log_.begin()->second = b;
    Tell(BatchSeen{b});
    Go(minutes{1});
    EXPECT_EQ(log_.begin()->second.phase, BatchPhase::kVerified);
    const RequestKey key{"team", "r"};
    requests_.erase(key);
    Tell(RequestGone{key});
    Go(minutes{5});
    if (restart) Restart();
    Put(Request("again", {Id(1)}));
    Go(minutes{5});
    EXPECT_EQ(called_.size(), 1u) << "restart " << restart;
    Fresh();
  }
}

// L1: the second step, refused once (throttled), then a crash before the next second call.
TEST_F(RudeHandOverTest, DestroyGoesOnAfterARefusedSecondCallAndACrash) {
  describe_ = [this](const Observe& a) { return InTheBin(a); };
  BatchObject first = Open(kPrepaid);
  first.phase = BatchPhase::kVerified;
  first.request_id = "first-call";
  first.members[0].result = BatchResult::kRecycled;
  BatchObject refused = Open(kPrepaid);
  refused.sequence = 2;
  refused.step = Step::kSecond;
  refused.phase = BatchPhase::kRejected;
  refused.error_code = "RequestLimitExceeded";
  BatchObject second = Open(kPrepaid);
  second.sequence = 3;
  second.step = Step::kSecond;
  RequestObject r = Request("r", {Id(1)});
  r.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Start({r}, {first, refused, second});
  Go(hours{3});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r");
}

// GiveUp: what the watch showed while its create was unanswered is never looked at again.
TEST_F(RudeHandOverTest, AnEntryThatWasGivenUpIsSeenThrough) {
  lose_commits_ = true;
  RequestObject r = Request("r", {Id(1)});
  Start({r});
  Go(minutes{30});
  const size_t lost = log_.size();
  lose_commits_ = false;
  Go(hours{6});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 1) << WordsOf("r");
  EXPECT_EQ(OpenEntries(), 0u) << "of " << log_.size() << ", lost " << lost
                               << ", known to the engine: open "
                               << engine_.state().lanes.at(kLane).ledger.open.size() << " closed "
                               << engine_.state().lanes.at(kLane).ledger.closed.size();
}

// E0: a deletion that fails is not tried again.
TEST_F(RudeHandOverTest, ADeletionThatFailsIsTriedAgain) {
  BatchObject first = Open();
  first.phase = BatchPhase::kRejected;
  first.verified = now_.wall;
  BatchObject second = first;
  second.sequence = 2;
  lose_deletes_ = true;
  Start({Request("r", {Id(9)})}, {first, second});
  Go(hours{2});
  lose_deletes_ = false;
  Go(hours{10});
  EXPECT_FALSE(log_.contains({kLane, 1}));
}

// memory: what the log of another installation said is never forgotten.
TEST_F(RudeHandOverTest, TheHistoryOfOthersIsForgotten) {
  account_.status.installation = "elsewhere";
  AccountObject ours = account_;
  ours.name = ours.uid = "ours";
  ours.status.installation = "operator";
  accounts_.emplace("ours", ours);
  Start({});
  Go(minutes{1});
  for (int i = 1; i <= 200; ++i) {
    BatchObject b = Open();
    b.sequence = uint64_t(i);
    b.members[0].id = Parsed(Id(i));
    b.version = std::to_string(++version_);
    Tell(BatchSeen{b});
    b.version = std::to_string(++version_);
    b.phase = BatchPhase::kVerified;
    b.members[0].result = BatchResult::kRetired;
    Tell(BatchSeen{b});
    Tell(BatchGone{kLane, b.sequence});
  }
  Go(hours{100});
  EXPECT_LE(engine_.state().history.size(), 10u);
  EXPECT_LE(engine_.state().targets.size(), 10u);
}

// L1: a probe whose entry others have ended, and deleted, has ended all the same.
TEST_F(RudeHandOverTest, AProbeWhoseEntryIsEndedAndDeletedByOthers) {
  bool fail = true;
  terminate_ = [&](const Call& c, Answered& a) {
    if (!fail) return void(gone_.insert(c.ids.begin(), c.ids.end()));
    a.outcome = Answered::Outcome::kRejected;
    a.request_id.clear();
    a.refusal = {Fault::kAccount, Reason::kNone, "AccountUnpaid", "no", {}};
    if (called_.size() == 2) answer_late_ = minutes{2};
  };
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 2; }, minutes{5}));
  EditAccount([](AccountObject& a) { a.status.installation = "elsewhere"; });
  Go(seconds{10});
  BatchObject& b = log_.rbegin()->second;
  b.phase = BatchPhase::kVerified;
  b.members[0].result = BatchResult::kUntouched;
  b.version = std::to_string(++version_);
  const uint64_t seq = b.sequence;
  Tell(BatchSeen{BatchObject(b)});
  log_.erase({kLane, seq});
  Tell(BatchGone{kLane, seq});
  Go(minutes{5});
  fail = false;
  {
    AccountObject& a = accounts_.at("default");
    a.status.installation = "operator";
    a.version = std::to_string(++version_);
    Tell(AccountSeen{AccountObject(a)});
  }
  Go(hours{2});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r") << WordsOfAccount();
}

// L1: who was removed is not said to be in a batch that has ended, though others say so later.
TEST_F(RudeHandOverTest, ARemovedMemberDoesNotOutliveItsBatch) {
  RunsForEver();
  account_.status.installation = "elsewhere";
  BatchObject ended = Open();
  ended.phase = BatchPhase::kVerified;
  ended.members[0].result = BatchResult::kUntouched;
  RequestObject r = Request("r", {Id(2)});
  r.generation = 2;
  Start({r}, {ended});
  Go(minutes{1});
  TellOfACall(r, MemberState::kVerifying, Reason::kNone, 1);
  r.status.members[0].id = Parsed(Id(1));
  Put(r);
  EditAccount([](AccountObject& a) { a.status.installation = "operator"; });
  Go(minutes{5});
  ASSERT_EQ(StatusOf("r").members.size(), 1u);
  EXPECT_EQ(StatusOf("r").members[0].id, Parsed(Id(2)));
}

}  // namespace
}  // namespace retirement
