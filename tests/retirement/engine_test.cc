// The engine as a whole: short stories, told as events.
#include "retirement/engine_fixture.h"

namespace retirement {
namespace {

TEST_F(EngineTest, LooksCommitsCallsRecordsAndVerifies) {
  Begin({Request("r", {"ins-00000001", "ins-00000002"})});
  AnswerLook("RUNNING");
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->ids.size(), 2u);
  EXPECT_EQ(Member("r").state, MemberState::kSubmitted);
  AnswerCall(*call, Answered::Outcome::kAccepted);
  EXPECT_EQ(Member("r").state, MemberState::kVerifying);
  ASSERT_TRUE(Take<Record>());
  Step(Recorded{kLane, 1, true, false, false, "200", now_.mono});
  Wait(seconds{2});
  AnswerLook("");
  Wait(seconds{4});
  AnswerLook("");
  EXPECT_EQ(Member("r").state, MemberState::kRetired);
  EXPECT_EQ(Member("r").reason, Reason::kRetiredByUs);
  const auto closing = Take<Record>();
  ASSERT_TRUE(closing);
  EXPECT_EQ(closing->batch.phase, BatchPhase::kVerified);
}

// S3: no call without a committed entry, and none while another process may have written it.
TEST_F(EngineTest, AnEntryThatSomebodyElseWroteIsReadNotCalled) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  Wait(seconds{2});
  const auto commit = Take<Commit>();
  ASSERT_TRUE(commit);
  EXPECT_FALSE(Take<Call>());
  Step(Committed{kLane, 1, Committed::Outcome::kExists, "", ""});
  EXPECT_TRUE(Take<ReadBatch>());
  BatchObject foreign = commit->batch;
  foreign.holder = "another";
  foreign.version = std::to_string(++version_);
  Step(BatchSeen{foreign});
  Wait(seconds{30});
  EXPECT_FALSE(Take<Call>());
  EXPECT_FALSE(Take<Commit>());
  EXPECT_EQ(Member("r").reason, Reason::kAmbiguous);
}

// S4: an unclear answer is settled, observed, and only then decided anew.
TEST_F(EngineTest, AnUnclearCallIsNotRepeatedBeforeItsSettleTime) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  auto call = GoToCall();
  ASSERT_TRUE(call);
  AnswerCall(*call, Answered::Outcome::kUnclear);
  const Millis settle = account_.spec.call_validity + kMaxEffectLag;
  Wait(settle - seconds{5});
  EXPECT_EQ(CountOf<Call>() + CountOf<Commit>(), 0u);
  Wait(seconds{30});
  AnswerLook("RUNNING");
  EXPECT_FALSE(GoToCall()) << "one look is no proof that it left no trace";
  Wait(kLongestLook);
  AnswerLook("RUNNING");
  call = GoToCall();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->sequence, 2u);
}

// S6, S10: what changed between commit and call is honoured.
TEST_F(EngineTest, AHoldBetweenCommitAndCallAbandonsTheBatch) {
  RequestObject r = Request("r", {"ins-00000001"});
  Begin({r});
  AnswerLook("RUNNING");
  Wait(seconds{2});
  const auto commit = Take<Commit>();
  ASSERT_TRUE(commit);
  r.hold = "x=wait";
  r.version = "119";
  Step(RequestSeen{r});
  Step(Committed{kLane, 1, Committed::Outcome::kCreated, "120", ""});
  Wait(seconds{5});
  EXPECT_FALSE(Take<Call>());
  const auto record = Take<Record>();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->batch.phase, BatchPhase::kAbandoned);
}

