// An entry whose end somebody else writes while its writer is busy, late, or about to write
// himself.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeEndTest : public RudeTest {};

// S3: an answer that comes after somebody else has seen the call through takes back no end.
TEST_F(RudeEndTest, ALateAnswerTakesNoEndBack) {
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
    lose_records_ = outcome == Outcome::kAccepted;
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
TEST_F(RudeEndTest, TheFirstEndInTheLogCounts) {
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
TEST_F(RudeEndTest, AnEntryThatEndsBeforeItsWriterLearnsOfIt) {
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

// S5: an acceptance that is known and not yet recorded is added to an end that does not tell it;
// who asks for the instance afterwards is not served by a second call.
TEST_F(RudeEndTest, AnAcceptanceIsAddedToTheEnd) {
  for (const bool restart : {true, false}) {
    Fresh();
    RunsForEver();
    Start({Request("r", {Id(1)})});
    lose_records_ = true;
    ASSERT_TRUE(GoUntilCalled());
    Go(minutes{1});
    ASSERT_TRUE(First().request_id.empty());
    Drop("r");
    EndElsewhere(BatchResult::kUnknown);
    List(Kind::kBatch);
    Go(minutes{1});
    lose_records_ = false;
    Go(minutes{10});
    EXPECT_FALSE(First().request_id.empty());
    EXPECT_EQ(First().members[0].result, BatchResult::kUnknown);
    if (restart) Restart();
    Put(Request("again", {Id(1)}));
    Go(minutes{10});
    EXPECT_EQ(called_.size(), 1u) << "restart " << restart;
  }
}

// S5: the end is shown again while the acceptance that came late cannot be recorded.
TEST_F(RudeEndTest, ALateAcceptanceSurvivesARelist) {
  for (const bool restart : {true, false}) {
    Fresh();
    RunsForEver();
    terminate_ = [&](const Call&, Answered&) { answer_late_ = minutes{4}; };
    Start({Request("r", {Id(1)})});
    ASSERT_TRUE(GoUntilCalled());
    Go(minutes{1});
    Drop("r");
    Go(minutes{2});
    EndElsewhere(BatchResult::kUnknown);
    lose_records_ = true;
    Go(minutes{2});
    List(Kind::kBatch);
    lose_records_ = false;
    Go(minutes{30});
    EXPECT_FALSE(First().request_id.empty());
    if (restart) Restart();
    terminate_ = [](const Call&, Answered&) {};
    Put(Request("again", {Id(1)}));
    Go(minutes{10});
    EXPECT_EQ(called_.size(), 1u) << "restart " << restart;
  }
}

// S5: who has ended an entry learns what its writer adds to it, before and after his own record.
TEST_F(RudeEndTest, AnAddedAcceptanceIsLearnt) {
  for (const bool recorded : {true, false}) {
    for (const bool restart : {true, false}) {
      Fresh();
      RunsForEver();
      RequestObject r = Request("r", {Id(1)});
      r.spec.suspend = true;
      BatchObject open = Open();
      open.version = std::to_string(++version_);
      Start({r}, {open});
      lose_records_ = !recorded;
      Go(minutes{1});
      Write([](BatchObject& b) { b.close = "alice: never mind"; });
      if (recorded) Go(minutes{1});
      First().request_id = "late";
      EndElsewhere(BatchResult::kUnknown);
      lose_records_ = false;
      Go(minutes{1});
      if (restart) Restart();
      Edit("r", [](RequestObject& o) { o.spec.suspend = false, ++o.generation; });
      Go(minutes{10});
      EXPECT_TRUE(called_.empty()) << "restart " << restart << ", recorded " << recorded;
      EXPECT_EQ(First().request_id, "late");
    }
  }
}

// S3: the watch shows what somebody else writes before our own write is answered.
TEST_F(RudeEndTest, ALaterWriteIsSeenBeforeOurAnswer) {
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntilCalled());
  for (int i = 0; i < 1000 && First().phase != BatchPhase::kAccepted; ++i) Go(Millis{1});
  Write([](BatchObject&) {});
  Go(hours{3});
  EXPECT_EQ(OpenEntries(), 0u);
  EXPECT_EQ(conflicts_, 0);
}

TEST_F(RudeEndTest, ALaterWriteIsSeenBeforeTheCommitIsAnswered) {
  commit_time_ = seconds{2};
  terminate_ = [](const Call&, Answered& a) { a.outcome = Answered::Outcome::kUnclear; };
  describe_ = [this](const Observe& a) { return All(a, called_.empty() ? "RUNNING" : "UNHEARD"); };
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return log_.size() == 1; }, minutes{1}));
  Write([](BatchObject& b) { b.close = "alice: never mind"; });
  Go(hours{3});
  ASSERT_FALSE(called_.empty());
  EXPECT_NE(First().phase, BatchPhase::kIntent);
  EXPECT_EQ(First().error_code, "ClosedByHand");
  EXPECT_EQ(conflicts_, 0);
}

