// Calls whose entry changes hands, is ended by a person, or is lost sight of.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeHandOverTest : public RudeTest {
 protected:
  /// Somebody else writes the end of the first entry; its version.
  std::string EndElsewhere(BatchResult result) {
    BatchObject& b = log_.begin()->second;
    b.phase = BatchPhase::kVerified;
    b.verified = now_.wall;
    b.members[0].result = result;
    b.version = std::to_string(++version_);
    Tell(BatchSeen{BatchObject(b)});
    return b.version;
  }
};

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

// S3: an answer that comes after somebody else has seen the call through takes back no end.
TEST_F(RudeHandOverTest, ALateAnswerTakesNoEndBack) {
  using Outcome = Answered::Outcome;
  for (const Outcome outcome : {Outcome::kNotSent, Outcome::kRefusedUnseen, Outcome::kRejected,
                                Outcome::kUnclear, Outcome::kAccepted}) {
    Fresh();
    terminate_ = [&](const Call&, Answered& a) {
      a.outcome = outcome;
      if (outcome != Outcome::kAccepted) a.request_id.clear();
      a.refusal = {Fault::kThrottled, Reason::kNone, "RequestLimitExceeded", "no", {}};
      answer_late_ = minutes{4};
    };
    Start({Request("r", {Id(1)})});
    ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
    Go(minutes{3});
    gone_.insert(Parsed(Id(1)));
    EndElsewhere(BatchResult::kRetired);
    lose_records_ = true;
    Go(minutes{3});
    lose_records_ = false;
    Go(minutes{30});
    const BatchObject& entry = log_.begin()->second;
    EXPECT_EQ(entry.phase, BatchPhase::kVerified) << int(outcome);
    EXPECT_EQ(entry.members[0].result, BatchResult::kRetired) << int(outcome);
    EXPECT_EQ(entry.request_id.empty(), outcome != Outcome::kAccepted);
    EXPECT_EQ(Told("r").state, MemberState::kRetired) << int(outcome);
    EXPECT_EQ(called_.size(), 1u);
  }
}

// S3: of two who have seen a call through the first one's end counts.
TEST_F(RudeHandOverTest, TheFirstEndInTheLogCounts) {
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return log_.size() == 1 && !log_.begin()->second.request_id.empty(); },
                      minutes{1}));
  lose_records_ = true;
  ASSERT_TRUE(GoUntil([&] { return Retired("r") == 1; }, minutes{5}));
  const std::string version = EndElsewhere(BatchResult::kUntouched);
  lose_records_ = false;
  Go(minutes{30});
  EXPECT_EQ(log_.begin()->second.version, version) << "it is written over";
  EXPECT_EQ(conflicts_, 0) << "it is tried";
  EXPECT_EQ(called_.size(), 1u);
}

// S3: what has ended before its writer learns that he has made it is not called, nor written again.
TEST_F(RudeHandOverTest, AnEntryThatEndsBeforeItsWriterLearnsOfIt) {
  shows_entries_ = false;
  commit_time_ = minutes{4};
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return log_.size() == 1; }, minutes{1}));
  Go(minutes{3});
  commit_time_ = Millis{20};
  const std::string version = EndElsewhere(BatchResult::kUntouched);
  shows_entries_ = true;
  Go(minutes{10});
  EXPECT_EQ(log_.begin()->second.version, version) << "it is written over";
  EXPECT_EQ(conflicts_, 0) << "it is tried";
  EXPECT_EQ(called_.size(), 1u) << "a second entry calls it";
  EXPECT_EQ(log_.size(), 2u);
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

}  // namespace
}  // namespace retirement