// S12: an old view is confirmed live, and a difference stops the batch.
TEST_F(EngineTest, AnOldViewIsConfirmedBeforeTheCommit) {
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.not_before = now_.wall + minutes{5};
  Begin({r});
  AnswerLook("RUNNING");
  Wait(minutes{5} + seconds{1});
  AnswerLook("RUNNING");
  Wait(seconds{2});
  EXPECT_FALSE(Take<Commit>());
  const auto confirm = Take<Confirm>();
  ASSERT_TRUE(confirm);
  Confirmed gone{confirm->token, now_.mono, true, {}, {}};
  gone.requests.push_back({r.key, false, "", 0, false, ""});
  gone.account = LiveAccount{"default", true, "account", 1};
  Step(gone);
  Wait(seconds{5});
  EXPECT_FALSE(Take<Commit>());
  EXPECT_TRUE(Take<Reconnect>());
}

// S7: no call outside the lease's validity.
TEST_F(EngineTest, NothingIsCalledAfterTheLease) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  Step(Lead{now_.mono + seconds{1}});
  Wait(seconds{10});
  EXPECT_FALSE(Take<Call>());
  EXPECT_FALSE(Take<Commit>());
}

TEST_F(EngineTest, ACallIsSentBeforeTheEarliestOfItsLimits) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  Step(Lead{now_.mono + seconds{4}});
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  EXPECT_LE(call->send_before, engine_.state().lead_until - kFenceMargin);
  EXPECT_EQ(call->signed_at, committed_.signed_at);
}

// DryRun of an account plans and calls nothing.
TEST_F(EngineTest, AnAccountInDryRunPlansAndWaits) {
  account_.spec.mode = Mode::kDryRun;
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  Wait(minutes{2});
  EXPECT_EQ(CountOf<Commit>() + CountOf<Call>(), 0u);
  EXPECT_EQ(engine_.state().requests.at({"team", "r"})->plan.postpaid, 1);
  const auto write = Take<WriteStatus>();
  ASSERT_TRUE(write);
  EXPECT_EQ(write->status.phase, Phase::kWaiting);
}

TEST_F(EngineTest, ADryRunRequestIsFinalWhenPlanned) {
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.mode = Mode::kDryRun;
  Begin({r});
  AnswerLook("RUNNING");
  Wait(minutes{2});
  EXPECT_EQ(CountOf<Commit>(), 0u);
  EXPECT_EQ(Member("r").state, MemberState::kPlanned);
  EXPECT_EQ(Take<WriteStatus>()->status.phase, Phase::kDryRun);
}

TEST_F(EngineTest, TheOldestRequestOwnsAnInstanceAndTheOtherSharesTheOutcome) {
  RequestObject young = Request("young", {"ins-00000001"});
  young.created += hours{1};
  Begin({Request("old", {"ins-00000001"}), young});
  AnswerLook("RUNNING");
  EXPECT_EQ(Member("young").reason, Reason::kDuplicateRequest);
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  AnswerCall(*call, Answered::Outcome::kAccepted);
  Wait(seconds{2});
  AnswerLook("");
  Wait(seconds{4});
  AnswerLook("");
  EXPECT_EQ(Member("old").state, MemberState::kRetired);
  EXPECT_EQ(Member("young").state, MemberState::kRetired);
}

TEST_F(EngineTest, ARequestThatWantsSomethingElseIsBlockedNotServed) {
  RequestObject young = Request("young", {"ins-00000001"});
  young.created += hours{1};
  young.spec.intent.release_address = true;
  Begin({Request("old", {"ins-00000001"}), young});
  AnswerLook("RUNNING");
  EXPECT_EQ(Member("young").state, MemberState::kBlocked);
  EXPECT_EQ(Member("young").reason, Reason::kDuplicateRequest);
  EXPECT_EQ(Member("young").message_view().find("old"), std::string_view::npos);
}

TEST_F(EngineTest, ThrottlingRepeatsTheSameEntry) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  auto call = GoToCall();
  ASSERT_TRUE(call);
  AnswerCall(*call, Answered::Outcome::kRefusedUnseen,
             {Fault::kThrottled, Reason::kNone, "RequestLimitExceeded", "", {}});
  Wait(seconds{2});
  while (const auto confirm = Take<Confirm>()) Confirmed_(*confirm);
  Wait(seconds{1});
  call = Take<Call>();
  ASSERT_TRUE(call) << actions_.size();
  EXPECT_EQ(call->sequence, 1u);
}

