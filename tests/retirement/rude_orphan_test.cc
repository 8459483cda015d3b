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
    EXPECT_NE(Told("a").message_view().find("before spec.expiresAt"), std::string::npos);
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

// S4, L1: the watch of requests is ahead of that of the log, and the account goes in between.
TEST_F(RudeOrphanTest, AnEntryThatIsShownLateIsNoOrphan) {
  Start({});
  Go(seconds{1});
  Put(Witness("r", MemberState::kVerifying, Reason::kAmbiguous));
  Tell(AccountGone{"default"});
  BatchObject entry = Open();
  entry.phase = BatchPhase::kAmbiguous;
  log_[{entry.lane, entry.sequence}] = entry;
  Tell(BatchSeen{entry});
  EditAccount([](AccountObject& a) { a.uid = "made anew"; });
  Go(minutes{30});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r");
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

// S8a: who says that it is right that it is absent asks for no call.
TEST_F(RudeOrphanTest, WhoBelievesAnAbsenceAsksForNoCall) {
  Target t;
  Viewpoint from;
  t.orphan = std::make_unique<const EntryRef>(EntryRef{kLane, 1});
  t.observed = t.present = true;
  t.seen_lane = &kLane;
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
