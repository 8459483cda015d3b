// What the simulated world did to the engine, each as a kind: answers that are doubted, records
// that vanish, keys and accounts that overlap, and crowds.
#include "retirement/small_world.h"

namespace retirement {
namespace {

class RudeTest : public SmallWorld {
 protected:
  int Retired(const std::string& name) { return CountOfState(name, MemberState::kRetired); }
  static void TellOfACall(RequestObject& r, MemberState state, Reason reason, uint64_t batch) {
    r.status.observed_generation = r.generation;
    r.status.accepted = r.created;
    for (const MemberSpec& m : r.spec.members) {
      MemberStatus& status = r.status.members.emplace_back();
      status.id = m.id;
      status.state = state;
      status.reason = reason;
      status.batch = batch;
    }
  }
  static Refusal Throttled(const std::string& code) {
    return {Fault::kThrottled, Reason::kNone, code, "slow down", {}};
  }
};

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

// S10: the regions of an account have one service, and one first dry run.
TEST_F(RudeTest, AFirstDryRunRisksOneInstanceInAllRegions) {
  account_.spec.server_side_dry_run = true;
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  RequestObject here = Request("here", Ids(1, 5));
  RequestObject there = Request("there", Ids(11, 5));
  here.spec.mode = there.spec.mode = Mode::kDryRun;
  there.spec.region = "ap-shanghai";
  terminate_ = [this](const Call& c, Answered& a) {
    gone_.insert(c.ids.begin(), c.ids.end());
    a.outcome = Answered::Outcome::kUnclear;
  };
  Start({here, there});
  Go(minutes{10});
  EXPECT_EQ(gone_.size(), 1u);
}

// E1: what is not a dry run is not made small by the first one.
TEST_F(RudeTest, ServerSideDryRunLeavesOtherCallsWhole) {
  account_.spec.server_side_dry_run = true;
  Start({Request("r", Ids(1, 100))});
  Go(minutes{2});
  EXPECT_EQ(called_.size(), 1u);
  EXPECT_EQ(Retired("r"), 100);
}

// An alarm that nothing could end any more.
TEST_F(RudeTest, ADryRunThatWasSwitchedOffLeavesNoAlarm) {
  account_.spec.server_side_dry_run = true;
  RequestObject r = Request("r", {Id(1)});
  r.spec.mode = Mode::kDryRun;
  terminate_ = [this](const Call& c, Answered& a) {
    gone_.insert(c.ids.begin(), c.ids.end());
    a.outcome = Answered::Outcome::kUnclear;
  };
  Start({r});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  EditAccount([](AccountObject& a) { a.spec.server_side_dry_run = false; });
  Go(minutes{30});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

// S10: whoever saw that a dry run was executed may not have lived to tell it on the account.
TEST_F(RudeTest, TheLogTellsThatADryRunWasExecuted) {
  account_.spec.server_side_dry_run = true;
  BatchObject executed = Open();
  executed.dry_run = true;
  executed.phase = BatchPhase::kVerified;
  executed.members[0].result = BatchResult::kRecycled;
  RequestObject asks = Request("asks", {Id(2)});
  asks.spec.mode = Mode::kDryRun;
  Start({asks}, {executed});
  Go(minutes{5});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(AccountReady().reason, "DryRunExecuted") << WordsOfAccount();
  EditAccount([](AccountObject& a) { a.spec.server_side_dry_run = false; });
  Go(minutes{5});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
  EXPECT_EQ(Told("asks").state, MemberState::kPlanned);
}

// S10: what became of a dry run that was taken over by somebody else's entry nobody saw; another
// instance is not risked to find out.
TEST_F(RudeTest, ADryRunOfWhichNobodySawTheEndIsNotRepeated) {
  account_.spec.server_side_dry_run = true;
  BatchObject lost = Open();
  lost.dry_run = true;
  lost.phase = BatchPhase::kVerified;
  lost.members[0].result = BatchResult::kUnknown;
  RequestObject asks = Request("asks", {Id(2)});
  asks.spec.mode = Mode::kDryRun;
  Start({asks}, {lost});
  Go(minutes{5});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(Told("asks").state, MemberState::kPlanned);
  EXPECT_NE(WordsOfAccount().find("serverSideDryRun"), std::string::npos) << WordsOfAccount();
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

// The newest entry of a lane is kept for its number, which is that of what the log has.
TEST_F(RudeTest, WhatAListLacksIsNotTheNewestEntry) {
  BatchObject first = Open();
  first.phase = BatchPhase::kRejected;
  BatchObject second = first;
  second.sequence = 2;
  Start({}, {first, second});
  log_.erase({kLane, 2});
  Put(Request("elsewhere", {Id(9)}));  // the service is heard, and with it the time
  List(Kind::kBatch);
  Go(hours{3});
  EXPECT_TRUE(log_.contains({kLane, 1}) || log_.rbegin()->first.second > 2);
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

// The log is not opened again by one who did not see its end.
TEST_F(RudeTest, WhatOthersEndedStaysEnded) {
  terminate_ = [](const Call&, Answered& a) { a.outcome = Answered::Outcome::kUnclear; };
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  Go(seconds{2});
  BatchObject ended = log_.begin()->second;
  ended.phase = BatchPhase::kVerified;
  ended.members[0].result = BatchResult::kUntouched;
  ended.version = std::to_string(version_ += 10);
  log_.begin()->second = ended;
  Tell(BatchSeen{ended});
  Go(minutes{30});
  EXPECT_EQ(log_.begin()->second.version, ended.version) << "it is written again";
}

// S3: an older entry of the lane, seen later, does not end the one whose call is under way.
TEST_F(RudeTest, AnOlderEntryTakesNothingFromALaterOne) {
  BatchObject later = Open();
  later.sequence = 9;
  BatchObject earlier = Open();
  earlier.phase = BatchPhase::kAccepted;
  Start({Request("r", {Id(1)})}, {later});
  log_[{earlier.lane, earlier.sequence}] = earlier;
  Tell(BatchSeen{earlier});
  Go(seconds{10});
  EXPECT_FALSE(IsClosed(log_.at({kLane, 9}).phase));
  EXPECT_TRUE(IsClosed(log_.at({kLane, 1}).phase));
}

// S3: the log of an account that another installation serves is left to it, whose call may be under
// way, whatever it says of an instance and whatever a person writes on it.
TEST_F(RudeTest, TheLogOfAnotherInstallationIsLeftToIt) {
  account_.status.installation = "elsewhere";
  BatchObject theirs = Open();
  theirs.close = "alice: it is over";
  BatchObject other = Open();
  other.lane.account = "other";
  Start({}, {theirs, other});
  Go(minutes{20});
  EXPECT_EQ(log_.at({kLane, 1}).version, theirs.version);
  log_.erase({kLane, 1});
  Tell(BatchGone{kLane, 1});
  Go(minutes{20});
  EXPECT_FALSE(log_.contains({kLane, 1})) << "it is written again";
  EXPECT_EQ(engine_.state().lanes.at(kLane).ledger.open.size(), 0u);
}

// S5: the record of a call was deleted; only a person, told of it, may have it called again.
TEST_F(RudeTest, APostpaidOrphanWaitsForAPerson) {
  for (const auto& [state, reason] : {std::pair(MemberState::kSubmitted, Reason::kNone),
                                      std::pair(MemberState::kVerifying, Reason::kNone),
                                      std::pair(MemberState::kWaiting, Reason::kAmbiguous)}) {
    Fresh();
    RequestObject r = Request("r", {Id(1)});
    TellOfACall(r, state, reason, 1);
    r.requested_at = "before anybody was told";
    Start({r});
    Go(minutes{20});
    EXPECT_TRUE(called_.empty()) << ToString(state);
    EXPECT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
    Edit("r", [](RequestObject& o) { o.requested_at = "now"; });
    Go(minutes{2});
    EXPECT_EQ(called_.size(), 1u) << ToString(state);
  }
}

// What a status tells of a call that has ended keeps nobody from calling.
TEST_F(RudeTest, WhatHasEndedIsNoOrphan) {
  for (const Reason reason : {Reason::kNone, Reason::kRefused}) {
    Fresh();
    RequestObject planned = Request("planned", {Id(1)});
    planned.spec.mode = Mode::kDryRun;
    TellOfACall(planned, MemberState::kPlanned, Reason::kWouldRetire, 2);
    RequestObject r = Request("r", {Id(1)});
    TellOfACall(r, MemberState::kWaiting, reason, 1);
    Start({planned, r});
    Go(minutes{2});
    EXPECT_EQ(Retired("r"), 1) << ToString(reason) << WordsOf("r");
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

// E0: two accounts that are one cannot make each other look for ever.
TEST_F(RudeTest, TwoAccountsOfOneCloudLookInTurnOnlyOnce) {
  AccountObject other = account_;
  other.name = other.uid = "other";
  accounts_.emplace("other", other);
  RequestObject mistaken = Request("mistaken", {Id(1)});
  mistaken.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"a-typo", ""});
  RequestObject waits = Request("waits", {Id(1)});
  waits.spec.account = "other";
  waits.created += hours{1};
  describe_ = [](const Observe& a) { return All(a, "STARTING"); };
  Start({mistaken, waits});
  Go(minutes{1});
  const size_t before = looked_.size();
  Go(minutes{20});
  EXPECT_LE(looked_.size() - before, 300u);
  EXPECT_EQ(Told("mistaken").reason, Reason::kExpectMismatch);
}

// E0, T1: very many requests of one instance: everybody is told, and the service is asked once.
TEST_F(RudeTest, ACrowdIsToldAndAsksOnce) {
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

TEST_F(RudeTest, ACrowdThatIsBlockedEndsWithItsInstance) {
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

// T1: what blocks a crowd may change; then everybody is told, not only who has a place.
TEST_F(RudeTest, ACrowdIsToldOfAnotherObstacle) {
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
TEST_F(RudeTest, TheWishesOfAFinishedCrowdCount) {
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

// E2: causes that take turns are told at growing intervals.
TEST_F(RudeTest, CausesThatAlternateAreToldSeldom) {
  int looks = 0;
  describe_ = [&](const Observe&) {
    return Throttled(++looks % 2 == 0 ? "RequestLimitExceeded" : "InternalError");
  };
  Start({Request("r", Ids(1, 5))});
  Go(minutes{5});
  const int before = account_writes_;
  Go(hours{2});
  EXPECT_LE(account_writes_ - before, 16);
}

// E0: without the service's time the log is kept small all the same.
TEST_F(RudeTest, AnUnreachableServiceFillsNoLog) {
  terminate_ = [](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kNotSent;
    a.refusal = {Fault::kUnreachable, Reason::kNone, "", "no connection", {}};
  };
  describe_ = [this](const Observe& a) -> Answer_ {
    if (called_.size() < 2) return All(a, "RUNNING");
    return Refusal{Fault::kUnreachable, Reason::kNone, "", "no connection", {}};
  };
  Start({Request("r", Ids(1, 5))});
  Go(hours{30});
  EXPECT_LE(log_.size(), kMostFutile + 2);
}

// E0: a look with credentials that were exchanged meanwhile is not repeated at once.
TEST_F(RudeTest, LooksWithTheKeyOfBeforeAreFew) {
  Start({Request("r", Ids(1, 3))});
  describe_ = [this](const Observe&) -> Answer_ {
    key_ = "the one that is sent";
    return Refusal{Fault::kCredentials, Reason::kNone, "AuthFailure.SecretIdNotFound", "", {}};
  };
  Go(minutes{2});
  EXPECT_LE(looked_.size(), 16u);
}

// E0: a Secret that is away for a moment and comes back as it was is no repair.
TEST_F(RudeTest, ASecretThatFlapsMakesNobodyTryAnew) {
  terminate_ = [](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kRefusedUnseen;
    a.refusal = {Fault::kAccount, Reason::kNone, "InvalidAccount.InsufficientBalance", "", {}};
  };
  Start({Request("r", Ids(1, 3))});
  Go(minutes{2});
  const size_t before = called_.size();
  for (int i = 0; i < 60; ++i) {
    Tell(CredentialsChanged{"default", "", "no such Secret", "", ""});
    Go(seconds{5});
    Tell(CredentialsChanged{"default", key_, "", "", key_});
    Go(seconds{5});
  }
  EXPECT_LE(called_.size() - before, 12u);
}

// What could not be told while another installation served the account is told afterwards.
TEST_F(RudeTest, WhatWasWithheldIsToldAfterwards) {
  RequestObject r = Request("r", {Id(1)});
  r.spec.expires_at = now_.wall + minutes{1};
  TellOfACall(r, MemberState::kWaiting, Reason::kNone, 0);
  account_.status.installation = "elsewhere";
  Start({r});
  Go(minutes{5});
  ASSERT_EQ(Told("r").state, MemberState::kWaiting) << "it is not ours to tell";
  EditAccount([](AccountObject& a) { a.status.installation = "operator"; });
  Go(minutes{2});
  EXPECT_EQ(Told("r").state, MemberState::kCancelled);
}

// An entry is kept while a status that nobody can rewrite tells of its call.
TEST_F(RudeTest, AnEntryIsKeptWhileAStatusTellsOfItsCall) {
  BatchObject old = Open();
  old.phase = BatchPhase::kVerified;
  old.error_code = "InternalError";
  old.members[0].result = BatchResult::kUntouched;
  old.verified = now_.wall;
  BatchObject newest = old;
  newest.sequence = 2;
  newest.members[0] = {Parsed(Id(9)), {"team", "x"}, "uid-x", BatchResult::kUntouched, {}};
  RequestObject r = Request("r", {Id(1)});
  TellOfACall(r, MemberState::kVerifying, Reason::kNone, 1);
  r.key.ns = "nobody";
  account_.spec.all_namespaces = false;
  account_.spec.namespaces = {"team"};
  Start({r, Request("x", {Id(9)})}, {old, newest});
  Go(hours{5});
  EXPECT_TRUE(log_.contains({kLane, 1}));
  EXPECT_TRUE(requests_.contains(r.key));
}

// T1, S12: a log that can be written but not watched is told, as what it is.
TEST_F(RudeTest, AWatchThatShowsNoEntryIsTold) {
  shows_entries_ = false;
  Start({Request("r", {Id(1)})});
  Go(minutes{10});
  EXPECT_TRUE(called_.empty());
  EXPECT_EQ(AccountReady().reason, "LogNotWritable") << WordsOfAccount();
  EXPECT_NE(WordsOf("r").find("does not show"), std::string::npos) << WordsOf("r");
  EXPECT_LE(committed_at_.size(), 12u);
  shows_entries_ = true;
  List(Kind::kBatch);
  Go(minutes{10});
  EXPECT_EQ(Retired("r"), 1);
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

// E0: what the kube-apiserver does not record is tried again at growing intervals.
TEST_F(RudeTest, ARecordThatIsRefusedIsTriedSeldom) {
  Start({Request("r", {Id(1)})});
  Go(minutes{1});
  ASSERT_EQ(OpenEntries(), 0u);
  // An entry that is written again, as somebody deleted it while it was open.
  refuse_commits_ = "exceeded quota";
  BatchObject open = Open();
  open.sequence = 5;
  log_[{kLane, 5}] = open;
  Tell(BatchSeen{open});
  Tell(BatchGone{kLane, 5});
  Go(minutes{10});
  EXPECT_GE(refused_commits_, 5);
  EXPECT_LE(refused_commits_, 20);
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

// S5, S8a: an entry of another lane takes a member away; that its call was accepted stays known.
TEST_F(RudeTest, WhatIsTakenAwayAfterItsCallIsNotCalledAgain) {
  for (const std::string_view charge : {kPrepaid, std::string_view("POSTPAID_BY_HOUR")}) {
    Fresh();
    describe_ = [&](const Observe& a) { return All(a, "RUNNING", charge); };
    terminate_ = [](const Call&, Answered&) {};
    Start({Request("r", {Id(1)})});
    ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
    BatchObject theirs = Open(charge);
    theirs.lane.account = "second";
    theirs.members[0].uid = "uid-x";
    log_[{theirs.lane, 1}] = theirs;
    Tell(BatchSeen{theirs});
    Go(seconds{2});
    theirs.phase = BatchPhase::kAbandoned;
    theirs.version = std::to_string(++version_);
    Tell(BatchSeen{theirs});
    Go(minutes{10});
    EXPECT_EQ(called_.size(), 1u) << charge;
  }
}

// A refused call of which somebody else's entry has taken the only member.
TEST_F(RudeTest, ARefusalOfAnEmptyEntryIsBearable) {
  terminate_ = [&](const Call&, Answered& a) {
    BatchObject theirs = Open();
    theirs.lane.account = "second";
    theirs.members[0].uid = "uid-x";
    log_[{theirs.lane, 1}] = theirs;
    Tell(BatchSeen{theirs});
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kServer, Reason::kNone, "InternalServerError", "", {}};
  };
  Start({Request("r", {Id(1)})});
  EXPECT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
  Go(minutes{1});
  EXPECT_TRUE(IsClosed(log_.at({kLane, 1}).phase));
}

// S4: the whole log was deleted while nobody ran: the statuses are all that is left.
TEST_F(RudeTest, AStatusIsBelievedThoughTheLogIsGone) {
  describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  RequestObject r = Request("r", {Id(1)});
  TellOfACall(r, MemberState::kVerifying, Reason::kNone, 20);
  Start({r});
  Go(minutes{5});
  EXPECT_TRUE(called_.empty());
}

// L1: a region whose looks are refused, or whose calls are, stops no other one.
TEST_F(RudeTest, ADeadRegionStopsNoOtherOne) {
  for (const bool looks : {true, false}) {
    Fresh();
    account_.spec.regions = {kLane.region, "ap-beijing"};
    const Refusal denied{
        Fault::kUnauthorized, Reason::kUnauthorized, "UnauthorizedOperation", "", {}};
    describe_ = [&, looks](const Observe& a) -> Answer_ {
      if (looks && a.lane.region == "ap-beijing") return denied;
      return gone_.empty() ? Answer_(All(a, "RUNNING", kPrepaid)) : Living(a);
    };
    terminate_ = [this](const Call& c, Answered& a) {
      if (c.lane.region == kLane.region) return gone_.insert(c.ids.begin(), c.ids.end()), void();
      a.outcome = Answered::Outcome::kRejected;
      a.refusal = {Fault::kLane, Reason::kNone, "UnsupportedOperation.Region", "", {}};
    };
    std::vector<RequestObject> requests = {Request("r", Ids(1, 100))};
    for (int i = 0; i < 40; ++i) {
      requests.push_back(Request("b" + std::to_string(i), Ids(1'000 + 100 * i, 100)));
      requests.back().spec.region = "ap-beijing";
    }
    Start(requests);
    Go(minutes{30});
    EXPECT_EQ(Retired("r"), 100) << looks;
  }
}

// L1: who comes when another region has been refused for long is looked at as if it were not.
TEST_F(RudeTest, LooksOfARefusedRegionPauseNoOtherOne) {
  account_.spec.regions = {kLane.region, "ap-beijing"};
  describe_ = [&](const Observe& a) -> Answer_ {
    if (a.lane.region != "ap-beijing") return Living(a);
    return Refusal{Fault::kUnauthorized, Reason::kUnauthorized, "UnauthorizedOperation", "", {}};
  };
  RequestObject dead = Request("dead", Ids(100, 5));
  dead.spec.region = "ap-beijing";
  Start({dead});
  Go(minutes{20});
  Put(Request("r", Ids(1, 5)));
  Go(seconds{30});
  EXPECT_EQ(Retired("r"), 5);
}

// E0: while every look of the account is refused, one at a time is sent, in a region that is new to
// it, too.
TEST_F(RudeTest, LooksOfANewRegionAreProbesToo) {
  account_.spec.regions = {kLane.region, "ap-beijing"};
  describe_ = [](const Observe&) {
    return Refusal{Fault::kSplit, Reason::kRejectedByApi, "LimitExceeded", "too many", {}};
  };
  Start({Request("r", Ids(1, 5))});
  Go(minutes{10});
  const size_t before = looked_.size();
  RequestObject elsewhere = Request("elsewhere", Ids(100, 50));
  elsewhere.spec.region = "ap-beijing";
  Put(elsewhere);
  Go(seconds{1});
  EXPECT_LE(looked_.size() - before, 2u);
}

// E2: a region that refuses credentials which another one takes is told once, and stops no other.
TEST_F(RudeTest, CredentialsThatOneRegionRefusesAreNotRejected) {
  account_.spec.regions = {kLane.region, "ap-beijing"};
  describe_ = [&](const Observe& a) -> Answer_ {
    if (a.lane.region != "ap-beijing") return All(a, "STOPPING");
    return Refusal{Fault::kCredentials, Reason::kNone, "IpInBlacklist", "not from there", {}};
  };
  RequestObject dead = Request("dead", Ids(100, 5));
  dead.spec.region = "ap-beijing";
  Start({dead, Request("r", Ids(1, 5))});
  Go(hours{1});
  EXPECT_LE(account_writes_, 10);
  EXPECT_NE(WordsOf("dead").find("IpInBlacklist"), std::string::npos) << WordsOf("dead");
  EXPECT_EQ(WordsOf("r").find("IpInBlacklist"), std::string::npos) << WordsOf("r");
}

// E0: probes of rejected credentials are looks like any other, whatever else refuses them.
TEST_F(RudeTest, ProbesOfCredentialsThatMeetSomethingElseAreFew) {
  bool rejected = false;
  describe_ = [&](const Observe&) -> Answer_ {
    if (std::exchange(rejected, true)) {
      return Refusal{Fault::kSplit, Reason::kRejectedByApi, "LimitExceeded", "too many", {}};
    }
    return Refusal{
        Fault::kCredentials, Reason::kNone, "AuthFailure.SecretIdNotFound", "no such key", {}};
  };
  Start({Request("r", Ids(1, 5))});
  Go(hours{1});
  EXPECT_LE(looked_.size(), 10u + 60u);
}

// E0: what a new object brings along makes nobody try anew.
TEST_F(RudeTest, CopiedAnnotationsProbeNothing) {
  terminate_ = [](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kRefusedUnseen;
    a.refusal = {Fault::kAccount, Reason::kNone, "InvalidAccount.InsufficientBalance", "", {}};
  };
  Start({Request("r", {Id(1)})});
  Go(minutes{30});
  const size_t before = called_.size();
  for (int i = 0; i < 60; ++i) {
    RequestObject copy = Request("copy" + std::to_string(i), {Id(10 + i)});
    copy.requested_at = "copied";
    Put(copy);
    Go(seconds{2});
  }
  EXPECT_LE(called_.size() - before, 3u);
}

// L1: the second commit of Destroy, of a process that died, was never called.
TEST_F(RudeTest, DestroyGoesOnAfterACrashBeforeItsSecondCall) {
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      if (gone_.contains(id)) continue;
      Sight s = Is(id, "SHUTDOWN", kPrepaid);
      s.terminated_last = true;
      s.operation_request = CloudRequestId("first-call");
      sights.push_back(s);
    }
    return sights;
  };
  BatchObject first = Open(kPrepaid);
  first.phase = BatchPhase::kVerified;
  first.request_id = "first-call";
  first.members[0].result = BatchResult::kRecycled;
  BatchObject second = Open(kPrepaid);
  second.sequence = 2;
  second.step = Step::kSecond;
  RequestObject r = Request("r", {Id(1)});
  r.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Start({r}, {first, second});
  Go(hours{1});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r");
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

// E0, T1: one id on which DescribeInstances always fails is found, and told.
TEST_F(RudeTest, AnIdOnWhichLooksFailIsFound) {
  int poisoned = 0;
  describe_ = [&](const Observe& a) -> Answer_ {
    for (const InstanceId id : a.ids) {
      if (id != Parsed(Id(2))) continue;
      ++poisoned;
      return Refusal{Fault::kServer, Reason::kServiceError, "InternalServerError", "no", {}};
    }
    return All(a, "STOPPING");
  };
  Start({Request("r", {Id(1)}), Request("s", {Id(2)})});
  Go(minutes{30});
  const int before = poisoned;
  Go(hours{1});
  EXPECT_LE(poisoned - before, 70);
  EXPECT_EQ(Told("s").reason, Reason::kServiceError) << WordsOf("s");
}

}  // namespace
}  // namespace retirement
