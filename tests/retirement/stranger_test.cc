// S0: nothing acts that was not let in; and those who were let in cannot stop each other.
#include "retirement/small_world.h"

namespace retirement {
namespace {

class StrangerTest : public SmallWorld {
 protected:
  StrangerTest() {
    account_.spec.all_namespaces = false;
    account_.spec.namespaces = {"team"};
  }
  RequestObject Of(const std::string& ns, const std::string& name,
                   const std::vector<std::string>& ids) {
    RequestObject r = Request(name, ids);
    r.key.ns = ns;
    r.uid = "uid-" + ns + "-" + name;
    return r;
  }
  /// A status that somebody wrote by hand.
  static void Forge(RequestObject& r, uint64_t batch) {
    MemberStatus m;
    m.id = r.spec.members[0].id;
    m.state = MemberState::kVerifying;
    m.batch = batch;
    m.attempts = 777;
    m.request_id = CloudRequestId("forged");
    r.status.members.push_back(m);
  }
};

TEST_F(StrangerTest, AForgedNumberStopsNoLane) {
  for (const uint64_t number :
       {uint64_t(9'223'372'036'854'775'807), uint64_t(9'999'999'998), uint64_t(12)}) {
    Fresh();
    RequestObject evil = Of("not-allowed", "evil", {Id(77)});
    Forge(evil, number);
    RequestObject allowed = Of("team", "forged", {Id(78)});
    Forge(allowed, number);
    Start({evil, allowed, Of("team", "r", Ids(1, 5))});
    Go(minutes{1});
    EXPECT_EQ(CountOfState("r", MemberState::kRetired), 5) << number;
    EXPECT_LE(log_.rbegin()->first.second, kMostAhead + 10) << number;
  }
}

TEST_F(StrangerTest, AForgedCallDelaysNobody) {
  RequestObject evil = Of("not-allowed", "evil", {Id(1)});
  Forge(evil, 12);
  Start({evil, Of("team", "r", {Id(1)})});
  Go(seconds{40});
  EXPECT_EQ(Told("r").state, MemberState::kRetired);
  EXPECT_EQ(Told("r").attempts, 1);
  EXPECT_NE(Told("r").request_id.view(), "forged");
}

TEST_F(StrangerTest, WhoIsNotAcceptedHoldsAndOwnsNothing) {
  RequestObject evil = Of("not-allowed", "evil", {Id(1)});
  evil.hold = "x=forever";
  evil.created -= hours{1};
  Start({evil, Of("team", "r", {Id(1)})});
  Go(minutes{1});
  EXPECT_EQ(Told("r").state, MemberState::kRetired);
}

TEST_F(StrangerTest, WhoLosesAcceptanceLetsGo) {
  account_.spec.namespaces = {"team", "other"};
  RequestObject holder = Of("other", "holder", {Id(1)});
  holder.hold = "x=wait";
  Start({holder, Of("team", "r", {Id(1)})});
  Go(minutes{1});
  EXPECT_EQ(Told("r").reason, Reason::kHeldByOther) << WordsOf("r");
  EXPECT_EQ(Told("r").message_view().find("holder"), std::string_view::npos) << "whose is not told";
  EditAccount([](AccountObject& a) { a.spec.namespaces = {"team"}; });
  Go(minutes{1});
  EXPECT_EQ(Told("r").state, MemberState::kRetired);
}

// S0: what only its status told of having been seen goes with it.
TEST_F(StrangerTest, WhoLosesAcceptanceTakesItsSightsAlong) {
  account_.spec.namespaces = {"team", "other"};
  RequestObject evil = Of("other", "evil", {Id(1)});
  evil.status.observed_generation = evil.generation;
  MemberStatus m;
  m.id = Parsed(Id(1));
  m.state = MemberState::kWaiting;
  m.charge = ChargeType("POSTPAID_BY_HOUR");
  evil.status.members.push_back(m);
  evil.status.conditions.push_back({"Planned", ConditionStatus::kTrue, "PlanReady",
                                    "1 calls; seen with credentials " + key_, now_.wall,
                                    evil.generation});
  describe_ = [](const Observe&) {
    return Refusal{Fault::kUnreachable, Reason::kNone, "", "failed to connect", {}};
  };
  Start({evil, Of("team", "r", {Id(1)})});
  Go(seconds{10});
  EditAccount([](AccountObject& a) { a.spec.namespaces = {"team"}; });
  Go(seconds{10});
  describe_ = [](const Observe&) { return std::vector<Sight>{}; };
  Go(hours{1});
  EXPECT_EQ(Told("r").reason, Reason::kNeverObserved) << WordsOf("r");
}

// An object that hangs in its deletion is what we see, too: nothing differs.
TEST_F(StrangerTest, ARequestStuckInItsDeletionStopsNobody) {
  list_time_ = seconds{6};
  RequestObject stuck = Of("team", "stuck", {Id(1)});
  stuck.deleting = true;
  RequestObject late = Of("team", "r", {Id(1)});
  late.spec.not_before = now_.wall + minutes{10};
  Start({stuck, late});
  Go(hours{1});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r");
  EXPECT_LE(relists_, 1);
}

TEST_F(StrangerTest, WhoEditsInALoopMakesNobodyListAnewMoreThanOnceAMinute) {
  list_time_ = seconds{6};
  RequestObject loud = Of("team", "loud", {Id(1)});
  loud.hold = "x=0";
  std::vector<RequestObject> requests = {loud};
  for (int i = 0; i < 20; ++i) {
    RequestObject r = Of("team", "r" + std::to_string(i), {Id(10 + i)});
    r.spec.not_before = now_.wall + seconds{30} * i;
    requests.push_back(r);
  }
  Start(requests);
  const Mono begin = now_.mono;
  for (int i = 0; i < 600; ++i) {
    // The watch does not show it yet: a live read differs.
    requests_.at({"team", "loud"}).hold = "x=" + std::to_string(i);
    requests_.at({"team", "loud"}).version = std::to_string(++version_);
    Go(seconds{1});
  }
  EXPECT_LE(relists_, (now_.mono - begin) / minutes{1} + 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Told("r" + std::to_string(i)).state, MemberState::kRetired) << i;
  }
}

// An obstacle of a request is its own; one of the instance is everybody's.
TEST_F(StrangerTest, SomebodyElsesExpectationBlocksNobody) {
  account_.spec.namespaces = {"team", "other"};
  RequestObject old = Of("other", "old", {Id(1)});
  old.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"a-typo", ""});
  RequestObject mine = Of("team", "mine", {Id(1)});
  mine.created += hours{1};
  Start({old, mine});
  Go(minutes{1});
  EXPECT_EQ(Told("mine").state, MemberState::kRetired) << WordsOf("mine");
  const MemberStatus& theirs = requests_.at({"other", "old"}).status.members.at(0);
  EXPECT_EQ(theirs.state, MemberState::kRetired) << "what blocked it is gone, and so is its target";
}

TEST_F(StrangerTest, AnExpectationThatIsMetLaterHeals) {
  std::string name = "worker-18";
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      Sight s = Is(id, "RUNNING");
      s.name = name;
      if (!gone_.contains(id)) sights.push_back(s);
    }
    return sights;
  };
  RequestObject r = Of("team", "r", {Id(1)});
  r.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"worker-17", ""});
  Start({r});
  Go(minutes{1});
  EXPECT_EQ(Told("r").state, MemberState::kBlocked);
  EXPECT_EQ(Told("r").reason, Reason::kExpectMismatch);
  name = "worker-17";
  Go(kBlockedLook + minutes{1});
  EXPECT_EQ(Told("r").state, MemberState::kRetired);
}

