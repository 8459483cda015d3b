// What is taken for proof: of absence (S8), of a call without effect (S5, S8a), of who looks.
#include "retirement/small_world.h"

namespace retirement {
namespace {

class EvidenceTest : public SmallWorld {
 protected:
  int Final(const std::string& name) {
    return CountOfState(name, MemberState::kRetired) + CountOfState(name, MemberState::kFailed);
  }
  /// So that its entry waits to be called again.
  void ThrottleTheFirstCall() {
    terminate_ = [this](const Call&, Answered& a) {
      if (called_.size() > 1) return;
      a.outcome = Answered::Outcome::kRefusedUnseen;
      a.refusal = {Fault::kThrottled, Reason::kNone, "RequestLimitExceeded", "", {}};
    };
  }
};

// Nothing may end because the service answers nonsense for a while.
TEST_F(EvidenceTest, AnEmptyAnswerEndsNothing) {
  bool empty = false;
  describe_ = [&](const Observe& a) { return empty ? std::vector<Sight>{} : All(a, "STARTING"); };
  Start({Request("r", Ids(1, 100))});
  Go(seconds{10});
  empty = true;
  Go(seconds{20});
  EXPECT_EQ(AccountReady().reason, "SuspiciousAnswers") << WordsOfAccount();
  Go(minutes{20});
  EXPECT_EQ(Final("r"), 0) << "twenty minutes of empty answers";
  EXPECT_NE(std::string(Told("r").message_view()).find("requestedAt"), std::string::npos);
  empty = false;
  Go(minutes{3});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
  EXPECT_EQ(Final("r"), 0);
}

TEST_F(EvidenceTest, WhatStaysAwayIsBelievedInTime) {
  bool empty = false;
  describe_ = [&](const Observe& a) { return empty ? std::vector<Sight>{} : All(a, "STARTING"); };
  Start({Request("r", Ids(1, 100))});
  Go(seconds{10});
  empty = true;
  Go(kSuspiciousAbsence + minutes{3});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 100);
  EXPECT_EQ(Told("r").reason, Reason::kRetiredByOther);
}

TEST_F(EvidenceTest, APersonMayBelieveItEarlier) {
  bool empty = false;
  describe_ = [&](const Observe& a) { return empty ? std::vector<Sight>{} : All(a, "STARTING"); };
  Start({Request("r", Ids(1, 100))});
  Go(seconds{10});
  empty = true;
  Go(minutes{1});
  Edit("r", [](RequestObject& r) { r.requested_at = "they are gone indeed"; });
  Go(kForeignAbsence + minutes{2});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 100);
}

// A few may vanish: somebody else retired them.
TEST_F(EvidenceTest, AFewThatVanishAreBelievedAfterFiveMinutes) {
  describe_ = [this](const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      if (!gone_.contains(id)) sights.push_back(Is(id, "STARTING"));
    }
    return sights;
  };
  Start({Request("r", Ids(1, 100))});
  Go(seconds{10});
  for (int i = 1; i <= 3; ++i) gone_.insert(Parsed(Id(i)));
  Go(kForeignAbsence - minutes{1});
  EXPECT_EQ(Final("r"), 0);
  Go(minutes{3});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 3);
}

// Another endpoint is another world, whoever looks.
TEST_F(EvidenceTest, AbsenceAtAnotherEndpointIsNoSuccess) {
  describe_ = [&](const Observe& a) {
    const bool abroad = a.options.endpoint.find("intl") != std::string::npos;
    return abroad ? std::vector<Sight>{} : All(a, "RUNNING");
  };
  RequestObject r = Request("r", Ids(1, 100));
  r.spec.not_before = now_.wall + minutes{10};
  Start({r});
  Go(minutes{2});
  EditAccount([](AccountObject& a) { a.spec.endpoint = "https://cvm.intl.tencentcloudapi.com"; });
  Go(hours{1});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 0);
  EXPECT_TRUE(called_.empty());
}

// What was committed for one endpoint is not sent to another.
TEST_F(EvidenceTest, ACallGoesOutAsItsEntrySays) {
  ThrottleTheFirstCall();
  Start({Request("r", Ids(1, 1))});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  EditAccount([](AccountObject& a) { a.spec.endpoint = "https://cvm.intl.tencentcloudapi.com"; });
  Go(minutes{1});
  for (const Call& c : called_) {
    EXPECT_EQ(c.options.endpoint, log_.at({c.lane, c.sequence}).endpoint);
  }
}

// S6: right before the call every member is judged anew.
TEST_F(EvidenceTest, AnExpectationThatComesBetweenCommitAndCallIsHonoured) {
  ThrottleTheFirstCall();
  Start({Request("r", Ids(1, 1))});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  Edit("r", [](RequestObject& r) {
    ++r.generation;
    r.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"another-machine", ""});
  });
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
  EXPECT_EQ(Told("r").reason, Reason::kExpectMismatch);
}

