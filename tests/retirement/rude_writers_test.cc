// Two that write to one entry: what one of them knows is not erased by the other.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeWritersTest : public RudeTest {};

// S5: the acceptance is recorded while our own end of the entry is not yet.
TEST_F(RudeWritersTest, OurEndErasesNoAcceptance) {
  for (const bool restart : {true, false}) {
    Fresh();
    RunsForEver();
    RequestObject r = Request("r", {Id(1)});
    r.spec.suspend = true;
    BatchObject open = Open();
    open.version = std::to_string(++version_);
    Start({r}, {open});
    lose_records_ = true;
    Go(minutes{1});
    Write([](BatchObject& b) { b.close = "alice: never mind"; });
    Go(seconds{10});
    Write([&](BatchObject& b) {
      b.phase = BatchPhase::kAccepted;
      b.request_id = "late";
      b.answered = now_.wall;
    });
    lose_records_ = false;
    Go(minutes{3});
    EXPECT_EQ(First().request_id, "late") << "erased";
    EXPECT_TRUE(IsClosed(First().phase));
    if (restart) Restart();
    Edit("r", [](RequestObject& o) { o.spec.suspend = false, ++o.generation; });
    Go(minutes{10});
    EXPECT_TRUE(called_.empty()) << "restart " << restart;
  }
}

// S5: nor is it only for those whose end is still open.
TEST_F(RudeWritersTest, AnAcceptanceReachesMembersThatHaveEnded) {
  describe_ = [](const Observe& a) {
    std::vector<Sight> s;
    for (const InstanceId id : a.ids) {
      s.push_back(Is(id, id == Parsed(Id(1)) ? "RUNNING" : "STOPPING"));
    }
    return s;
  };
  terminate_ = [](const Call&, Answered&) {};
  RequestObject r = Request("r", {Id(1), Id(2)});
  r.spec.suspend = true;
  BatchObject open = Open();
  BatchMember second = open.members[0];
  second.id = Parsed(Id(2));
  open.members.push_back(second);
  open.version = std::to_string(++version_);
  Start({r}, {open});
  lose_records_ = true;
  Go(minutes{30});
  const auto& e = engine_.state().lanes.at(kLane).ledger.open;
  ASSERT_EQ(e.size(), 1u);
  ASSERT_EQ(e.begin()->second.object.members[0].result, BatchResult::kUntouched);
  Write([&](BatchObject& b) {
    b.phase = BatchPhase::kAccepted;
    b.request_id = "late";
    b.answered = now_.wall;
  });
  lose_records_ = false;
  Go(minutes{1});
  Edit("r", [](RequestObject& o) { o.spec.suspend = false, ++o.generation; });
  Go(minutes{10});
  EXPECT_EQ(CallsOf(1), 0);
}

// S5: an acceptance, an end of somebody else, and a record of ours that tells of neither.
TEST_F(RudeWritersTest, AnAcceptanceIsAddedThoughARecordIsUnderWay) {
  RunsForEver();
  terminate_ = [&](const Call&, Answered&) { answer_late_ = seconds{10}; };
  record_time_ = seconds{40};
  Start({Request("r", {Id(1), Id(2)})});
  ASSERT_TRUE(GoUntilCalled());
  BatchObject other = Open();
  other.sequence = 5;
  other.holder = "theirs";
  other.version = std::to_string(++version_);
  log_[{other.lane, 5}] = other;
  Tell(BatchSeen{other});
  Go(seconds{15});  // the member is taken out, that is being recorded; the answer comes
  ASSERT_TRUE(First().request_id.empty());
  Write([&](BatchObject& b) {
    b.phase = BatchPhase::kVerified;
    b.verified = now_.wall;
    for (BatchMember& m : b.members) m.result = BatchResult::kUnknown;
  });
  record_time_ = Millis{20};
  Go(minutes{10});
  EXPECT_FALSE(First().request_id.empty()) << "the acceptance is lost";
}