// S3: a version that is not the object's, for whatever reason, is not written with for ever.
TEST_F(RudeEndTest, AVersionThatIsWrongIsReadAnew) {
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntilCalled());
  First().version = "1";  // a backup was restored, and the watch tells of nothing
  Go(minutes{10});
  EXPECT_EQ(OpenEntries(), 0u);
  EXPECT_LE(conflicts_, 3);
}

// T1: records fail no more when none is needed.
TEST_F(RudeEndTest, AnEntryThatNeedsNoRecordTakesItsTroubleAlong) {
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return log_.size() == 1 && !First().request_id.empty(); }, minutes{1}));
  lose_records_ = true;
  ASSERT_TRUE(
      GoUntil([&] { return AccountReady().status == ConditionStatus::kFalse; }, minutes{5}));
  EndElsewhere(BatchResult::kRetired);
  Go(minutes{1});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

// S3: what is deleted before its creation is answered is not in the log, and is not called.
TEST_F(RudeEndTest, DeletedBeforeItsCreationIsAnswered) {
  for (const bool relist : {true, false}) {
    Fresh();
    bool logged = true;
    ASSERT_TRUE(GoUntilMadeUnseen(logged));
    Tell(BatchSeen{BatchObject(First())});
    log_.clear();
    ++version_;
    relist ? List(Kind::kBatch) : Tell(BatchGone{kLane, 1});
    Go(minutes{10});
    EXPECT_TRUE(logged) << "relist " << relist;
    EXPECT_EQ(Told("r").state, MemberState::kRetired);
  }
}

// T1: three entries of a region that are recorded at the second try are no trouble.
TEST_F(RudeEndTest, EntriesThatAreRecordedAtTheSecondTry) {
  Start({Request("r", Ids(1, 300))});
  lose_records_ = true;
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 3; }, minutes{1}));
  Go(milliseconds{200});
  lose_records_ = false;
  Go(seconds{5});
  for (const auto& [seq, e] : engine_.state().lanes.at(kLane).ledger.open) EXPECT_FALSE(e.dirty);
  bool untrue = false;
  for (int i = 0; i < 300; ++i) {
    Go(seconds{1});
    untrue = untrue || AccountReady().status != ConditionStatus::kTrue;
  }
  EXPECT_FALSE(untrue) << WordsOfAccount();
}

// T1: one entry that needs no record ends no trouble of another.
TEST_F(RudeEndTest, OneEntryThatLeavesEndsNoTroubleOfAnother) {
  terminate_ = [&](const Call&, Answered&) {};
  bool run = true;
  describe_ = [&](const Observe& a) { return All(a, run ? "RUNNING" : "STOPPING"); };
  Start({Request("r", Ids(1, 200))});
  lose_records_ = true;
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 2; }, minutes{1}));
  run = false;
  Go(minutes{3});
  ASSERT_EQ(AccountReady().status, ConditionStatus::kFalse) << WordsOfAccount();
  Write([&](BatchObject& b) {
    b.phase = BatchPhase::kVerified;
    b.verified = now_.wall;
    b.request_id = "request-id";
    for (BatchMember& m : b.members) m.result = BatchResult::kUnknown;
  });
  bool untrue = false;
  for (int i = 0; i < 300; ++i) {
    Go(seconds{1});
    untrue = untrue || AccountReady().status == ConditionStatus::kTrue;
  }
  EXPECT_FALSE(untrue) << "Ready although records still fail";
  EXPECT_TRUE(log_.rbegin()->second.request_id.empty());
}

// T1: who awaited the end of a batch once, and was taken away from his request, is not in it.
TEST_F(RudeEndTest, WhoAwaitedABatchOnceIsNotInIt) {
  RunsForEver();
  RequestObject r = Request("r", {Id(1)});
  TellOfACall(r, MemberState::kSubmitted, Reason::kNone, 1);
  RequestObject q = Request("q", {Id(1)});
  TellOfACall(q, MemberState::kWaiting, Reason::kNone, 1);
  q.spec.members[0] = MemberSpec(Parsed(Id(2)));
  ++q.generation;
  Start({q, r}, {Open()});
  Go(minutes{1});
  EXPECT_EQ(StatusOf("q").members.size(), 1u);
}

}  // namespace
}  // namespace retirement