TEST_F(EngineTest, RejectedCredentialsOpenTheBreakerAndAChangeHealsIt) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  AnswerCall(*call, Answered::Outcome::kRefusedUnseen,
             {Fault::kCredentials, Reason::kUnauthorized, "AuthFailure.SecretIdNotFound", "m", {}});
  EXPECT_TRUE(Take<ReadCredentials>());
  const Breaker& breaker = engine_.state().accounts.at("default").calls_breaker;
  EXPECT_EQ(breaker.reason(), "CredentialsRejected");
  // What a call was refused for a look does not heal.
  for (int i = 0; i < 3; ++i) {
    Wait(seconds{1});
    while (const auto look = Take<Observe>()) Answer(*look, "RUNNING");
  }
  EXPECT_TRUE(breaker.open());
  EXPECT_FALSE(Take<Commit>());
  Step(CredentialsChanged{"default", "new-key", "", "", "2"});
  EXPECT_FALSE(breaker.open());
}

TEST_F(EngineTest, ARefusedBatchIsDividedByTheHint) {
  Begin({Request("r", {"ins-00000001", "ins-00000002", "ins-00000003"})});
  AnswerLook("RUNNING");
  auto call = GoToCall();
  ASSERT_TRUE(call);
  AnswerCall(*call, Answered::Outcome::kRejected,
             {Fault::kFinal,
              Reason::kNotReturnable,
              "FailedOperation.Unreturnable",
              "m",
              {*InstanceId::Parse("ins-00000002")}});
  Wait(seconds{1});
  AnswerLook("RUNNING");  // S4: everything is looked at again first
  call = GoToCall();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->ids.size(), 2u);
  AnswerCall(*call, Answered::Outcome::kAccepted);
  call = GoToCall();
  ASSERT_TRUE(call);
  ASSERT_EQ(call->ids.size(), 1u);
  AnswerCall(*call, Answered::Outcome::kRejected,
             {Fault::kFinal, Reason::kNotReturnable, "FailedOperation.Unreturnable", "m", {}});
  EXPECT_EQ(Member("r", 1).state, MemberState::kFailed);
  EXPECT_EQ(Member("r", 1).reason, Reason::kNotReturnable);
}

// E3: what an earlier process wrote is taken over, and written again only if it differs.
TEST_F(EngineTest, ARestartWithNothingToDoWritesNothing) {
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.suspend = true;
  Begin({r});
  AnswerLook("RUNNING");
  Wait(minutes{2});
  const auto write = Take<WriteStatus>();
  ASSERT_TRUE(write);
  r.status = write->status;
  const auto account_write = Take<WriteAccountStatus>();
  ASSERT_TRUE(account_write);
  account_.status = account_write->status;

  engine_ = Engine(Config{{}, hours{720}, "operator", "me-again", {""}});
  actions_.clear();
  wake_ = base::kNever;
  Begin({r});
  Wait(minutes{3});
  EXPECT_EQ(CountOf<WriteStatus>(), 0u);
  EXPECT_EQ(CountOf<WriteAccountStatus>(), 0u);
  EXPECT_EQ(CountOf<Observe>(), 0u);
}

// S8: another account, and the same ids are absent: nothing is retired.
TEST_F(EngineTest, AbsenceUnderOtherCredentialsProvesNothing) {
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.suspend = true;
  Begin({r});
  AnswerLook("RUNNING");
  Step(CredentialsChanged{"default", "other", "", "", "2"});
  r.spec.suspend = false;
  r.generation = 2;
  r.version = "190";
  Step(RequestSeen{r});
  for (int i = 0; i < 20; ++i) {
    Wait(seconds{2});
    while (const auto look = Take<Observe>()) {
      Step(Observed{look->lane, look->ids, now_.mono, "other", std::vector<Sight>{}, {}});
    }
  }
  EXPECT_EQ(Member("r").state, MemberState::kFailed);
  EXPECT_EQ(Member("r").reason, Reason::kNeverObserved);
}

