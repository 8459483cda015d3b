// What an earlier process, or an earlier life of a request, knew of instances (S5, S8).
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeMemoryTest : public RudeTest {
 protected:
  /// "key" sees the odd one, "stranger" another one.
  void TwoClouds(std::map<std::string, std::set<InstanceId>> clouds) {
    describe_ = [this, clouds](const Observe& a) {
      std::vector<Sight> sights;
      for (const InstanceId id : a.ids) {
        if (!clouds.at(key_).contains(id) || gone_.contains(id)) continue;
        sights.push_back(Is(id, id == Parsed(Id(1)) ? first_ : "STOPPING"));
      }
      return sights;
    };
  }
  void Add(const std::string& name, int id) {
    Edit(name, [&](RequestObject& o) {
      o.spec.members.push_back(MemberSpec(Parsed(Id(id))));
      ++o.generation;
    });
  }
  const char* first_ = "STOPPING";
};

// S8: what ended as NeverObserved under a stranger's key was not seen with it, after a restart
// neither.
TEST_F(RudeMemoryTest, WhatEndedUnderAStrangersKeyWasNotSeenWithIt) {
  TwoClouds({{"key", {Parsed(Id(1))}}, {"stranger", {Parsed(Id(3))}}});
  Start({Request("r", {Id(1)})});
  Go(seconds{30});
  Rotate("stranger");
  ASSERT_TRUE(GoUntil([&] { return Told("r").reason == Reason::kNeverObserved; }, minutes{10}));
  Add("r", 3);
  Go(minutes{1});
  Restart();
  Go(seconds{30});
  Edit("r", [](RequestObject& o) { o.requested_at = "look again"; });
  Go(minutes{20});
  EXPECT_EQ(Told("r").reason, Reason::kNeverObserved) << WordsOf("r");
  EXPECT_NE(Told("r").state, MemberState::kRetired) << "it lives in the other account";
}

// S8: nor does one that was retired before make the two keys one account.
TEST_F(RudeMemoryTest, WhatWasRetiredBeforeMakesNoAccountsOne) {
  TwoClouds({{"key", {Parsed(Id(1)), Parsed(Id(5))}}, {"stranger", {Parsed(Id(3))}}});
  first_ = "RUNNING";
  RequestObject q = Request("q", {Id(5)});
  q.spec.suspend = true;
  Start({Request("r", {Id(1)}), q});
  ASSERT_TRUE(GoUntil([&] { return Retired("r") == 1; }, minutes{10}));
  Go(seconds{30});
  ASSERT_FALSE(Told("q").charge.empty());
  Rotate("stranger");
  Add("r", 3);
  Go(minutes{1});
  for (const bool restarted : {false, true}) {
    if (restarted) Restart();
    Go(seconds{30});
  }
  Edit("q", [](RequestObject& o) { o.spec.suspend = false, ++o.generation; });
  Go(minutes{20});
  EXPECT_EQ(Told("q").reason, Reason::kNeverObserved) << WordsOf("q");
  EXPECT_NE(Told("q").state, MemberState::kRetired) << "it lives in the other account";
}

// S8: nor does a request that is dismissed and let in again.
TEST_F(RudeMemoryTest, WhoIsLetInAgainMakesNoAccountsOne) {
  TwoClouds({{"key", {Parsed(Id(1)), Parsed(Id(5))}}, {"stranger", {Parsed(Id(3))}}});
  RequestObject q = Request("q", {Id(5)});
  q.spec.suspend = true;
  Start({Request("r", {Id(1)}), q});
  Go(seconds{30});
  Restart();
  Go(seconds{30});
  Rotate("stranger");
  Go(minutes{2});
  ASSERT_EQ(Told("r").reason, Reason::kNeverObserved);
  Add("r", 3);
  Go(minutes{1});
  EditAccount([](AccountObject& a) { a.spec.regions = {"ap-beijing"}; });
  Go(seconds{30});
  EditAccount([](AccountObject& a) { a.spec.regions = {kLane.region}; });
  Go(seconds{30});
  Edit("q", [](RequestObject& o) { o.spec.suspend = false, ++o.generation; });
  Go(minutes{20});
  EXPECT_EQ(Told("q").reason, Reason::kNeverObserved) << WordsOf("q");
}

