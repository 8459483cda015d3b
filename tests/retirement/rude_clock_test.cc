// Clocks that are wrong, jump, or are put right.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeClockTest : public RudeTest {};

// S10: restarted on a node whose clock is 2 h behind; NTP mends it a little later.
TEST_F(RudeClockTest, AStartWithASlowClockEndsAGracePeriod) {
  const Wall begin = now_.wall;
  RequestObject r = Request("r", {Id(1)});
  r.created = begin - hours{24};
  r.spec.grace = hours{1};
  r.status.observed_generation = r.generation;
  r.status.accepted = begin - minutes{10};  // it was let in late
  MemberStatus& m = r.status.members.emplace_back();
  m.id = Parsed(Id(1));
  m.state = MemberState::kWaiting;
  m.time = begin - minutes{10};
  now_.wall -= hours{2};
  service_ahead_ = hours{2};
  Start({r});
  Go(seconds{30});
  now_.wall += hours{2};
  service_ahead_ = Millis{0};
  Go(minutes{30});
  EXPECT_TRUE(called_.empty()) << "called " << (now_.wall - begin).count() / 60000
                               << " min after the start; 50 min were left";
}

// The same for a member that was added while nobody ran, or just after the start.
TEST_F(RudeClockTest, AMemberAddedBeforeTheServiceWasHeardHasItsGrace) {
  const Wall begin = now_.wall;
  RequestObject r = Request("r", Ids(1, 2));
  r.created = begin - hours{24};
  r.spec.grace = hours{1};
  r.generation = 2;
  r.status.observed_generation = 1;
  r.status.accepted = begin - hours{24};
  MemberStatus& m = r.status.members.emplace_back();
  m.id = Parsed(Id(1));
  m.state = MemberState::kRetired;
  m.reason = Reason::kRetiredByUs;
  now_.wall -= hours{2};
  service_ahead_ = hours{2};
  Start({r});
  Go(seconds{30});
  now_.wall += hours{2};
  service_ahead_ = Millis{0};
  Go(minutes{30});
  EXPECT_TRUE(called_.empty());
}

// L1: a member's time that a wrong clock wrote.
TEST_F(RudeClockTest, AMemberTimeOfAWrongClockIsMended) {
  bool is_protected = true;
  describe_ = [&](const Observe& a) {
    auto sights = std::get<0>(Living(a));
    for (Sight& s : sights) s.protected_from_termination = is_protected;
    return sights;
  };
  bool refuse = true;
  terminate_ = [&](const Call& c, Answered& a) {
    if (!refuse) return gone_.insert(c.ids.begin(), c.ids.end()), void();
    a.outcome = Answered::Outcome::kRefusedUnseen;
    a.refusal = {Fault::kThrottled, Reason::kNone, "RequestLimitExceeded", "", {}};
  };
  RequestObject r = Request("r", {Id(1)});
  r.spec.grace = minutes{10};
  Start({r});
  Go(minutes{30});
  EXPECT_EQ(Told("r").reason, Reason::kInstanceProtected);
  const Millis years = hours{24 * 365 * 10};
  now_.wall += years;
  service_ahead_ = -years;
  is_protected = false;
  Go(minutes{12});
  now_.wall -= years;
  service_ahead_ = Millis{0};
  Go(minutes{1});
  refuse = false;
  Restart();
  Go(hours{24});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 1) << WordsOf("r");
}

// T1: a clock that was ahead for a second cancels for good.
TEST_F(RudeClockTest, AClockThatWasAheadCancelsNothing) {
  Start({Request("first", {Id(9)})});
  Go(minutes{1});
  RequestObject r = Request("r", {Id(1)});
  r.spec.not_before = now_.wall + minutes{10};
  r.spec.expires_at = now_.wall + hours{1};
  Put(r);
  Go(minutes{1});
  now_.wall += hours{2};
  service_ahead_ = -hours{2};
  Go(seconds{2});
  now_.wall -= hours{2};
  service_ahead_ = Millis{0};
  Go(minutes{20});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 1) << WordsOf("r");
}