// S5, S6: a request that wants less, seen between commit and call, keeps the instance.
TEST_F(EngineTest, AMilderWishBetweenCommitAndCallAbandonsTheBatch) {
  RequestObject destroy = Request("destroy", {"ins-00000001"});
  destroy.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Begin({destroy});
  AnswerLook("SHUTDOWN", kPrepaid);
  Wait(seconds{2});
  const auto commit = Take<Commit>();
  ASSERT_TRUE(commit);
  EXPECT_EQ(commit->batch.step, retirement::Step::kSecond);
  RequestObject recycle = Request("recycle", {"ins-00000001"});
  recycle.created += hours{1};
  Step(RequestSeen{recycle});
  Step(Committed{kLane, 1, Committed::Outcome::kCreated, "120", ""});
  Wait(seconds{3});
  EXPECT_FALSE(Take<Call>());
  const auto record = Take<Record>();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->batch.phase, BatchPhase::kAbandoned);
}

// S3: who commits number k has read every entry below it.
TEST_F(EngineTest, NothingIsCommittedBeforeAForeignEntryHasBeenRead) {
  Begin({Request("r", {"ins-00000001"}), Request("s", {"ins-00000002"})});
  AnswerLook("RUNNING");
  Wait(seconds{2});
  ASSERT_TRUE(Take<Commit>());
  Step(Committed{kLane, 1, Committed::Outcome::kExists, "", ""});
  for (int i = 0; i < 5; ++i) {
    while (const auto look = Take<Observe>()) Answer(*look, "RUNNING");
    Wait(seconds{2});
  }
  EXPECT_FALSE(Take<Commit>());
  Step(BatchGone{kLane, 1});
  while (const auto look = Take<Observe>()) Answer(*look, "RUNNING");
  Wait(seconds{2});
  while (const auto confirm = Take<Confirm>()) Confirmed_(*confirm);
  Wait(seconds{2});
  const auto commit = Take<Commit>();
  ASSERT_TRUE(commit);
  EXPECT_EQ(commit->batch.sequence, 2u);
}

TEST_F(EngineTest, AForeignEntryThatComesWhileWeCommitDoesNotBlockTheLane) {
  Begin({Request("r", {"ins-00000001"}), Request("s", {"ins-00000002"})});
  AnswerLook("RUNNING");
  Wait(seconds{2});
  const auto commit = Take<Commit>();
  ASSERT_TRUE(commit);
  BatchObject foreign = commit->batch;
  foreign.holder = "another";
  foreign.version = std::to_string(++version_);
  foreign.members.resize(1);
  Step(BatchSeen{foreign});
  Step(Committed{kLane, 1, Committed::Outcome::kExists, "", ""});
  EXPECT_FALSE(engine_.state().lanes.at(kLane).ledger.draft);
  EXPECT_EQ(engine_.state().targets.at(foreign.members[0].id).batch, 1u);
  Wait(seconds{1});
  while (const auto look = Take<Observe>()) Answer(*look, "RUNNING");
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->ids.size(), 1u);
  EXPECT_NE(call->ids[0], foreign.members[0].id);
}

TEST_F(EngineTest, AnAccountThatTheCloudRefusesIsProbedAndHeals) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  auto call = GoToCall();
  ASSERT_TRUE(call);
  AnswerCall(*call, Answered::Outcome::kRejected,
             {Fault::kAccount, Reason::kNone, "InvalidAccount.UnpaidOrder", "m", {}});
  EXPECT_EQ(engine_.state().requests.at({"team", "r"})->not_permitted.reason, "BreakerOpen");
  call = std::nullopt;
  for (int i = 0; i < 40 && !call; ++i) {
    Wait(seconds{1});
    while (const auto look = Take<Observe>()) Answer(*look, "RUNNING");
    while (const auto confirm = Take<Confirm>()) Confirmed_(*confirm);
    if (const auto commit = Take<Commit>()) {
      Step(Committed{kLane, commit->batch.sequence, Committed::Outcome::kCreated,
                     std::to_string(++version_), ""});
    }
    call = Take<Call>();
  }
  ASSERT_TRUE(call) << "the breaker sends no probe";
  AnswerCall(*call, Answered::Outcome::kAccepted);
  EXPECT_EQ(engine_.state().requests.at({"team", "r"})->not_permitted.reason, "");
}

