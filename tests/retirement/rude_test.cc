// Answers that are doubted, calls that are repeated, clocks that jump.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

// S8: what was absent only while everything was absent has not been absent for long.
TEST_F(RudeTest, AbsencesThatWereDoubtedAreNoEvidenceLater) {
  bool empty = false;
  bool one_is_missed = true;
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights = empty ? std::vector<Sight>{} : All(a, "STARTING");
    if (one_is_missed) std::erase_if(sights, [](const Sight& s) { return s.id == Parsed(Id(7)); });
    return sights;
  };
  one_is_missed = false;
  Start({Request("r", Ids(1, 100))});
  Go(seconds{30});
  empty = one_is_missed = true;
  Go(minutes{15});
  empty = false;
  Go(minutes{3});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
  EXPECT_EQ(Retired("r"), 0);
  one_is_missed = false;
  Go(minutes{10});
  EXPECT_EQ(Retired("r"), 0);
}

// S8: that a person believes some of them does not end the doubt about the others.
TEST_F(RudeTest, BelievingOneRequestBelievesNoOther) {
  bool empty = false;
  describe_ = [&](const Observe& a) { return empty ? std::vector<Sight>{} : All(a, "STARTING"); };
  Start({Request("most", Ids(1, 20)), Request("few", Ids(50, 4))});
  Go(seconds{30});
  empty = true;
  Go(minutes{1});
  Edit("most", [](RequestObject& r) { r.requested_at = "they are gone"; });
  Go(minutes{20});
  EXPECT_EQ(Retired("most"), 20);
  EXPECT_EQ(Retired("few"), 0);
}

// S8: an unclear call is no reason to believe an answer in which everything is absent.
TEST_F(RudeTest, AnUnclearCallIsDoubtedWithTheOthers) {
  bool empty = false;
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      if (!empty) sights.push_back(Is(id, id == Parsed(Id(1)) ? "RUNNING" : "STARTING"));
    }
    return sights;
  };
  terminate_ = [](const Call&, Answered& a) { a.outcome = Answered::Outcome::kUnclear; };
  Start({Request("called", {Id(1)}), Request("others", Ids(10, 20))});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  empty = true;
  Go(minutes{20});
  EXPECT_EQ(Retired("called"), 0) << WordsOf("called");
}

// S5, S8: a refusal that names no code is a refusal.
TEST_F(RudeTest, ARefusalWithoutACodeIsNoAcceptance) {
  BatchObject refused = Open();
  refused.phase = BatchPhase::kRejected;
  refused.request_id = "request-id";
  gone_.insert(Parsed(Id(1)));
  Start({Request("r", {Id(1)})}, {refused});
  Go(minutes{2});
  EXPECT_EQ(Retired("r"), 0) << "absence without an accepted call is believed after five minutes";
  gone_.clear();
  Go(minutes{10});
  EXPECT_EQ(Retired("r"), 1);
  EXPECT_EQ(called_.size(), 1u);
}

// S5: also a call that was accepted when it was prepaid is the only one it gets as anything else.
TEST_F(RudeTest, WhatFailedWhenItWasPrepaidIsNotCalledWhenItIsNot) {
  BatchObject failed = Open();
  failed.charge = ChargeType(kPrepaid);
  failed.phase = BatchPhase::kVerified;
  failed.request_id = "request";
  failed.members[0].result = BatchResult::kUntouched;
  Start({Request("r", {Id(1)})}, {failed});
  Go(minutes{5});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
}

// S10: what was recorded before the service was heard is put right, what was recorded after it is
// not, whatever it says later.
TEST_F(RudeTest, AGracePeriodBeginsWhenItDoes) {
  for (const bool machine_was_wrong : {true, false}) {
    Fresh();
    if (machine_was_wrong) service_ahead_ = -hours{2};
    RequestObject r = Request("r", {Id(1)});
    r.created = now_.wall - hours{1} + service_ahead_;
    r.spec.grace = minutes{30};
    Start({r, Request("first", {Id(9)})});
    Go(minutes{5});
    EXPECT_EQ(called_.size(), 1u);
    if (!machine_was_wrong) service_ahead_ = -minutes{50};
    Put(Request("second", {Id(8)}));
    Go(minutes{5});
    if (!machine_was_wrong) service_ahead_ = Millis{0};
    Go(minutes{19});
    EXPECT_EQ(called_.size(), 2u) << "within its grace period";
    Put(Request("third", {Id(7)}));  // the service is heard again
    Go(minutes{15});
    EXPECT_EQ(called_.size(), 4u);
    service_ahead_ = Millis{0};
  }
}

// S10: a machine whose clock jumps waits all the same.
TEST_F(RudeTest, AClockThatJumpsEndsNoGracePeriod) {
  for (const Millis jump : {Millis{hours{2}}, Millis{-hours{2}}}) {
    Fresh();
    Start({Request("first", {Id(9)})});
    Go(minutes{1});  // the service was heard
    const Wall begin = now_.wall;
    service_ahead_ = -jump;
    now_.wall += jump;
    RequestObject r = Request("r", {Id(1)});
    r.spec.grace = minutes{30};
    r.created = begin;
    Put(r);
    called_.clear();
    Go(minutes{29});
    EXPECT_TRUE(called_.empty());
    Go(minutes{3});
    EXPECT_EQ(called_.size(), jump > Millis{0} ? 1u : 0u);
    Go(hours{2});
    EXPECT_EQ(called_.size(), 1u);
    service_ahead_ = Millis{0};
  }
}