// T1: a slow machine clock holds a request, and nobody says so.
TEST_F(RudeClockTest, AClockThatHoldsIsTold) {
  Start({Request("first", {Id(9)})});
  Go(minutes{1});
  const Wall truth_at_begin = now_.wall;
  RequestObject r = Request("r", {Id(1)});
  r.spec.not_before = truth_at_begin + minutes{5};
  now_.wall -= hours{2};
  service_ahead_ = hours{2};
  Put(r);
  Put(Request("heard", {Id(8)}));
  Go(minutes{30});
  EXPECT_EQ(CallsOf(1), 0);
  EXPECT_NE(WordsOfAccount().find("the clock of this machine is 2h behind"), std::string::npos)
      << WordsOfAccount();
}

// a slow answer shortens a grace period
TEST_F(RudeClockTest, ASlowAnswerShortensNoGrace) {
  RequestObject first = Request("first", {Id(9)});
  account_.spec.all_namespaces = false;
  account_.spec.namespaces = {"other"};
  first.key.ns = "other";
  RequestObject r = Request("r", {Id(1)});
  r.spec.grace = minutes{15};
  Start({first, r});
  Go(minutes{30});
  service_ahead_ = -seconds{15};  // an answer that took so long
  RequestObject g = Request("first2", {Id(8)});
  g.key.ns = "other";
  Put(g);
  Go(seconds{5});
  service_ahead_ = Millis{0};
  const Mono begin = now_.mono;
  EditAccount([](AccountObject& a) { a.spec.all_namespaces = true; });
  GoUntil([&] { return CallsOf(1) > 0; }, hours{1});
  EXPECT_GE((now_.mono - begin).count(), Millis{minutes{15}}.count() - 5000);
}

// S10: an answer that took long is no clock, where the machine's own is behind.
TEST_F(RudeClockTest, ASlowAnswerLetsNothingEndLater) {
  const Wall truth = now_.wall;
  now_.wall -= minutes{4};
  service_ahead_ = minutes{4};
  Start({Request("first", {Id(9)})});
  Go(minutes{1});
  service_ahead_ -= seconds{29};
  Put(Request("second", {Id(8)}));
  Go(seconds{20});
  service_ahead_ = minutes{4};
  called_.clear();
  RequestObject r = Request("r", {Id(1)});
  r.spec.expires_at = truth + seconds{70};
  r.created = truth;
  Put(r);
  Go(minutes{1});
  EXPECT_EQ(CallsOf(1), 0);
}

// S10: the same without a jump.
TEST_F(RudeClockTest, AGracePeriodCountsFromWhenItWasLetIn) {
  const Wall begin = now_.wall;
  RequestObject r = Request("r", {Id(1)});
  r.created = begin - hours{24};
  r.spec.grace = hours{1};
  r.status.observed_generation = r.generation;
  r.status.accepted = begin - minutes{10};
  MemberStatus& m = r.status.members.emplace_back();
  m.id = Parsed(Id(1));
  m.state = MemberState::kWaiting;
  m.time = begin - minutes{10};
  Start({r});
  Go(minutes{49});
  EXPECT_TRUE(called_.empty());
  Go(minutes{2});
  EXPECT_EQ(called_.size(), 1u);
}

// L1: an account that turns to Execute lets grace periods count anew, though by a clock that is
// behind that of the cluster they begin when they did.
TEST_F(RudeClockTest, AGracePeriodThatCountsAnewFromTheSameTimeEnds) {
  account_.spec.mode = Mode::kDryRun;
  RequestObject r = Request("r", {Id(1)});
  r.created = now_.wall + minutes{5};
  r.spec.grace = minutes{10};
  Start({r});
  Go(minutes{1});
  EditAccount([](AccountObject& a) { a.spec.mode = Mode::kExecute; });
  Go(minutes{16});
  EXPECT_EQ(called_.size(), 1u) << WordsOf("r");
}

// T1: what a request was told to wait for is over when its time has come, though nobody calls yet.
TEST_F(RudeClockTest, ATimeThatHasComeIsTold) {
  refuse_commits_ = "not now";
  RequestObject r = Request("r", {Id(1)});
  r.spec.not_before = now_.wall + minutes{1};
  Start({r});
  Go(seconds{50});
  EXPECT_EQ(In(StatusOf("r").conditions, "Permitted").reason, "NotBefore");
  Go(seconds{15});
  EXPECT_NE(In(StatusOf("r").conditions, "Permitted").reason, "NotBefore") << WordsOf("r");
}

}  // namespace
}  // namespace retirement
