// What is seen, where and under which credentials, and how far it reaches.
#include "retirement/engine_fixture.h"

namespace retirement {
namespace {

// S8: what another lane sees is no sight here; after a restart its absence here proves nothing.
TEST_F(EngineTest, ASightInAnotherRegionIsNoneHere) {
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  RequestObject there = Request("there", {"ins-00000001"});
  there.spec.region = "ap-shanghai";
  there.spec.suspend = true;
  Begin({Request("here", {"ins-00000001"}), there});
  for (int i = 0; i < 6; ++i) {
    while (const auto look = Take<Observe>()) {
      Answer(*look, look->lane == kLane ? "RUNNING" : "");
    }
    Wait(milliseconds{200});
  }
  EXPECT_EQ(Member("here").charge.view(), "POSTPAID_BY_HOUR");
  EXPECT_TRUE(Member("there").charge.empty());
}

// S8: a status tells with which credentials its members were seen; others may see nothing.
TEST_F(EngineTest, ARestoredSightIsBoundToItsCredentials) {
  for (const bool same : {true, false}) {
    RequestObject r = Request("r" + std::to_string(same), {"ins-0000000" + std::to_string(same)});
    r.status.observed_generation = 1;
    r.status.accepted = now_.wall;
    r.status.members.push_back({r.spec.members[0].id, MemberState::kWaiting});
    r.status.members[0].charge = ChargeType("POSTPAID_BY_HOUR");
    r.status.conditions.push_back(
        {"Planned", ConditionStatus::kTrue, "PlanReady",
         std::string("1 calls; seen with credentials ") + (same ? "key" : "another"), now_.wall,
         1});
    engine_ = Engine(Config{{}, hours{720}, "operator", "me", {""}});
    actions_.clear();
    Begin({r});
    for (int i = 0; i < 100; ++i) {
      while (const auto look = Take<Observe>()) Answer(*look, "");
      Wait(seconds{4});
    }
    const MemberStatus& m = Member(r.key.name);
    EXPECT_EQ(m.reason, same ? Reason::kAlreadyGone : Reason::kNeverObserved);
    EXPECT_EQ(m.state, same ? MemberState::kRetired : MemberState::kFailed);
  }
}

// S8, S9: an answer may miss an instance; two that do, with a long time between, prove nothing.
TEST_F(EngineTest, TwoAbsencesFarApartAreNoRow) {
  RequestObject r = Request("r", {"ins-00000001"});
  Begin({r});
  AnswerLook("STOPPING");
  Wait(seconds{15});
  AnswerLook("");
  account_.spec.paused = true;
  account_.generation = 2;
  account_.version = "200";
  Step(AccountSeen{account_});
  actions_.clear();
  Wait(minutes{3});
  account_.spec.paused = false;
  account_.generation = 3;
  account_.version = "201";
  Step(AccountSeen{account_});
  Wait(milliseconds{150});
  AnswerLook("");
  const Mono begun = now_.mono;
  for (; now_.mono < begun + kForeignAbsence; Wait(seconds{1})) {
    EXPECT_FALSE(IsFinal(Member("r").state));
    while (const auto look = Take<Observe>()) Answer(*look, "");
  }
  for (; now_.mono < begun + kForeignAbsence + kAbsenceLook * 2; Wait(seconds{1})) {
    while (const auto look = Take<Observe>()) Answer(*look, "");
  }
  EXPECT_EQ(Member("r").state, MemberState::kRetired);
}

// S8: an answer that is late and comes from elsewhere does not make one absence a row of them.
TEST_F(EngineTest, ALateAnswerFromElsewhereProvesNoAbsence) {
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  RequestObject r = Request("r", {"ins-00000001"});
  Begin({r});
  AnswerLook("STOPPING");
  const Mono sent = now_.mono;
  Wait(seconds{15});
  AnswerLook("");
  Step(Observed{
      {"default", "ap-shanghai"}, {r.spec.members[0].id}, sent, "key", std::vector<Sight>{}, {}});
  EXPECT_FALSE(IsFinal(Member("r").state));
}

// S4, S5: the entry was deleted by hand, its status still speaks of it; it may be on its way.
TEST_F(EngineTest, AStatusStandsInForADeletedEntry) {
  using S = MemberState;
  for (const auto& [left, why] :
       {std::pair(S::kVerifying, Reason::kNone), std::pair(S::kWaiting, Reason::kAmbiguous)}) {
    for (const bool removed : {false, true}) {
      RequestObject r = Request("r", {"ins-00000001", "ins-00000002"});
      r.status.observed_generation = 1;
      r.status.accepted = now_.wall;
      for (const MemberSpec& m : r.spec.members) r.status.members.push_back({m.id, left, why});
      r.status.members[1].batch = 3;
      if (removed) r.spec.members.pop_back();
      engine_ = Engine(Config{{}, hours{720}, "operator", "me", {""}});
      actions_.clear();
      Begin({r, Request("other", {"ins-00000002"})});
      for (int i = 0; i < 30; ++i) {
        while (const auto look = Take<Observe>()) Answer(*look, "RUNNING", "PREPAID");
        while (const auto c = Take<Confirm>()) Confirmed_(*c);
        Wait(seconds{4});
        while (const auto c = Take<Commit>()) {
          for (const BatchMember& m : c->batch.members) {
            EXPECT_NE(m.id, *InstanceId::Parse("ins-00000002")) << int(left) << removed;
          }
          Step(Committed{kLane, c->batch.sequence, Committed::Outcome::kFailed, "", ""});
        }
      }
    }
  }
}

// S5: a member that is done in an entry that is still open for others was called like they were.
TEST_F(EngineTest, AResultInAnOpenEntryIsACall) {
  BatchObject entry = Open("PREPAID");
  entry.phase = BatchPhase::kAccepted;
  entry.members.push_back({*InstanceId::Parse("ins-00000002"), {"team", "gone"}, "x", {}, {}});
  entry.members[0].result = BatchResult::kRecycled;
  Begin({Request("r", {"ins-00000001"})}, {entry});
  for (int i = 0; i < 10; ++i) {
    while (const auto look = Take<Observe>()) Answer(*look, "RUNNING", "PREPAID");
    while (const auto c = Take<Confirm>()) Confirmed_(*c);
    Wait(seconds{5});
    EXPECT_FALSE(Take<Commit>()) << "an answer that lags justified a second call";
  }
}

// S8: what waits to be packed was seen with the credentials that the call is to be made with, even
// while a look is on its way for somebody else.
TEST_F(EngineTest, OtherCredentialsTakeASightOutOfThePack) {
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.suspend = true;
  Begin({r});
  AnswerLook("RUNNING");
  RequestObject plan = Request("plan", {"ins-00000001"});
  plan.spec.region = "ap-shanghai";
  plan.spec.suspend = true;
  Step(RequestSeen{plan});
  Wait(milliseconds{200});
  ASSERT_TRUE(Take<Observe>());  // stays unanswered
  r.spec.suspend = false;
  r.generation = 2;
  r.version = "200";
  Step(RequestSeen{r});
  ASSERT_EQ(engine_.state().targets.at(r.spec.members[0].id).place, Place::kPack);
  Step(CredentialsChanged{"default", "key2", "", "", ""});
  EXPECT_FALSE(GoToCall());
}

// L1: a hold ends with its request's expiry, also when that comes while a call is being verified.
TEST_F(EngineTest, AnExpiredRequestHoldsNobodyBack) {
  RequestObject held = Request("r", {"ins-00000001"});
  held.hold = "x=somebody: looking";
  held.spec.expires_at = now_.wall + seconds{20};
  Begin({held, Request("waits", {"ins-00000001"})}, {Open()});
  std::optional<Commit> commit;
  for (int i = 0; i < 60 && !commit; ++i) {
    while (const auto look = Take<Observe>()) Answer(*look, "RUNNING");
    while (const auto c = Take<Confirm>()) Confirmed_(*c);
    Wait(seconds{3});
    commit = Take<Commit>();
  }
  ASSERT_TRUE(commit);
  EXPECT_EQ(commit->batch.members.at(0).uid, "uid-waits");
}

// A Secret that was swapped is noticed by looks, too.
TEST_F(EngineTest, LooksKeepTheCredentialsFresh) {
  RequestObject r = Request("r", {"ins-00000001"});
  Begin({r});
  AnswerLook("STOPPING");
  actions_.clear();
  for (int i = 0; i < 6; ++i) {
    Wait(seconds{5});
    while (const auto look = Take<Observe>()) Answer(*look, "STOPPING");
  }
  EXPECT_GE(CountOf<ReadCredentials>(), 1u);
}

// A plan in another region does not wait for an owner here that waits for a person.
TEST_F(EngineTest, APlanElsewhereDoesNotWaitForABlockedOwner) {
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  RequestObject plan = Request("plan", {"ins-00000001"});
  plan.spec.region = "ap-shanghai";
  plan.spec.mode = Mode::kDryRun;
  Begin({Request("r", {"ins-00000001"}), plan});
  for (int i = 0; i < 10; ++i) {
    while (const auto look = Take<Observe>()) {
      Answer(*look, look->lane == kLane ? "BANNING" : "");
    }
    Wait(milliseconds{200});
  }
  EXPECT_EQ(Member("r").state, MemberState::kBlocked);
  EXPECT_EQ(Member("plan").state, MemberState::kPlanned);
}

// The newest entry of a lane is never deleted: the next number comes from it.
TEST_F(EngineTest, OldEntriesAreDeletedButTheNewest) {
  std::vector<BatchObject> log;
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    BatchObject b;
    b.lane = kLane;
    b.sequence = sequence;
    b.version = std::to_string(sequence);
    b.phase = BatchPhase::kVerified;
    b.verified = now_.wall - hours{1000};
    b.members.push_back({*InstanceId::Parse("ins-00000001"), {"team", "r"}, "uid", {}, {}});
    log.push_back(b);
  }
  RequestObject r = Request("r", {"ins-00000009"});
  r.spec.suspend = true;
  Begin({r}, log);
  Wait(minutes{2});
  EXPECT_FALSE(Take<DeleteBatch>()) << "a clock of ours alone deletes nothing";
  AnswerLook("RUNNING");
  Wait(minutes{2});
  std::vector<uint64_t> deleted;
  while (const auto d = Take<DeleteBatch>()) deleted.push_back(d->sequence);
  std::sort(deleted.begin(), deleted.end());
  EXPECT_EQ(deleted, (std::vector<uint64_t>{1, 2}));
}

// A look that a batch still had to come is not left behind in its lane: its target may go.
TEST_F(EngineTest, ALookGoesWhereItsTargetGoes) {
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  BatchObject entry = Open();
  entry.members[0].uid = "of a request that is gone";
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.region = "ap-shanghai";
  Begin({r}, {entry});
  ASSERT_FALSE(engine_.state().lanes.at(kLane).looks.empty());
  entry.version = "30";
  entry.phase = BatchPhase::kVerified;
  entry.verified = now_.wall;
  entry.members[0].result = BatchResult::kUntouched;
  Step(BatchSeen{entry});
  EXPECT_TRUE(engine_.state().lanes.at(kLane).looks.empty());
}

}  // namespace
}  // namespace retirement
