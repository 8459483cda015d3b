// Very many requests of one instance.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeCrowdTest : public RudeTest {
 protected:
  /// A hundred requests of one protected instance; one in so many expects it to be called `right`.
  void Expects(const std::string& right, int one_in, const std::string& name) {
    std::vector<RequestObject> requests;
    for (int i = 0; i < 100; ++i) {
      RequestObject& r = requests.emplace_back(Request("r" + std::to_string(i), {Id(1)}));
      r.created += seconds{i};
      if (i % one_in > 0) continue;
      r.spec.members[0].expect = std::make_unique<Expectation>(Expectation{right, ""});
    }
    describe_ = [&name](const Observe& a) {
      std::vector<Sight> sights = All(a, "RUNNING");
      for (Sight& sight : sights) {
        sight.name = name;
        sight.protected_from_termination = true;
      }
      return sights;
    };
    Start(requests);
  }
  /// A hundred requests of one protected instance; the youngest tells of a call that has ended.
  std::vector<RequestObject> ToldOfAnEndedCall(MemberState state, Reason reason) {
    std::vector<RequestObject> requests;
    for (int i = 0; i < 100; ++i) {
      requests.push_back(Request("r" + std::to_string(i), {Id(1)}));
      requests.back().created += seconds{i};
    }
    TellOfACall(requests.back(), state, reason, 1);
    describe_ = [](const Observe& a) {
      std::vector<Sight> sights = All(a, "RUNNING");
      sights[0].protected_from_termination = true;
      return sights;
    };
    return requests;
  }
  BatchObject Ended(const RequestObject& of) {
    BatchObject entry = Open();
    entry.phase = BatchPhase::kVerified;
    entry.members[0] = {Parsed(Id(1)), of.key, of.uid, BatchResult::kUntouched, {}};
    return entry;
  }
};

// E0, T1: very many requests of one instance: everybody is told, and the service is asked once.
TEST_F(RudeCrowdTest, ACrowdIsToldAndAsksOnce) {
  std::vector<RequestObject> requests;
  for (int i = 0; i < 120; ++i) {
    requests.push_back(Request("r" + std::to_string(i), {Id(1)}));
    requests.back().created += seconds{i};
    if (i % 3 == 0) requests.back().spec.mode = Mode::kDryRun;
  }
  terminate_ = [](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kFinal, Reason::kNotReturnable, "FailedOperation.Unreturnable", "no", {}};
  };
  Start(requests);
  Go(minutes{5});
  EXPECT_EQ(called_.size(), 1u);
  for (int i = 0; i < 120; ++i) {
    const MemberState told = Told("r" + std::to_string(i)).state;
    ASSERT_EQ(told, i % 3 == 0 ? MemberState::kPlanned : MemberState::kFailed)
        << i << WordsOf("r" + std::to_string(i));
  }
}

TEST_F(RudeCrowdTest, ACrowdThatIsBlockedEndsWithItsInstance) {
  std::vector<RequestObject> requests;
  for (int i = 0; i < 100; ++i) {
    requests.push_back(Request("r" + std::to_string(i), {Id(1)}));
    requests.back().created += seconds{i};
  }
  describe_ = [this](const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      if (gone_.contains(id)) continue;
      sights.push_back(Is(id, "RUNNING"));
      sights.back().protected_from_termination = true;
    }
    return sights;
  };
  Start(requests);
  Go(minutes{5});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Told("r" + std::to_string(i)).reason, Reason::kInstanceProtected) << i;
  }
  gone_.insert(Parsed(Id(1)));
  Go(minutes{30});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Retired("r" + std::to_string(i)), 1) << i;
}

// L1: who was in a call, and has no place any more, is told how it ended.
TEST_F(RudeCrowdTest, WhoWasCalledIsToldItsEnd) {
  auto requests = ToldOfAnEndedCall(MemberState::kVerifying, Reason::kNone);
  requests.back().spec.expires_at = now_.wall - hours{1};
  Start(requests, {Ended(requests.back())});
  Go(hours{1});
  EXPECT_EQ(Told("r99").state, MemberState::kCancelled);
}

// L1, T1: so is who awaited the entry of another, be he suspended or the last of very many.
TEST_F(RudeCrowdTest, WhoAwaitedAnEntryIsToldItsEnd) {
  for (const bool suspended : {false, true}) {
    Fresh();
    auto requests = ToldOfAnEndedCall(MemberState::kWaiting, Reason::kAwaitingBatch);
    requests.back().spec.suspend = suspended;
    if (!suspended) requests[50].hold = "alice=wait";
    Start(requests, {Ended(requests.back())});
    Go(hours{1});
    EXPECT_NE(Told("r99").reason, Reason::kAwaitingBatch) << "suspended " << suspended;
  }
}