TEST_F(EngineTest, ASecretThatComesLaterIsRead) {
  Begin({Request("r", {"ins-00000001"})});
  Take<Observe>();
  Step(CredentialsChanged{"default", "", "no such Secret", "", ""});
  while (Take<ReadCredentials>()) {
  }
  Wait(seconds{15});
  EXPECT_TRUE(Take<ReadCredentials>());
}

TEST_F(EngineTest, ARequestDeletedWhileItsOnlyInstanceIsCalledCrashesNothing) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  Step(RequestGone{{"team", "r"}});
  AnswerCall(*call, Answered::Outcome::kRejected,
             {Fault::kBlocked,
              Reason::kInstanceProtected,
              "UnsupportedOperation.InstancesProtected",
              "m",
              {}});
  EXPECT_TRUE(engine_.state().requests.empty());
}

// More than a full batch whose sights are about to be too old must not turn in a circle.
TEST_F(EngineTest, AFullQueueOfAgeingSightsIsLookedAtAgain) {
  std::vector<std::string> ids;
  for (int i = 0; i < 150; ++i) ids.push_back("ins-" + std::to_string(10'000'000 + i));
  account_.spec.paused = true;
  Begin({Request("r", ids)});
  Wait(seconds{1});
  while (const auto look = Take<Observe>()) Answer(*look, "RUNNING", kPrepaid);
  Wait(kPrepaidSightAge - kCommitAhead - Millis{500});
  account_.spec.paused = false;
  account_.generation = 2;
  account_.version = "90";
  Step(AccountSeen{account_});
  Wait(seconds{2});
  EXPECT_FALSE(Take<Commit>());
  EXPECT_TRUE(Take<Observe>());
}

TEST_F(EngineTest, WatchedNamespacesAreAllListedBeforeAnythingIsDone) {
  engine_ = Engine(Config{{}, hours{720}, "operator", "me", {"team", "other"}});
  const auto list = [&](const Stream& stream, const std::vector<Event>& objects) {
    Step(ResetBegin{stream});
    for (const Event& e : objects) Step(e);
    Step(ResetEnd{stream, "100", now_.mono});
  };
  Step(Lead{base::kNever});
  list({Kind::kBatch, ""}, {});
  list({Kind::kAccount, ""}, {AccountSeen{account_}});
  list({Kind::kRequest, "team"}, {RequestSeen{Request("r", {"ins-00000001"})}});
  Step(CredentialsChanged{"default", "key", "", "", ""});
  Wait(seconds{5});
  EXPECT_FALSE(Take<Observe>());
  list({Kind::kRequest, "other"}, {});
  Wait(seconds{1});
  EXPECT_TRUE(engine_.state().requests.contains({"team", "r"}));
  EXPECT_TRUE(Take<Observe>());
}

TEST_F(EngineTest, ADryRunThatBecameExecuteWhileWeWereAwayIsExecuted) {
  RequestObject r = Request("r", {"ins-00000001"});
  r.generation = 2;
  r.status.observed_generation = 1;
  MemberStatus planned;
  planned.id = r.spec.members[0].id;
  planned.state = MemberState::kPlanned;
  planned.reason = Reason::kWouldRetire;
  r.status.members.push_back(planned);
  Begin({r});
  AnswerLook("RUNNING");
  EXPECT_TRUE(GoToCall());
}

TEST_F(EngineTest, AMemberThatFallsBackDoesNotBeginTheGraceAnew) {
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.grace = minutes{10};
  r.status.accepted = now_.wall - hours{1};
  r.status.observed_generation = 1;
  Begin({r});
  AnswerLook("RUNNING");
  const auto call = GoToCall();
  ASSERT_FALSE(call) << "a member that is new counts from its own time";
  for (int i = 0; i < 12; ++i) {
    Wait(minutes{1});
    while (const auto look = Take<Observe>()) Answer(*look, "RUNNING");
  }
  EXPECT_EQ(engine_.state().requests.at({"team", "r"})->not_permitted.reason, "");
}

