#include "retirement/small_world.h"

namespace retirement {
namespace {

class AttackTest : public SmallWorld {
 protected:
  int CallsOf(int id) {
    int n = 0;
    for (const Call& c : called_) n += int(std::count(c.ids.begin(), c.ids.end(), Parsed(Id(id))));
    return n;
  }
};

// 1. S8a: somebody else, who was told something else, repeats the accepted prepaid call of r.
TEST_F(AttackTest, AskingOfAnotherRequestRepeatsAnAcceptedPrepaidCall) {
  for (const std::string_view kind : {"duplicate", "mistaken", "refuses", "other account"}) {
    Fresh();
    describe_ = [&](const Observe& a) {
      return a.lane.account == "second" ? std::vector<Sight>{} : All(a, "RUNNING", kPrepaid);
    };
    terminate_ = [](const Call&, Answered&) {};  // accepted, shows late
    RequestObject r = Request("r", {Id(1)});
    RequestObject other = Request("other", {Id(1)});
    other.created += hours{1};
    if (kind == "duplicate") other.spec.intent.prepaid = PrepaidPolicy::kDestroy;
    if (kind == "mistaken") {
      other.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"a-typo", ""});
    }
    if (kind == "refuses") other.spec.intent.prepaid = PrepaidPolicy::kRefuse;
    if (kind == "other account") {
      AccountObject second = account_;
      second.name = second.uid = "second";
      second.spec.endpoint = "cvm.other.example";
      accounts_.emplace("second", second);
      other.spec.account = "second";
    }
    r.spec.not_before = now_.wall + seconds{40};  // the other one has been told before the call
    Start({r, other});
    EXPECT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{2})) << kind;
    Go(seconds{70});
    std::string before = WordsOf("other");
    std::string mine = WordsOf("r");
    const Reason told = Told("other").reason;
    Edit("other", [](RequestObject& o) { o.requested_at = "look again"; });
    Go(minutes{5});
    EXPECT_EQ(called_.size(), 1u) << kind << " was told " << ToString(told) << "\n" << mine;
  }
}

