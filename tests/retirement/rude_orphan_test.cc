// Calls of which only a status tells: their entries were deleted.
#include "retirement/judge.h"
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeOrphanTest : public RudeTest {
 protected:
  RequestObject Witness(const std::string& name, MemberState state, Reason reason) {
    RequestObject r = Request(name, {Id(1)});
    TellOfACall(r, state, reason, 1);
    return r;
  }
};

// S5: a request that expired while nobody led still tells of its call.
TEST_F(RudeOrphanTest, AnExpiryForgetsNoCall) {
  for (const MemberState state : {MemberState::kWaiting, MemberState::kVerifying}) {
    Fresh();
    RunsForEver();
    RequestObject r = Witness("a", state, Reason::kAmbiguous);
    r.spec.expires_at = now_.wall - minutes{1};
    Start({r, Request("z", {Id(1)})});
    Go(hours{1});
    EXPECT_TRUE(called_.empty()) << ToString(state);
    EXPECT_EQ(Told("a").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("a");
  }
}

// S5: whoever is told of such a call remembers it when its first witness has gone.
TEST_F(RudeOrphanTest, WhoeverIsToldOfACallRemembersIt) {
  RunsForEver();
  Start({Witness("a", MemberState::kVerifying, Reason::kNone), Request("z", {Id(1)})});
  Go(minutes{1});
  Drop("a");
  Go(minutes{30});
  EXPECT_EQ(Told("z").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("z");
  Restart();
  Go(hours{1});
  EXPECT_TRUE(called_.empty());
}

// S5: the deleted entry may have been that of the second call.
TEST_F(RudeOrphanTest, InTheBinItWaitsForAPerson) {
  describe_ = [this](const Observe& a) { return InTheBin(a); };
  RequestObject r = Witness("r", MemberState::kVerifying, Reason::kNone);
  r.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Start({r});
  Go(hours{1});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
  Edit("r", [](RequestObject& o) { o.requested_at = "now"; });
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
}

// L1: one whose name is not the expected one is looked at, and its end is seen.
TEST_F(RudeOrphanTest, OfAnotherNameItIsLookedAt) {
  describe_ = [this](const Observe& a) {
    std::vector<Sight> sights = std::get<0>(Living(a));
    for (Sight& s : sights) s.name = "another";
    return sights;
  };
  RequestObject r = Witness("r", MemberState::kVerifying, Reason::kNone);
  r.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"expected", ""});
  Start({r});
  Go(minutes{30});
  ASSERT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
  gone_.insert(Parsed(Id(1)));
  Go(minutes{30});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r");
}

// S5: deleted while another installation served the account, of which we know by the log alone.
TEST_F(RudeOrphanTest, DeletedWhileOthersServedTheAccount) {
  RunsForEver();
  BatchObject theirs = Open();
  theirs.version = std::to_string(++version_);
  account_.status.installation = "elsewhere";
  Start({Witness("r", MemberState::kSubmitted, Reason::kNone)}, {theirs});
  Go(minutes{1});
  log_.clear();
  Tell(BatchGone{theirs.lane, theirs.sequence});
  Go(minutes{1});
  EditAccount([](AccountObject& a) { a.status.installation = "operator"; });
  Go(hours{1});
  EXPECT_TRUE(called_.empty());
}

// S5: the end of a call that is not recorded yet is told by nobody, should its entry be deleted.
TEST_F(RudeOrphanTest, AnEndThatIsNotRecordedIsNotTold) {
  describe_ = [this](const Observe& a) {
    return called_.empty() ? All(a, "RUNNING", kPrepaid) : InTheBin(a);
  };
  terminate_ = [this](const Call&, Answered& done) {
    done.request_id = "first-call";
    lose_records_ = true;
    refuse_commits_ = "no";
  };
  RequestObject r = Request("r", {Id(1)});
  r.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Start({r});
  Go(minutes{2});
  ASSERT_EQ(called_.size(), 1u);
  ASSERT_EQ(Told("r").reason, Reason::kAwaitingBatch) << WordsOf("r");
  log_.clear();
  lose_records_ = false;
  refuse_commits_.clear();
  describe_ = [](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  Restart();
  Go(hours{1});
  EXPECT_EQ(called_.size(), 1u);
  EXPECT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
}

// T1: once it is recorded it is awaited no more, and may be forgotten.
TEST_F(RudeOrphanTest, AnEndThatWasRecordedIsTold) {
  describe_ = [this](const Observe& a) {
    return called_.empty() ? All(a, "RUNNING", kPrepaid) : InTheBin(a);
  };
  terminate_ = [this](const Call&, Answered& done) {
    done.request_id = "first-call";
    record_time_ = seconds{20};
    commit_time_ = hours{1};
  };
  RequestObject r = Request("r", {Id(1)});
  r.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Start({r});
  Go(seconds{10});
  EXPECT_TRUE(GoUntil([&] { return Told("r").reason == Reason::kAwaitingBatch; }, minutes{1}));
  Go(minutes{1});
  EXPECT_EQ(Told("r").state, MemberState::kWaiting) << WordsOf("r");
  EXPECT_EQ(Told("r").reason, Reason::kNone);
}

// S8a: who says that it is right that it is absent asks for no call.
TEST_F(RudeOrphanTest, WhoBelievesAnAbsenceAsksForNoCall) {
  Target t;
  Viewpoint from;
  t.orphan = std::make_unique<const EntryRef>(EntryRef{kLane, 1});
  t.observed = t.present = true;
  t.seen_lane = kLane;
  t.seen_from = &from;
  t.seen_at = now_.mono;
  t.sight = Is(Parsed(Id(1)), "RUNNING");
  t.believed_at = now_.mono;
  Wanted w;
  w.lane = kLane;
  w.from = &from;
  const Verdict verdict = Judge(t, w, now_);
  ASSERT_TRUE(std::holds_alternative<Finish>(verdict));
  EXPECT_EQ(std::get<Finish>(verdict).reason, Reason::kVerifyDeadlineExceeded);
}

}  // namespace
}  // namespace retirement