// L1: who asked while nobody led is heard, in whatever order the lists come.
TEST_F(RudeMemoryTest, WhoAskedBeforeTheAccountWasListedIsHeard) {
  bool there = false;
  describe_ = [&](const Observe& a) { return there ? All(a, "STOPPING") : std::vector<Sight>{}; };
  Start({Request("r", {Id(1)})});
  Go(minutes{2});
  ASSERT_EQ(Told("r").reason, Reason::kNeverObserved);
  there = true;
  RequestObject& r = requests_.at({"team", "r"});
  r.requested_at = "look again";
  r.version = std::to_string(++version_);
  engine_ = Engine(Config{{}, hours{720}, "operator", "another", {""}});
  Tell(Lead{base::kNever});
  for (const Kind kind : {Kind::kRequest, Kind::kBatch, Kind::kAccount}) List(kind);
  Go(hours{2});
  EXPECT_EQ(StatusOf("r").handled_requested_at, "look again");
  EXPECT_NE(Told("r").reason, Reason::kNeverObserved) << WordsOf("r");
}

// S5: who asked before it was told that the entry is gone did not mean that, be it that he asked
// while nobody led.
TEST_F(RudeMemoryTest, WhoAskedBeforeTheRestartDidNotMeanAnOrphan) {
  RunsForEver();
  for (const bool asked : {false, true}) {
    Fresh();
    RequestObject r = Request("r", {Id(1)});
    TellOfACall(r, MemberState::kBlocked, Reason::kVerifyDeadlineExceeded, 1);
    if (asked) r.requested_at = "while nobody led";
    Start({r});
    Go(minutes{30});
    EXPECT_TRUE(called_.empty()) << "asked " << asked << ": a second accepted call\n"
                                 << WordsOf("r");
  }
}

// S5: whatever is not prepaid gets one accepted call in its life, however long that was ago.
TEST_F(RudeMemoryTest, AnAcceptedCallIsRememberedAsLongAsSomebodyNamesItsInstance) {
  describe_ = [this](const Observe& a) {
    std::vector<Sight> sights = std::get<std::vector<Sight>>(Living(a));
    for (Sight& s : sights) {
      if (s.id != Parsed(Id(1)) || called_.empty()) continue;
      s.terminated_last = s.operation_failed = true;
      s.operation_request = CloudRequestId("request-id");
    }
    return sights;
  };
  terminate_ = [this](const Call& c, Answered&) {
    for (const InstanceId id : c.ids) {
      if (id != Parsed(Id(1))) gone_.insert(id);
    }
  };
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntilCalled());
  Go(minutes{10});
  ASSERT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
  Put(Request("heir", {Id(1)}));
  Go(minutes{1});
  Drop("r");
  Put(Request("s", {Id(2)}));
  Go(minutes{10});
  ASSERT_EQ(Told("heir").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("heir");
  ASSERT_EQ(CallsOf(1), 1);
  Go(hours{722});
  Restart();
  Go(minutes{30});
  EXPECT_EQ(CallsOf(1), 1) << "a second accepted call " << log_.size() << WordsOf("heir");
}

// S8a: an answer that lags behind our call may show the charge type of before, too.
TEST_F(RudeMemoryTest, ALaggingAnswerShowsAnotherChargeType) {
  int looks = 0;
  describe_ = [&](const Observe& a) {
    return ++looks == 1 ? All(a, "RUNNING", "POSTPAID_BY_HOUR") : All(a, "SHUTDOWN", kPrepaid);
  };
  BatchObject binned = Open(kPrepaid);
  binned.phase = BatchPhase::kVerified;
  binned.verified = now_.wall;
  binned.request_id = "first-call";
  binned.members[0].result = BatchResult::kRecycled;
  Start({Request("r", {Id(1)})}, {binned});
  Go(minutes{5});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(Told("r").state, MemberState::kRecycled) << WordsOf("r");
}

}  // namespace
}  // namespace retirement