// 2. S10: restarted on a node whose clock is 2 h behind; NTP mends it a little later.
TEST_F(AttackTest, AStartWithASlowClockEndsAGracePeriod) {
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
// 2b. The same for a member that was added while nobody ran, or just after the start.
TEST_F(AttackTest, AMemberAddedBeforeTheServiceWasHeardHasItsGrace) {
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

// 3. S5, S8a: what was accepted after the account was handed over is recorded nowhere.
TEST_F(AttackTest, AnAnswerAfterTheHandOverIsRecorded) {
  describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  terminate_ = [this](const Call&, Answered&) {
    if (called_.size() == 1) accounts_.at("default").status.installation = "elsewhere";
  };
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
  AccountObject a = accounts_.at("default");
  a.version = std::to_string(++version_);
  accounts_.at("default") = a;
  Tell(AccountSeen{a});
  Go(minutes{2});
  EXPECT_EQ(log_.begin()->second.phase, BatchPhase::kAccepted)
      << ToString(log_.begin()->second.phase);
  // The other installation takes over.
  engine_ = Engine(Config{{}, hours{720}, "elsewhere", "theirs", {""}});
  Start({});
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
}

// 4. E2: a region that refuses the credentials while the other one has nothing left to look at.
TEST_F(AttackTest, CredentialsThatOneRegionRefusesFlap) {
  account_.spec.regions = {kLane.region, "ap-beijing"};
  describe_ = [&](const Observe& a) -> Answer_ {
    if (a.lane.region != "ap-beijing") return Living(a);
    return Refusal{Fault::kCredentials, Reason::kNone, "IpInBlacklist", "not from there", {}};
  };
  RequestObject dead = Request("dead", Ids(100, 5));
  dead.spec.region = "ap-beijing";
  RequestObject waits = Request("waits", {Id(50)});
  waits.spec.suspend = true;
  Start({dead, waits, Request("done", Ids(1, 5))});
  Go(minutes{10});
  const int before = account_writes_;
  const int statuses = status_writes_;
  Go(hours{2});
  EXPECT_LE(account_writes_ - before, 10);
  EXPECT_LE(status_writes_ - statuses, 10);
}

// 5. S5: one accepted call in its life, also if a person ended the entry and made a new request.
TEST_F(AttackTest, ClosedByHandAndAskedByANewRequest) {
  for (const bool restart : {true, false}) {
    Fresh();
    describe_ = [&](const Observe& a) { return All(a, "RUNNING"); };
    terminate_ = [](const Call&, Answered&) {};
    Start({Request("r", {Id(1)})});
    ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
    Go(minutes{1});
    BatchObject b = log_.begin()->second;
    b.close = "alice: never mind";
    b.version = std::to_string(++version_);
    log_.begin()->second = b;
    Tell(BatchSeen{b});
    Go(minutes{1});
    EXPECT_EQ(log_.begin()->second.phase, BatchPhase::kVerified);
    const RequestKey key{"team", "r"};
    requests_.erase(key);
    Tell(RequestGone{key});
    Go(minutes{5});
    if (restart) Restart();
    Put(Request("again", {Id(1)}));
    Go(minutes{5});
    EXPECT_EQ(called_.size(), 1u) << "restart " << restart;
    Fresh();
  }
}

// 6. L1: the second step, refused once (throttled), then a crash before the next second call.
TEST_F(AttackTest, DestroyGoesOnAfterARefusedSecondCallAndACrash) {
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
  BatchObject refused = Open(kPrepaid);
  refused.sequence = 2;
  refused.step = Step::kSecond;
  refused.phase = BatchPhase::kRejected;
  refused.error_code = "RequestLimitExceeded";
  BatchObject second = Open(kPrepaid);
  second.sequence = 3;
  second.step = Step::kSecond;
  RequestObject r = Request("r", {Id(1)});
  r.spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Start({r}, {first, refused, second});
  Go(hours{3});
  EXPECT_EQ(Told("r").state, MemberState::kRetired) << WordsOf("r");
}

// 7. T1: a dry run of which nobody saw the end is told on the account.
TEST_F(AttackTest, ADoubtedDryRunIsTold) {
  account_.spec.server_side_dry_run = true;
  RequestObject r = Request("r", {Id(1)});
  r.spec.mode = Mode::kDryRun;
  describe_ = [](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  terminate_ = [](const Call&, Answered& a) { a.outcome = Answered::Outcome::kUnclear; };
  Start({r});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  Go(seconds{5});
  BatchObject b = log_.begin()->second;
  b.close = "alice: never mind";
  b.version = std::to_string(++version_);
  log_.begin()->second = b;
  Tell(BatchSeen{b});
  Go(minutes{10});
  EXPECT_TRUE(engine_.state().accounts.at("default").dry_run_doubted);
  EXPECT_NE(WordsOfAccount().find("serverSideDryRun"), std::string::npos) << WordsOfAccount();
}

// 8. An alarm that a person has ended comes back with the next leader.
TEST_F(AttackTest, AMendedAlarmStaysMended) {
  account_.spec.server_side_dry_run = true;
  RequestObject r = Request("r", {Id(1)});
  r.spec.mode = Mode::kDryRun;
  bool mended = false;
  terminate_ = [&](const Call& c, Answered& a) {
    if (mended && c.dry_run) {
      a.outcome = Answered::Outcome::kRejected;
      a.refusal = {Fault::kDryRunOk, Reason::kNone, "DryRunOperation", "", {}};
      return;
    }
    gone_.insert(c.ids.begin(), c.ids.end());
    if (!mended) a.outcome = Answered::Outcome::kUnclear;
  };
  Start({r});
  Go(minutes{15});
  EXPECT_EQ(AccountReady().reason, "DryRunExecuted") << WordsOfAccount();
  mended = true;
  EditAccount([](AccountObject& a) { a.spec.server_side_dry_run = false; });
  Go(minutes{1});
  EditAccount([](AccountObject& a) { a.spec.server_side_dry_run = true; });
  Go(minutes{1});
  Put(Request("works", {Id(5)}));
  Go(minutes{1});
  EXPECT_EQ(CountOfState("works", MemberState::kRetired), 1) << WordsOfAccount();
  Restart();
  Put(Request("works2", {Id(6)}));
  Go(minutes{5});
  EXPECT_EQ(CountOfState("works2", MemberState::kRetired), 1) << WordsOfAccount();
}

// 9. T1: a slow machine clock holds a request, and nobody says so.
TEST_F(AttackTest, AClockThatHoldsIsTold) {
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
  EXPECT_NE(WordsOfAccount().find("the clock of this machine is 2h behind"), std::string::npos) << WordsOfAccount();
}

// 10. S8a: the RequestId of a status stands in for that of a call without an answer.
TEST_F(AttackTest, AnOldRequestIdProvesNothing) {
  std::string state = "RUNNING";
  std::string by = "old";
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights = All(a, state, kPrepaid);
    for (Sight& s : sights) {
      s.terminated_last = state == "SHUTDOWN";
      if (state == "SHUTDOWN") s.operation_request = CloudRequestId(by);
    }
    return sights;
  };
  terminate_ = [&](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kUnclear;
    a.request_id.clear();
    state = "SHUTDOWN";  // an answer that lags: an earlier stay in the bin
  };
  RequestObject old = Request("old", {Id(1)});
  old.status.observed_generation = 1;
  old.status.accepted = old.created;
  MemberStatus& m = old.status.members.emplace_back();
  m.id = Parsed(Id(1));
  m.state = MemberState::kRecycled;
  m.reason = Reason::kRetiredByUs;
  m.charge = ChargeType(kPrepaid);
  m.request_id = CloudRequestId("old");
  Start({old, Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
  Go(milliseconds{300});
  Edit("old", [](RequestObject& o) { ++o.generation; o.spec.members.push_back(MemberSpec(Parsed(Id(2)))); });
  Go(seconds{20});
  const MemberState told = Told("r").state;
  state = "RUNNING";
  Go(minutes{10});
  EXPECT_NE(told, MemberState::kRecycled) << WordsOf("r");
}

// 11. GiveUp: what the watch showed while its create was unanswered is never looked at again.
TEST_F(AttackTest, AnEntryThatWasGivenUpIsSeenThrough) {
  lose_commits_ = true;
  RequestObject r = Request("r", {Id(1)});
  Start({r});
  Go(minutes{30});
  const size_t lost = log_.size();
  lose_commits_ = false;
  Go(hours{6});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 1) << WordsOf("r");
  EXPECT_EQ(OpenEntries(), 0u) << "of " << log_.size() << ", lost " << lost << ", known to the engine: open "
                               << engine_.state().lanes.at(kLane).ledger.open.size() << " closed "
                               << engine_.state().lanes.at(kLane).ledger.closed.size();
}

// 12. T1: live reads that take longer than their age allows.
TEST_F(AttackTest, LiveReadsThatTakeLongAreTold) {
  confirm_time_ = milliseconds{4500};
  bool ready = false;
  describe_ = [&](const Observe& a) { return ready ? std::get<0>(Living(a)) : All(a, "STARTING"); };
  Start({Request("r", {Id(1)})});
  Go(minutes{1});
  ready = true;
  Go(minutes{30});
  EXPECT_LE(confirms_, 40) << "live reads in half an hour";
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 1) << "what is written of them proves a view";
}

// 13. T1: commits that take longer than a prepaid sight lives.
TEST_F(AttackTest, CommitsThatTakeLongAreTold) {
  commit_time_ = seconds{10};
  describe_ = [](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  Start({Request("r", {Id(1)})});
  Go(minutes{30});
  EXPECT_TRUE(called_.empty());
  EXPECT_NE(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount() << WordsOf("r");
}

// 14. L1: a member's time that a wrong clock wrote.
TEST_F(AttackTest, AMemberTimeOfAWrongClockIsMended) {
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

// 15. E0: a deletion that fails is not tried again.
TEST_F(AttackTest, ADeletionThatFailsIsTriedAgain) {
  BatchObject first = Open();
  first.phase = BatchPhase::kRejected;
  first.verified = now_.wall;
  BatchObject second = first;
  second.sequence = 2;
  lose_deletes_ = true;
  Start({Request("r", {Id(9)})}, {first, second});
  Go(hours{2});
  lose_deletes_ = false;
  Go(hours{10});
  EXPECT_FALSE(log_.contains({kLane, 1}));
}

// 16. T1: a clock that was ahead for a second cancels for good.
TEST_F(AttackTest, AClockThatWasAheadCancelsNothing) {
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

// 17. memory: what the log of another installation said is never forgotten.
TEST_F(AttackTest, TheHistoryOfOthersIsForgotten) {
  account_.status.installation = "elsewhere";
  AccountObject ours = account_;
  ours.name = ours.uid = "ours";
  ours.status.installation = "operator";
  accounts_.emplace("ours", ours);
  Start({});
  Go(minutes{1});
  for (int i = 1; i <= 200; ++i) {
    BatchObject b = Open();
    b.sequence = uint64_t(i);
    b.members[0].id = Parsed(Id(i));
    b.version = std::to_string(++version_);
    Tell(BatchSeen{b});
    b.version = std::to_string(++version_);
    b.phase = BatchPhase::kVerified;
    b.members[0].result = BatchResult::kRetired;
    Tell(BatchSeen{b});
    Tell(BatchGone{kLane, b.sequence});
  }
  Go(hours{100});
  EXPECT_LE(engine_.state().history.size(), 10u);
  EXPECT_LE(engine_.state().targets.size(), 10u);
}


// E4 probes: how many steps an hour takes when nothing happens.
TEST_F(AttackTest, StepsAreFew) {
  const auto measure = [&](const char* what) {
    const int before = steps_;
    const size_t looks = looked_.size(), commits = committed_at_.size();
    const int sw = status_writes_, aw = account_writes_;
    Go(hours{1});
    std::cerr << what << ": steps " << steps_ - before << " looks " << looked_.size() - looks
              << " commits " << committed_at_.size() - commits << " statuses "
              << status_writes_ - sw << " account " << account_writes_ - aw << " again "
              << engine_.state().again.size() << "\n";
  };
  {  // a crowd with everything in it
    Fresh();
    std::vector<RequestObject> requests;
    for (int i = 0; i < 150; ++i) {
      requests.push_back(Request("r" + std::to_string(i), {Id(1)}));
      RequestObject& r = requests.back();
      r.created += seconds{i * 37 % 150};
      if (i % 7 == 0) r.spec.mode = Mode::kDryRun;
      if (i % 7 == 1) r.spec.intent.prepaid = PrepaidPolicy::kDestroy;
      if (i % 7 == 2) r.spec.intent.prepaid = PrepaidPolicy::kRefuse;
      if (i % 7 == 3) r.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"typo", ""});
      if (i % 7 == 4) r.spec.suspend = true;
      if (i % 11 == 5) r.spec.expires_at = now_.wall + minutes{50 + i};
      if (i % 13 == 5) r.spec.not_before = now_.wall + minutes{50 + i};
      if (i % 7 == 5) r.spec.intent.release_disks = true;
    }
    int n = 0;
    describe_ = [&](const Observe& a) {
      std::vector<Sight> sights = All(a, ++n % 3 == 0 ? "BANNING" : "RUNNING", kPrepaid);
      for (Sight& x : sights) x.protected_from_termination = true;
      return sights;
    };
    Start(requests);
    Go(minutes{30});
    measure("crowd protected, flapping");
    describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
    terminate_ = [](const Call&, Answered& a) {
      a.outcome = Answered::Outcome::kRejected;
      a.refusal = {Fault::kFinal, Reason::kNotReturnable, "FailedOperation.Unreturnable", "no", {}};
    };
    measure("crowd refused 1");
    measure("crowd refused 2");
    terminate_ = [](const Call&, Answered& a) {
      a.outcome = Answered::Outcome::kRejected;
      a.refusal = {Fault::kBlocked, Reason::kUnpaidOrder, "UnpaidOrder", "no", {}};
    };
    measure("crowd blocked 1");
    measure("crowd blocked 2");
  }
  {  // nothing works
    Fresh();
    terminate_ = [](const Call&, Answered& a) {
      a.outcome = Answered::Outcome::kRejected;
      a.refusal = {Fault::kBusy, Reason::kInstanceBusy, "OperationConflict", "no", {}};
    };
    describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
    Start({Request("r", Ids(1, 30))});
    Go(minutes{30});
    measure("busy");
    EditAccount([](AccountObject& a) { a.status.installation = "elsewhere"; });
    Go(minutes{1});
    measure("handed over");
    Tell(AccountGone{"default"});
    measure("account gone");
  }
  {
    Fresh();
    account_.status.installation = "operator";
    Start({Request("r", Ids(1, 30))});
    for (RequestObject* r : {&requests_.at({"team", "r"})}) r->hold = "x";
    confirm_time_ = milliseconds{20};
    Go(milliseconds{300});
    measure("live read differs");
  }
}

// 18. one request that is edited without end, in a batch with others
TEST_F(AttackTest, WhoEditsWithoutEndStopsNobody) {
  evil_ = "evil";
  Start({Request("evil", {Id(1)}), Request("r", Ids(10, 50))});
  Go(minutes{10});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 50) << WordsOfAccount() << "confirms " << confirms_;
}
// 18b. nobody can write the status of the evil one, so that nothing proves the view
TEST_F(AttackTest, WhoEditsWithoutEndStopsNobody2) {
  evil_ = "evil";
  RequestObject e = Request("evil", {Id(1)});
  RequestObject r = Request("r", Ids(10, 50));
  r.spec.not_before = e.spec.not_before = now_.wall + minutes{1};
  Start({e, r});
  Go(minutes{20});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 50) << WordsOfAccount() << WordsOf("r") << "confirms " << confirms_;
}
// 20. a person asks about the suspicious absence of another's instance
TEST_F(AttackTest, AnotherRequestsAskBelievesNoAbsence) {
  bool empty = false;
  describe_ = [&](const Observe& a) {
    return empty || a.lane.account == "second" ? std::vector<Sight>{} : All(a, "STARTING");
  };
  AccountObject second = account_;
  second.name = second.uid = "second";
  second.spec.endpoint = "cvm.other.example";
  accounts_.emplace("second", second);
  RequestObject other = Request("other", Ids(1, 20));
  other.spec.account = "second";
  Start({Request("r", Ids(1, 20)), other});
  Go(minutes{1});
  EXPECT_EQ(Told("other").reason, Reason::kNeverObserved);
  empty = true;
  Go(minutes{1});
  Edit("other", [](RequestObject& o) { o.requested_at = "look again"; });
  Go(minutes{12});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 0) << WordsOf("r");
}
// 21. a slow answer shortens a grace period
TEST_F(AttackTest, ASlowAnswerShortensNoGrace) {
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


TEST_F(AttackTest, ThrottledProbe) {
  int n = 0;
  terminate_ = [&](const Call& c, Answered& a) {
    if (++n > 8) return gone_.insert(c.ids.begin(), c.ids.end()), void();
    a.outcome = Answered::Outcome::kRefusedUnseen;
    a.refusal = {Fault::kThrottled, Reason::kNone, "RequestLimitExceeded", "", {}};
  };
  std::vector<RequestObject> requests;
  for (int i = 0; i < 30; ++i) requests.push_back(Request("a" + std::to_string(i), Ids(1000 + 100 * i, 100)));
  Start(requests);
  for (int i = 0; i < 10; ++i) {
    Go(minutes{1});
    size_t abandoned = 0;
    for (auto& [k, b] : log_) abandoned += b.phase == BatchPhase::kAbandoned;
    std::cerr << "steps " << steps_ << " looks " << looked_.size() << " commits " << committed_at_.size() << " calls " << called_.size() << " abandoned " << abandoned << " confirms " << confirms_ << " rate " << engine_.state().accounts.at("default").terminate.current() << "" << AccountReady().reason << AccountReady().message << "\n";
    if (steps_ > 20000) break;
  }
}
// 16b. control: the same without a jump
TEST_F(AttackTest, ControlGrace) {
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
// control of 1: nobody asks, nothing is repeated
TEST_F(AttackTest, ControlNobodyAsks) {
  describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  terminate_ = [](const Call&, Answered&) {};
  RequestObject r = Request("r", {Id(1)});
  RequestObject other = Request("other", {Id(1)});
  other.created += hours{1};
  other.spec.intent.prepaid = PrepaidPolicy::kRefuse;
  Start({r, other});
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
}
// 1b. the second call destroys: the bin was reached between look and call
TEST_F(AttackTest, WhatWasToBeRecycledIsDestroyed) {
  Mono accepted{};
  int destroyed = 0;
  describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  terminate_ = [&](const Call&, Answered&) { destroyed += accepted != Mono{}; accepted = now_.mono; };
  RequestObject r = Request("r", {Id(1)});
  RequestObject other = Request("other", {Id(1)});
  other.key.ns = "somebody-else";
  other.created += hours{1};
  other.spec.intent.prepaid = PrepaidPolicy::kRefuse;
  Start({r, other});
  Go(seconds{80});
  EXPECT_EQ(called_.size(), 1u);
  RequestObject o = requests_.at(other.key);
  o.requested_at = "look again";
  Put(o);
  Go(seconds{30});
  EXPECT_EQ(destroyed, 0) << "the second accepted call, "
                          << ToString(log_.begin()->second.members[0].result);
}
// 22. a hand-over and back: what the other installation recorded is overwritten
TEST_F(AttackTest, TheirEndIsNotOverwritten) {
  terminate_ = [this](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kServer, Reason::kServiceError, "InternalServerError", "no", {}};
    accounts_.at("default").status.installation = "elsewhere";
  };
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
  EditAccount([](AccountObject&) {});
  Go(minutes{1});
  BatchObject b = log_.begin()->second;
  b.phase = BatchPhase::kVerified;
  b.members[0].result = BatchResult::kRetired;
  b.version = std::to_string(++version_);
  log_.begin()->second = b;
  Tell(BatchSeen{b});
  gone_.insert(Parsed(Id(1)));
  Go(minutes{1});
  EditAccount([](AccountObject& a) { a.status.installation = "operator"; });
  Go(minutes{5});
  EXPECT_EQ(log_.begin()->second.members[0].result, BatchResult::kRetired)
      << ToString(log_.begin()->second.phase);
}

// 1c. the same with an orphan, and with what the log says was retired
TEST_F(AttackTest, AskingOfAnotherRequestCallsAnOrphan) {
  for (const bool orphan : {true, false}) {
    Fresh();
    describe_ = [](const Observe& a) { return All(a, "RUNNING"); };
    RequestObject r = Request("r", {Id(1)});
    RequestObject other = Request("other", {Id(1)});
    other.created += hours{1};
    other.spec.intent.postpaid = PostpaidPolicy::kRefuse;
    std::vector<BatchObject> log;
    if (orphan) {
      r.status.observed_generation = r.generation;
      r.status.accepted = r.created;
      MemberStatus& m = r.status.members.emplace_back();
      m.id = Parsed(Id(1));
      m.state = MemberState::kVerifying;
      m.batch = 1;
    } else {
      BatchObject b = Open();
      b.phase = BatchPhase::kVerified;
      b.members[0].result = BatchResult::kRetired;
      log.push_back(b);
    }
    Start({r, other}, log);
    Go(minutes{20});
    EXPECT_TRUE(called_.empty());
    std::string told = WordsOf("r");
    std::string told_other = WordsOf("other");
    Edit("other", [](RequestObject& o) { o.requested_at = "look again"; });
    // Even somebody who is done with it: r itself is not asked.
    Go(minutes{20});
    EXPECT_TRUE(called_.empty()) << orphan << told << told_other;
  }
}

}  // namespace
}  // namespace retirement