TEST_F(EngineTest, ExpiryCancelsWhatHasNotBegun) {
  RequestObject r = Request("r", {"ins-00000001"});
  r.spec.suspend = true;
  r.spec.expires_at = now_.wall + minutes{1};
  Begin({r});
  AnswerLook("RUNNING");
  Wait(minutes{2});
  EXPECT_EQ(Member("r").state, MemberState::kCancelled);
  EXPECT_EQ(Member("r").reason, Reason::kExpired);
}

TEST_F(EngineTest, StopBeginsNothingAndFinishesWhatIsInFlight) {
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  const auto call = GoToCall();
  ASSERT_TRUE(call);
  StepResult result = engine_.Step(Stop{}, now_);
  EXPECT_FALSE(result.quiescent);
  result =
      engine_.Step(Answered{kLane, 1, Answered::Outcome::kAccepted, "id", {}, false, {}}, now_);
  EXPECT_FALSE(result.quiescent);  // its record is on its way
  result = engine_.Step(Recorded{kLane, 1, true, false, false, "300", now_.mono}, now_);
  EXPECT_TRUE(result.quiescent);
}

// engine.h, looks: 4,000 prepaid instances at one call a second are not described again and again.
TEST_F(EngineTest, LooksOnlyAsFarAheadAsItsCallsCanFollow) {
  account_.spec.terminate_per_second = 1;
  std::vector<RequestObject> requests;
  int64_t looked = 0;
  for (int i = 0; i < 20; ++i) {
    std::vector<std::string> ids;
    for (int m = 0; m < 200; ++m) {
      const std::string number = std::to_string(10'000 + i * 200 + m);
      ids.push_back("ins-000" + number);
    }
    requests.push_back(Request("r" + std::to_string(i), ids));
  }
  Begin(requests);
  for (int i = 0; i < 200; ++i) {
    while (const auto look = Take<Observe>()) {
      looked += int64_t(look->ids.size());
      Answer(*look, "RUNNING", kPrepaid);
    }
    while (const auto confirm = Take<Confirm>()) Confirmed_(*confirm);
    while (const auto commit = Take<Commit>()) {
      Step(Committed{kLane, commit->batch.sequence, Committed::Outcome::kCreated,
                     std::to_string(++version_), ""});
    }
    while (const auto call = Take<Call>()) calls_.push_back(call->ids.size());
    Wait(milliseconds{100});
  }
  // 20 s at one call a second; 4,000 looks were the first ones, at most 30 s ahead.
  EXPECT_GE(calls_.size(), 15u);
  EXPECT_LT(looked, 4'000 + 20 * 250);
}

// S12: an entry that was read live says nothing about how far the watch has come.
TEST_F(EngineTest, AnEntryReadLiveIsNoProgressOfTheWatch) {
  echoes_ = false;
  Begin({Request("r", {"ins-00000001"})});
  AnswerLook("RUNNING");
  Wait(seconds{2});
  if (const auto confirm = Take<Confirm>()) Confirmed_(*confirm);
  const auto commit = Take<Commit>();
  ASSERT_TRUE(commit);
  Step(Committed{kLane, commit->batch.sequence, Committed::Outcome::kCreated, "500", ""});
  BatchObject foreign = Open();
  foreign.lane.account = "second";
  foreign.members[0].id = *InstanceId::Parse("ins-00000002");
  foreign.version = "900";
  Step(BatchSeen{foreign, true});
  Wait(seconds{1});
  EXPECT_FALSE(Take<Call>());
  Step(Bookmark{{Kind::kBatch, ""}, "901"});
  Wait(seconds{1});
  EXPECT_TRUE(Take<Call>());
}

}  // namespace
}  // namespace retirement
