// What is remembered of instances and entries: over edits, restarts, other writers; and what is
// forgotten.
#include "retirement/engine_fixture.h"

namespace retirement {
namespace {

class MemoryTest : public EngineTest {
 protected:
  BatchObject InPhase(BatchPhase phase) {
    BatchObject entry = Open();
    entry.phase = phase;
    return entry;
  }
  /// Answers every look for `time`.
  void Look(Millis time, const char* state, const std::string& credential = "key") {
    for (const Mono end = now_.mono + time; now_.mono < end; Wait(seconds{1})) {
      while (const auto look = Take<Observe>()) {
        std::vector<Sight> sights;
        for (const InstanceId id : look->ids) {
          Sight s;
          s.id = id;
          s.state = state;
          s.charge = ChargeType("POSTPAID_BY_HOUR");
          if (*state != '\0') sights.push_back(s);
        }
        Step(Observed{look->lane, look->ids, now_.mono, credential, sights, {}});
      }
      while (const auto r = Take<Record>()) {
        recorded_ = r->batch;
        Step(Recorded{r->batch.lane, r->batch.sequence, true, false, false,
                      std::to_string(++version_), now_.mono});
      }
    }
  }
  BatchObject recorded_;
};

// S8: an edit of the spec does not make an instance one that was never seen.
TEST_F(MemoryTest, AnEditKeepsWhatWasSeen) {
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.suspend = true;
  Begin({r});
  Look(seconds{3}, "STOPPING");
  r.spec.suspend = false;
  r.generation = 2;
  r.version = "200";
  Step(RequestSeen{r});
  Look(kForeignAbsence + kAbsenceLook * 2, "");
  EXPECT_EQ(Member("r").state, MemberState::kRetired);
  EXPECT_EQ(Member("r").reason, Reason::kRetiredByOther);
}

// S4, S8: who never saw it cannot say that a call left it untouched.
TEST_F(MemoryTest, AnAbsenceUnderOtherCredentialsClosesNothing) {
  Begin({Request("r", {"ins-00000001"})}, {InPhase(BatchPhase::kIntent)});
  Look(seconds{5}, "RUNNING");
  Step(CredentialsChanged{"default", "key2", "", "", ""});
  Look(minutes{5}, "", "key2");
  EXPECT_FALSE(IsClosed(recorded_.phase));
  EXPECT_FALSE(IsFinal(Member("r").state));
}

// S8: what the log says was retired, a look may still show for as long as answers may lag.
TEST_F(MemoryTest, ALaggingLookIsNoResurrection) {
  BatchObject closed = InPhase(BatchPhase::kVerified);
  closed.verified = now_.wall;
  closed.members[0].result = BatchResult::kRetired;
  Begin({Request("r", {"ins-00000001"})}, {closed});
  Look(seconds{40}, "RUNNING");
  EXPECT_FALSE(IsFinal(Member("r").state));
  Look(seconds{60}, "");
  EXPECT_EQ(Member("r").state, MemberState::kRetired);
}

// S5: an entry that was never sent does not hide an earlier one that was, in its lane or another.
TEST_F(MemoryTest, AnAbandonedEntryHidesNoCall) {
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  for (const char* region : {"ap-guangzhou", "ap-shanghai"}) {
    BatchObject sent = InPhase(BatchPhase::kVerified);
    sent.verified = now_.wall;
    sent.members[0].result = BatchResult::kRecycled;
    BatchObject abandoned = InPhase(BatchPhase::kAbandoned);
    abandoned.lane.region = region;
    abandoned.sequence = 2;
    engine_ = Engine(Config{{}, hours{720}, "operator", "me", {""}});
    actions_.clear();
    Begin({Request("r", {"ins-00000001"})}, {sent, abandoned});
    for (int i = 0; i < 10; ++i) {
      while (const auto look = Take<Observe>()) Answer(*look, "RUNNING", "PREPAID");
      while (const auto c = Take<Confirm>()) Confirmed_(*c);
      Wait(seconds{5});
      EXPECT_FALSE(Take<Commit>()) << region;
    }
  }
}

// L1: a call whose request was deleted is finished and recorded, after a restart, too.
TEST_F(MemoryTest, AnOpenEntryWithoutItsRequestIsClosed) {
  Begin({}, {InPhase(BatchPhase::kAccepted)});
  Look(seconds{30}, "");
  EXPECT_EQ(recorded_.phase, BatchPhase::kVerified);
  EXPECT_EQ(recorded_.members.at(0).result, BatchResult::kRetired);
}

// An entry whose members were all observed, but that was never recorded as closed, is closed.
TEST_F(MemoryTest, AnOpenEntryWithEveryResultIsClosed) {
  BatchObject entry = InPhase(BatchPhase::kAccepted);
  entry.members[0].result = BatchResult::kRetired;
  Begin({}, {entry});
  Look(seconds{3}, "");
  EXPECT_EQ(recorded_.phase, BatchPhase::kVerified);
}

// S3: an open entry that somebody deleted is written again, as often as that takes.
TEST_F(MemoryTest, ADeletedOpenEntryIsWrittenAgain) {
  Begin({}, {InPhase(BatchPhase::kAccepted)});
  Step(BatchGone{kLane, 1});
  auto again = Take<Commit>();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->batch.sequence, 1u);
  Step(Committed{kLane, 1, Committed::Outcome::kFailed, "", ""});
  Wait(seconds{10});
  ASSERT_TRUE(Take<Commit>());
  Step(Committed{kLane, 1, Committed::Outcome::kCreated, "300", ""});
  const auto record = Take<Record>();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->batch.version, "300");
  EXPECT_EQ(record->batch.phase, BatchPhase::kAccepted);
}

// Two installations see one request; who does not serve it goes on from what the other wrote.
TEST_F(MemoryTest, TheStatusOfAnotherInstallationIsAdopted) {
  account_.status.installation = "elsewhere";
  RequestObject r = Request("r", {"ins-00000001"});
  Begin({r});
  r.status.observed_generation = 1;
  r.status.accepted = now_.wall;
  r.status.members.push_back({r.spec.members[0].id, MemberState::kRecycled, Reason::kRetiredByUs});
  r.version = "300";
  Step(RequestSeen{r});
  EXPECT_EQ(Member("r").state, MemberState::kRecycled);
  Wait(minutes{2});
  EXPECT_FALSE(Take<WriteStatus>());
}

// The log of an account that another installation serves is that one's to keep.
TEST_F(MemoryTest, ALogIsDeletedByWhoServesItsAccount) {
  account_.status.installation = "elsewhere";
  std::vector<BatchObject> log;
  for (uint64_t sequence = 1; sequence <= 2; ++sequence) {
    log.push_back(InPhase(BatchPhase::kVerified));
    log.back().sequence = sequence;
    log.back().verified = now_.wall - hours{1000};
  }
  Begin({}, log);
  Wait(minutes{3});
  EXPECT_FALSE(Take<DeleteBatch>());
}

// E4: names of accounts and regions that nobody serves, and instances that nobody names any more,
// take no memory.
TEST_F(MemoryTest, WhatNobodyNamesIsForgotten) {
  Begin({});
  const size_t lanes = engine_.state().lanes.size();
  for (int i = 0; i < 50; ++i) {
    RequestObject r = Request("r" + std::to_string(i), {"ins-00000001"});
    r.spec.account = "account-" + std::to_string(i);
    Step(RequestSeen{r});
    Step(RequestGone{r.key});
  }
  EXPECT_EQ(engine_.state().lanes.size(), lanes);
  EXPECT_TRUE(engine_.state().targets.empty());
}

}  // namespace
}  // namespace retirement