// S6: what a look shows between commit and call counts.
TEST_F(EvidenceTest, WhatChangesBetweenCommitAndCallIsSeen) {
  ThrottleTheFirstCall();
  Start({Request("r", Ids(1, 1))});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  describe_ = [this](const Observe& a) {
    std::vector<Sight> sights = All(a, "RUNNING");
    for (Sight& s : sights) s.protected_from_termination = true;
    return sights;
  };
  const Observe look{kLane, called_[0].options, {Parsed(Id(1))}};
  Observed shown{kLane,
                 look.ids,
                 now_.mono,
                 key_,
                 describe_(look),
                 ServiceTime{std::chrono::floor<seconds>(now_.wall), now_.mono},
                 look.options.endpoint};
  Tell(shown);
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
  EXPECT_EQ(Told("r").reason, Reason::kInstanceProtected);
}

// S2: one entry goes out with the same options however often it is sent.
TEST_F(EvidenceTest, AnEntryKeepsItsOptions) {
  ThrottleTheFirstCall();
  Start({Request("r", Ids(1, 1))});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  EditAccount([](AccountObject& a) { a.spec.signature = "HmacSHA256"; });
  Go(minutes{2});
  for (const Call& c : called_) {
    if (c.sequence != called_[0].sequence) continue;
    EXPECT_EQ(c.options, called_[0].options);
  }
  EXPECT_GT(called_.size(), 1u);
}

// S8a: a machine that shuts down slowly shows no sign that the call failed.
TEST_F(EvidenceTest, AnAcceptedPrepaidCallIsNotRepeatedWhileItShutsDown) {
  Mono accepted{};
  describe_ = [&](const Observe& a) {
    if (accepted == Mono{}) return All(a, "RUNNING", kPrepaid);
    const Millis age = now_.mono - accepted;
    const char* state = age < seconds{90}    ? "STOPPING"
                        : age < seconds{130} ? "STOPPED"
                                             : "SHUTDOWN";
    return All(a, state, kPrepaid);
  };
  terminate_ = [&](const Call&, Answered&) { accepted = now_.mono; };
  Start({Request("r", Ids(1, 1))});
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
  EXPECT_EQ(Told("r").state, MemberState::kRecycled);
  EXPECT_EQ(log_.begin()->second.members[0].result, BatchResult::kRecycled);
}

TEST_F(EvidenceTest, AnOperationThatFailedByItsOwnWordsIsRepeated) {
  bool failed = false;
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights = All(a, gone_.empty() ? "RUNNING" : "SHUTDOWN", kPrepaid);
    for (Sight& s : sights) {
      s.terminated_last = s.operation_failed = failed;
      if (failed) s.operation_request = CloudRequestId("request-id");
    }
    return sights;
  };
  terminate_ = [&](const Call& c, Answered&) {
    if (called_.size() == 2) gone_.insert(c.ids.begin(), c.ids.end());
    failed = called_.size() == 1;
  };
  Start({Request("r", Ids(1, 1))});
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 2u);
  EXPECT_EQ(Told("r").state, MemberState::kRecycled);
}

// S5: an unclear call on a site with a bin for pay-as-you-go, and answers without a charge type.
TEST_F(EvidenceTest, WhatIsInABinIsNeverCalledAgain) {
  for (const char* charge : {"POSTPAID_BY_HOUR", ""}) {
    Fresh();
    describe_ = [&](const Observe& a) {
      return called_.empty() ? All(a, "RUNNING") : All(a, "SHUTDOWN", charge);
    };
    terminate_ = [](const Call&, Answered& a) { a.outcome = Answered::Outcome::kUnclear; };
    Start({Request("r", Ids(1, 1))});
    Go(minutes{20});
    EXPECT_EQ(called_.size(), 1u) << charge;
    EXPECT_EQ(Told("r").state, MemberState::kRecycled) << charge << WordsOf("r");
  }
}

// A fault of the service may have worked: it is observed before anything is said.
TEST_F(EvidenceTest, AServiceFaultIsNeverCalledNobodysWork) {
  terminate_ = [this](const Call& c, Answered& a) {
    gone_.insert(c.ids.begin(), c.ids.end());
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kServer, Reason::kNone, "InternalServerError", "Internal error.", {}};
  };
  Start({Request("r", Ids(1, 1))});
  Go(minutes{10});
  EXPECT_EQ(Told("r").state, MemberState::kRetired);
  EXPECT_EQ(Told("r").reason, Reason::kRetiredByUs);
  EXPECT_EQ(log_.begin()->second.members[0].result, BatchResult::kRetired);
  EXPECT_EQ(called_.size(), 1u);
}