// S5: an annotation that a new object brings along was meant for another one.
TEST_F(RudeTest, ANewObjectsAnnotationAsksNothing) {
  RequestObject r = Request("r", {Id(1)});
  terminate_ = [](const Call&, Answered&) {};  // accepted, without effect
  describe_ = [](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  Start({r});
  Go(minutes{5});
  ASSERT_EQ(called_.size(), 1u);
  requests_.erase(r.key);
  Tell(RequestGone{r.key});
  RequestObject again = Request("r", {Id(1)});
  again.uid = "another";
  again.requested_at = "copied";
  Put(again);
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
}

// S8a: a wish about one member does not repeat the accepted call of another.
TEST_F(RudeTest, AskingForOneMemberRepeatsNoCallOfAnother) {
  bool is_protected = true;
  describe_ = [&](const Observe& a) {
    auto sights = All(a, "RUNNING", kPrepaid);
    for (Sight& s : sights) s.protected_from_termination = s.id == Parsed(Id(2)) && is_protected;
    return sights;
  };
  terminate_ = [](const Call&, Answered&) {};
  RequestObject dry = Request("dry", {Id(1)});
  dry.spec.mode = Mode::kDryRun;
  Start({Request("r", Ids(1, 2)), dry});
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
  Go(seconds{70});
  is_protected = false;
  Edit("r", [](RequestObject& r) { r.requested_at = "protection is off"; });
  Edit("dry", [](RequestObject& r) { r.requested_at = "plan again"; });
  Go(minutes{5});
  int calls = 0;
  for (const Call& c : called_) calls += int(std::count(c.ids.begin(), c.ids.end(), Parsed(Id(1))));
  EXPECT_EQ(calls, 1);
}

// S8: an absence of hours ago ends no request of now.
TEST_F(RudeTest, AnOldAbsenceIsNoEvidence) {
  bool empty = false;
  describe_ = [&](const Observe& a) { return empty ? std::vector<Sight>{} : All(a, "STARTING"); };
  Start({Request("r", Ids(1, 3))});
  Go(seconds{10});
  empty = true;
  Go(minutes{8});
  empty = false;
  Go(hours{5});
  Put(Request("again", Ids(1, 3)));
  Go(minutes{2});
  EXPECT_EQ(Retired("again"), 0);
}

// Who refuses does not want it done by himself; that stops nobody else.
TEST_F(RudeTest, RefuseStopsNobodyElse) {
  RequestObject old = Request("old", {Id(1)});
  old.spec.intent.prepaid = PrepaidPolicy::kRefuse;
  RequestObject mine = Request("mine", {Id(1)});
  mine.created += hours{1};
  bool binned = false;
  describe_ = [&](const Observe& a) { return All(a, binned ? "SHUTDOWN" : "RUNNING", kPrepaid); };
  terminate_ = [&](const Call&, Answered&) { binned = true; };
  Start({old, mine});
  Go(minutes{20});
  EXPECT_EQ(Told("old").reason, Reason::kChargeTypeRefused);
  EXPECT_EQ(Told("mine").state, MemberState::kRecycled) << WordsOf("mine");
}

// S2: whatever they have in common.
TEST_F(RudeTest, ChargeTypesAreNotMixed) {
  describe_ = [](const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      sights.push_back(Is(id, "RUNNING", id < Parsed(Id(3)) ? kPrepaid : "POSTPAID_BY_HOUR"));
    }
    return sights;
  };
  Start({Request("r", Ids(1, 5))});
  Go(seconds{30});
  ASSERT_EQ(called_.size(), 2u);
  for (const auto& [key, entry] : log_) {
    EXPECT_EQ(entry.members.size(), entry.charge.view() == kPrepaid ? 2u : 3u);
  }
}

// S8: a late answer from elsewhere is no absence before the first one.
TEST_F(RudeTest, ALateAnswerFromElsewhereMakesNoRow) {
  Start({Request("r", {Id(1)})});
  const Target& t = engine_.state().targets.at(Parsed(Id(1)));
  ASSERT_TRUE(GoUntil([&] { return t.first_absent != Mono{}; }, minutes{1}));
  Observed late{
      kLane, {Parsed(Id(1))},       t.seen_at - seconds{1}, "other-key", std::vector<Sight>{},
      {},    account_.spec.endpoint};
  Tell(late);
  EXPECT_FALSE(t.concluded);
  Go(kAbsenceGap * 2);
  EXPECT_EQ(Retired("r"), 1);
}

// E4: what a live read showed differently is packed again seldom until the watch shows it.
TEST_F(RudeTest, ASuspectRequestMakesNobodyTurnInACircle) {
  bool ready = false;
  describe_ = [&](const Observe& a) { return ready ? std::get<0>(Living(a)) : All(a, "STARTING"); };
  Start({Request("r", Ids(1, 100))});
  Go(minutes{1});
  ready = true;
  ++requests_.at({"team", "r"}).generation;  // the watch does not tell
  ASSERT_TRUE(GoUntil([&] { return confirms_ > 0; }, minutes{1}));
  const int before = steps_;
  Go(seconds{2});
  EXPECT_LE(steps_ - before, 40);
}

}  // namespace
}  // namespace retirement