// E1: what a call of two was refused for is not the fault of the one that is left in its entry.
TEST_F(RudeWritersTest, ARefusalIsAboutAllThatWereCalled) {
  RunsForEver();
  terminate_ = [&](const Call& c, Answered& a) {
    if (called_.size() == 1) answer_late_ = seconds{10};
    if (std::count(c.ids.begin(), c.ids.end(), Parsed(Id(1))) == 0) {
      gone_.insert(c.ids.begin(), c.ids.end());
      return;
    }
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kFinal, Reason::kNotReturnable, "FailedOperation.Unreturnable", "m", {}};
  };
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      if (!gone_.contains(id)) sights.push_back(Is(id, "RUNNING"));
    }
    return sights;
  };
  Start({Request("r", {Id(1), Id(2)})});
  ASSERT_TRUE(GoUntilCalled());
  ASSERT_EQ(called_[0].ids.size(), 2u);
  BatchObject other = Open();
  other.sequence = 5;
  other.holder = "theirs";
  other.version = std::to_string(++version_);
  log_[{other.lane, 5}] = other;
  Tell(BatchSeen{other});
  Go(minutes{10});
  EXPECT_EQ(CallsOf(2), 2);
  EXPECT_EQ(Retired("r"), 1);
}

// S8a: of a prepaid instance, too; who saw it untouched did not know.
TEST_F(RudeWritersTest, ALateAcceptanceOfAPrepaidCallCounts) {
  for (const bool ended : {false, true}) {
    Fresh();
    describe_ = [](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
    terminate_ = [&](const Call&, Answered&) {
      if (called_.size() == 1) answer_late_ = minutes{4};
    };
    Start({Request("r", {Id(1)})});
    ASSERT_TRUE(GoUntilCalled());
    Go(minutes{3} + seconds{30});
    if (ended) {
      Write([&](BatchObject& b) {
        b.phase = BatchPhase::kVerified;
        b.verified = now_.wall;
        b.members[0].result = BatchResult::kUntouched;
      });
      // nobody packs it before the answer comes
      Edit("r", [](RequestObject& o) { o.spec.suspend = true, ++o.generation; });
      Go(minutes{2});
      Edit("r", [](RequestObject& o) { o.spec.suspend = false, ++o.generation; });
    }
    Go(hours{1});
    EXPECT_EQ(called_.size(), 1u) << "ended " << ended << WordsOf("r");
  }
}

// S3: made and deleted while the watch was away.
TEST_F(RudeWritersTest, DeletedAndNeverShown) {
  bool logged = true;
  ASSERT_TRUE(GoUntilMadeUnseen(logged));
  log_.clear();
  ++version_;
  List(Kind::kBatch);
  Go(minutes{10});
  EXPECT_TRUE(logged);
}

TEST_F(RudeWritersTest, DeletedWhileAListIsUnderWay) {
  bool logged = true;
  ASSERT_TRUE(GoUntilMadeUnseen(logged));
  log_.clear();
  ++version_;
  Tell(ResetBegin{{Kind::kBatch, ""}});
  Go(seconds{2});
  Tell(ResetEnd{{Kind::kBatch, ""}, std::to_string(version_), now_.mono});
  Go(minutes{10});
  EXPECT_TRUE(logged);
}

TEST_F(RudeWritersTest, ADeletionThatIsToldTwice) {
  bool logged = true;
  ASSERT_TRUE(GoUntilMadeUnseen(logged));
  BatchObject b = First();
  b.phase = BatchPhase::kAbandoned;
  b.version = std::to_string(++version_);
  Tell(BatchSeen{b});
  log_.clear();
  ++version_;
  Tell(BatchGone{kLane, 1});
  Tell(BatchGone{kLane, 1});
  Tell(Bookmark{{Kind::kBatch, ""}, std::to_string(version_)});
  Go(minutes{10});
  EXPECT_TRUE(logged);
}

}  // namespace
}  // namespace retirement