// A whole batch that vanishes after an unclear call is what it was called for.
TEST_F(EvidenceTest, ABatchThatVanishesAfterAnUnclearCallIsNoSurprise) {
  terminate_ = [this](const Call& c, Answered& a) {
    gone_.insert(c.ids.begin(), c.ids.end());
    a.outcome = Answered::Outcome::kUnclear;
  };
  Start({Request("r", Ids(1, 100))});
  Go(minutes{12});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 100) << WordsOfAccount();
  EXPECT_EQ(Told("r").reason, Reason::kRetiredByUs);
}

// Two keys of one account: a living instance that both see is enough.
TEST_F(EvidenceTest, AKeyRotatedInOneAccountIsRecognizedByAWitness) {
  RequestObject witness = Request("witness", Ids(900, 2));
  witness.spec.suspend = true;
  Start({Request("r", Ids(1, 100)), witness});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  Rotate("new-key");
  Go(minutes{5});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 100) << WordsOf("r").substr(0, 600);
  EXPECT_EQ(OpenEntries(), 0u);
}

// Without a witness nobody can know: it is told, and a person ends the entry.
TEST_F(EvidenceTest, WithoutAWitnessAPersonEndsTheEntry) {
  Start({Request("r", Ids(1, 100))});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  Rotate("new-key");
  Go(minutes{20});
  EXPECT_EQ(OpenEntries(), 1u);
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 0);
  ASSERT_NE(WordsOf("r").find("cvm-retirement.dev/close"), std::string::npos);
  BatchObject& entry = log_.begin()->second;
  entry.close = "ops: the key was rotated";
  entry.version = std::to_string(++version_);
  Tell(BatchSeen{BatchObject(entry)});
  Go(minutes{1});
  EXPECT_EQ(OpenEntries(), 0u);
  EXPECT_EQ(log_.begin()->second.error_message, "ops: the key was rotated");
  EXPECT_EQ(log_.begin()->second.members[0].result, BatchResult::kUnknown);
}

// A restart with another key knows no more than the one before.
TEST_F(EvidenceTest, AWitnessCountsAfterARestart) {
  RequestObject witness = Request("witness", Ids(900, 2));
  witness.spec.suspend = true;
  Start({witness});
  Go(seconds{10});
  Put(Request("r", Ids(1, 20)));
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  Go(milliseconds{400});
  key_ = "new-key";
  Restart();
  Go(minutes{8});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 20) << WordsOf("r").substr(0, 600);
}

// The entry of an account that is gone is observed through the one that names the instance now.
TEST_F(EvidenceTest, AnEntryOfAnAccountThatIsGoneHidesNothing) {
  BatchObject open = Open();
  open.lane.account = "renamed-away";
  open.credential = "hash-of-the-same-key-with-other-salt";
  open.members[0].uid = "uid-of-nobody";
  Start({Request("r", {"ins-00000001"})}, {open});
  Go(minutes{30});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r");
  EXPECT_EQ(OpenEntries(), 0u);
}

// A list that began before an entry was made does not say that it was deleted.
TEST_F(EvidenceTest, AListUnderWayDeletesNoEntry) {
  Start({Request("r", Ids(1, 1))});
  ASSERT_TRUE(GoUntil([&] { return !log_.empty(); }, minutes{1}));
  const int before = announced_;
  const std::string old = "1000";
  Go(milliseconds{50});
  Tell(ResetBegin{{Kind::kBatch, ""}});
  Tell(ResetEnd{{Kind::kBatch, ""}, old, now_.mono - seconds{1}});
  Go(seconds{1});
  EXPECT_EQ(announced_, before);
}

// Dry runs ask with one instance first: a service that ignores the parameter destroys one, not all.
TEST_F(EvidenceTest, AFirstDryRunRisksOneInstance) {
  account_.spec.server_side_dry_run = true;
  RequestObject r = Request("r", Ids(1, 200));
  r.spec.mode = Mode::kDryRun;
  Start({r});
  Go(minutes{10});
  EXPECT_EQ(gone_.size(), 1u);
  EXPECT_EQ(AccountReady().reason, "DryRunExecuted");
}

TEST_F(EvidenceTest, AnAccountInDryRunAsksNobody) {
  account_.spec.server_side_dry_run = true;
  account_.spec.mode = Mode::kDryRun;
  RequestObject r = Request("r", Ids(1, 3));
  r.spec.mode = Mode::kDryRun;
  Start({r, Request("x", Ids(10, 3))});
  Go(minutes{10});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(CountOfState("r", MemberState::kPlanned), 3);
}

}  // namespace
}  // namespace retirement