// T1: what blocks a crowd may change; then everybody is told, not only who has a place.
TEST_F(RudeCrowdTest, ACrowdIsToldOfAnotherObstacle) {
  std::vector<RequestObject> requests;
  for (int i = 0; i < 100; ++i) {
    requests.push_back(Request("r" + std::to_string(i), {Id(1)}));
    requests.back().created += seconds{i};
  }
  std::string state = "BANNING";
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights = All(a, state);
    for (Sight& sight : sights) sight.protected_from_termination = true;
    return sights;
  };
  Start(requests);
  Go(minutes{5});
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Told("r" + std::to_string(i)).reason, Reason::kBanned) << i;
  }
  state = "RUNNING";
  Go(minutes{10});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Told("r" + std::to_string(i)).reason, Reason::kInstanceProtected) << i;
  }
}

// S5: whoever is done goes on to want what he wants: 40 finished requests and no other one are not
// forgotten with their instance.
TEST_F(RudeCrowdTest, TheWishesOfAFinishedCrowdCount) {
  std::vector<RequestObject> requests;
  for (int i = 0; i < 40; ++i) {
    requests.push_back(Request("r" + std::to_string(i), {Id(1)}));
    requests.back().created += seconds{i};
  }
  bool binned = false;
  describe_ = [&](const Observe& a) {
    return binned ? All(a, "SHUTDOWN", kPrepaid) : std::vector<Sight>{};
  };
  Start(requests);
  Go(minutes{10});
  EXPECT_EQ(Told("r39").reason, Reason::kNeverObserved);
  // Whoever has a place goes.
  for (const Claim& claim : std::vector(engine_.state().targets.at(Parsed(Id(1))).claims)) {
    const RequestKey key = claim.request->key;
    requests_.erase(key);
    Tell(RequestGone{key});
  }
  Go(minutes{10});
  binned = true;
  RequestObject destroyer = Request("destroyer", {Id(1)});
  destroyer.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Put(destroyer);
  Go(minutes{10});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(Told("destroyer").reason, Reason::kDuplicateRequest);
}

// T1: who expected another instance is asked again when its name has changed.
TEST_F(RudeCrowdTest, ACrowdThatWasMistakenIsSoNoMore) {
  std::string name = "wrong";
  Expects("right", 2, name);
  Go(minutes{5});
  for (int i = 0; i < 100; i += 2) {
    ASSERT_EQ(Told("r" + std::to_string(i)).reason, Reason::kExpectMismatch) << i;
  }
  name = "right";
  Go(minutes{30});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Told("r" + std::to_string(i)).reason, Reason::kInstanceProtected) << i;
  }
}

// T1: so is who could not be told otherwise when the name changed, because somebody held it.
TEST_F(RudeCrowdTest, ACrowdThatWasMistakenIsSoNoMoreOnceAHoldHasEnded) {
  std::string name = "wrong";
  Expects("right", 1, name);
  Go(minutes{5});
  ASSERT_EQ(CountOfState("r0", MemberState::kBlocked), 1);
  RequestObject holder = Request("holder", {Id(1)});
  holder.hold = "alice=wait";
  Put(holder);
  name = "right";
  Go(minutes{30});
  Edit("holder", [](RequestObject& o) { o.hold.clear(); });
  Go(minutes{30});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Told("r" + std::to_string(i)).reason, Reason::kInstanceProtected) << i;
  }
}

// L1: what waits as a request to retire and has become a dry run is planned.
TEST_F(RudeCrowdTest, WhatWaitedAndBecameADryRunIsPlanned) {
  RunsForEver();
  RequestObject r = Request("r", {Id(1)});
  r.spec.suspend = true;
  Start({r});
  Go(minutes{1});
  ASSERT_EQ(Told("r").state, MemberState::kWaiting) << WordsOf("r");
  RequestObject& stored = requests_.at({"team", "r"});
  stored.spec.mode = Mode::kDryRun;
  stored.spec.suspend = false;
  ++stored.generation;
  stored.version = std::to_string(++version_);
  Restart();
  Go(minutes{30});
  EXPECT_EQ(Told("r").state, MemberState::kPlanned) << WordsOf("r");
}

// S5, L1: orphans of a crowd are told so, also those that have expired; nobody turns in a circle.
TEST_F(RudeCrowdTest, OrphansOfACrowdAreTold) {
  for (const std::string_view state : {"RUNNING", "STOPPED", "LAUNCH_FAILED"}) {
    Fresh();
    describe_ = [&](const Observe& a) {
      std::vector<Sight> sights = All(a, state);
      for (Sight& s : sights) s.protected_from_termination = state == "STOPPED";
      return sights;
    };
    std::vector<RequestObject> all;
    for (int i = 0; i < 120; ++i) {
      RequestObject r = Request("r" + std::to_string(i), {Id(1)});
      r.created += seconds{i};
      if (i % 3 > 0) TellOfACall(r, MemberState::kVerifying, Reason::kAmbiguous, 1);
      if (i % 3 == 2) r.spec.expires_at = now_.wall - minutes{1};
      all.push_back(r);
    }
    Start(all);
    Go(minutes{30});
    for (int i = 0; i < 120; ++i) {
      if (i % 3 == 0) continue;
      EXPECT_EQ(Told("r" + std::to_string(i)).reason, Reason::kVerifyDeadlineExceeded)
          << i << state;
    }
    EXPECT_TRUE(called_.empty());
    const auto before = steps_;
    Go(minutes{1});
    EXPECT_LT(steps_ - before, 100) << "they turn in a circle";
  }
}