// T1: whoever waits behind an open entry of somebody else is told so.
TEST_F(StrangerTest, WhoWaitsForAnotherEntryIsTold) {
  BatchObject open = Open();
  open.members[0].uid = "uid-of-nobody";
  Start({Of("team", "r", {Id(1)})}, {open});
  Go(seconds{20});
  EXPECT_EQ(Told("r").state, MemberState::kWaiting);
  EXPECT_EQ(Told("r").reason, Reason::kAwaitingBatch);
  EXPECT_EQ(Told("r").batch, log_.rbegin()->first.second) << "the one that is awaited";
}

// The CRD's rules hold without CEL, too.
TEST_F(StrangerTest, WhatMayNotChangeIsRefusedAndPutRightAgain) {
  RequestObject r = Of("team", "r", Ids(1, 2));
  r.spec.suspend = true;
  Start({r});
  Go(seconds{10});
  Edit("r", [](RequestObject& o) {
    o.spec.suspend = false;
    o.spec.intent.prepaid = PrepaidPolicy::kDestroy;
    ++o.generation;
  });
  Go(minutes{1});
  EXPECT_EQ(Ready("r").reason, "InvalidSpec");
  EXPECT_NE(Ready("r").message.find("spec.termination"), std::string::npos);
  EXPECT_TRUE(called_.empty());
  Edit("r", [](RequestObject& o) {
    o.spec.intent.prepaid = PrepaidPolicy::kRecycle;
    ++o.generation;
  });
  Go(minutes{1});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 2) << WordsOf("r");
}

// A status never has more members than the CRD takes.
TEST_F(StrangerTest, ManyEditsWhileBatchesAreStuckFitIntoTheStatus) {
  terminate_ = [](const Call&, Answered& a) { a.outcome = Answered::Outcome::kUnclear; };
  Start({Of("team", "r", Ids(1, 200))});
  for (int i = 1; i <= 3; ++i) {
    Go(minutes{2});
    Edit("r", [&](RequestObject& o) {
      o.spec.members.clear();
      for (const std::string& id : Ids(1 + 200 * i, 200)) o.spec.members.push_back(Parsed(id));
      ++o.generation;
    });
  }
  Go(seconds{30});
  EXPECT_LE(StatusOf("r").members.size(), 400u);
  EXPECT_EQ(StatusOf("r").members.front().id, Parsed(Id(601)));
}

// S5 over two lanes and two installations that are one cloud account in truth: each waits until the
// watch shows its own entry, and so knows every earlier one.
TEST_F(StrangerTest, NobodyCallsBeforeTheWatchShowsItsEntry) {
  echoes_ = false;
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING", kPrepaid);
  EXPECT_FALSE(GoToCall());
  BatchObject other = committed_;
  other.lane.account = "other";
  other.holder = "another installation";
  other.version = "1500";
  Step(BatchSeen{other});
  Step(Bookmark{{Kind::kBatch, ""}, "9000"});
  Wait(seconds{5});
  EXPECT_FALSE(Take<Call>()) << "the other's entry comes first";
}

}  // namespace
}  // namespace retirement