// T1: orphans of a crowd have been told, and keep no place from who is to be told of a new
// obstacle.
TEST_F(RudeCrowdTest, OrphansOfACrowdKeepNobodyFromTheNews) {
  std::string state = "STOPPED";
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights = All(a, state);
    for (Sight& s : sights) s.protected_from_termination = true;
    return sights;
  };
  // The oldest is none of them.
  std::vector<RequestObject> others, orphans;
  for (int i = 0; i < 60; ++i) {
    others.push_back(Request("other" + std::to_string(i), {Id(1)}));
    others.back().created += seconds{i == 0 ? 0 : 100 + i};
    orphans.push_back(Request("orphan" + std::to_string(i), {Id(1)}));
    orphans.back().created += seconds{1 + i};
    orphans.back().spec.not_before = now_.wall + minutes{30 + i / 10};
    TellOfACall(orphans.back(), MemberState::kVerifying, Reason::kAmbiguous, 1);
  }
  Start(orphans);
  Go(minutes{10});
  for (const RequestObject& r : others) Put(r);
  const auto expect_told = [&](Reason obstacle) {
    for (int i = 0; i < 60; ++i) {
      EXPECT_EQ(Told("orphan" + std::to_string(i)).reason, Reason::kVerifyDeadlineExceeded) << i;
      EXPECT_EQ(Told("other" + std::to_string(i)).reason, obstacle) << i << state;
    }
  };
  Go(hours{1});
  expect_told(Reason::kInstanceProtected);
  state = "FREEZING";
  Go(minutes{30});
  expect_told(Reason::kBanned);
}

// L1: dry runs that tell of a call without an entry are planned, although a crowd waits for a
// person.
TEST_F(RudeCrowdTest, DryRunsOfAnOrphanArePlanned) {
  RunsForEver();
  std::vector<RequestObject> all;
  for (int i = 0; i < 80; ++i) {
    RequestObject r = Request("r" + std::to_string(i), {Id(1)});
    r.created += seconds{i};
    TellOfACall(r, MemberState::kVerifying, Reason::kAmbiguous, 1);
    if (i % 2 == 1) r.spec.mode = Mode::kDryRun;
    all.push_back(r);
  }
  Start(all);
  Go(hours{1});
  for (int i = 1; i < 80; i += 2) {
    EXPECT_EQ(Told("r" + std::to_string(i)).state, MemberState::kPlanned) << i;
  }
}

// L1: so are those that were told what stood against them before they became dry runs.
TEST_F(RudeCrowdTest, WhatWasBlockedAndBecameADryRunIsPlanned) {
  for (const Reason reason : {Reason::kVerifyDeadlineExceeded, Reason::kDuplicateRequest}) {
    Fresh();
    describe_ = [](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
    std::vector<RequestObject> all;
    for (int i = 0; i < 80; ++i) {
      RequestObject r = Request("r" + std::to_string(i), {Id(1)});
      r.created += seconds{i};
      const bool destroys = reason == Reason::kDuplicateRequest && i % 2 == 1;
      r.spec.intent.prepaid = destroys ? PrepaidPolicy::kDestroy : PrepaidPolicy::kRecycle;
      if (!destroys) TellOfACall(r, MemberState::kVerifying, Reason::kAmbiguous, 1);
      all.push_back(r);
    }
    Start(all);
    Go(hours{1});
    for (int i = 1; i < 80; i += 2) {
      ASSERT_EQ(Told("r" + std::to_string(i)).reason, reason) << i;
      Edit("r" + std::to_string(i), [](RequestObject& r) {
        r.spec.mode = Mode::kDryRun;
        ++r.generation;
      });
    }
    Go(hours{1});
    for (int i = 1; i < 80; i += 2) {
      EXPECT_EQ(Told("r" + std::to_string(i)).state, MemberState::kPlanned) << i;
    }
  }
}

// L1: nor does it keep a place from who may act.
TEST_F(RudeCrowdTest, DryRunsThatAwaitedNothingStarveNobody) {
  RunsForEver();
  BatchObject done = Open();
  done.version = std::to_string(++version_);
  done.phase = BatchPhase::kAbandoned;
  std::vector<RequestObject> all;
  for (int i = 0; i < 33; ++i) {
    RequestObject r = Request("a" + Id(i), {Id(1)});
    TellOfACall(r, MemberState::kWaiting, Reason::kAwaitingBatch, 1);
    r.spec.mode = Mode::kDryRun;
    ++r.generation;
    all.push_back(r);
  }
  all.push_back(Request("z", {Id(1)}));
  Start(all, {done});
  Go(hours{1});
  EXPECT_EQ(called_.size(), 1u) << WordsOf("z");
}

}  // namespace
}  // namespace retirement
