// Keys, regions and accounts that overlap, and looks that are refused.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeAccountTest : public RudeTest {};

// E0: two accounts that are one cannot make each other look for ever.
TEST_F(RudeAccountTest, TwoAccountsOfOneCloudLookInTurnOnlyOnce) {
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

// E2: causes that take turns are told at growing intervals.
TEST_F(RudeAccountTest, CausesThatAlternateAreToldSeldom) {
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

// E0: a look with credentials that were exchanged meanwhile is not repeated at once.
TEST_F(RudeAccountTest, LooksWithTheKeyOfBeforeAreFew) {
  Start({Request("r", Ids(1, 3))});
  describe_ = [this](const Observe&) -> Answer_ {
    key_ = "the one that is sent";
    return Refusal{Fault::kCredentials, Reason::kNone, "AuthFailure.SecretIdNotFound", "", {}};
  };
  Go(minutes{2});
  EXPECT_LE(looked_.size(), 16u);
}

// E0: a Secret that is away for a moment and comes back as it was is no repair.
TEST_F(RudeAccountTest, ASecretThatFlapsMakesNobodyTryAnew) {
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
TEST_F(RudeAccountTest, WhatWasWithheldIsToldAfterwards) {
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

// L1: a region whose looks are refused, or whose calls are, stops no other one.
TEST_F(RudeAccountTest, ADeadRegionStopsNoOtherOne) {
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
TEST_F(RudeAccountTest, LooksOfARefusedRegionPauseNoOtherOne) {
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
TEST_F(RudeAccountTest, LooksOfANewRegionAreProbesToo) {
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
TEST_F(RudeAccountTest, CredentialsThatOneRegionRefusesAreNotRejected) {
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
TEST_F(RudeAccountTest, ProbesOfCredentialsThatMeetSomethingElseAreFew) {
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
TEST_F(RudeAccountTest, CopiedAnnotationsProbeNothing) {
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

// E0, T1: one id on which DescribeInstances always fails is found, and told.
TEST_F(RudeAccountTest, AnIdOnWhichLooksFailIsFound) {
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

// E2: a region that refuses the credentials while the other one has nothing left to look at.
TEST_F(RudeAccountTest, CredentialsThatOneRegionRefusesFlap) {
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

// T1: looks that fail in one region hide no calls that fail in another one.
TEST_F(RudeAccountTest, EveryTroubleIsTold) {
  account_.spec.regions = {kLane.region, "ap-beijing"};
  describe_ = [&](const Observe& a) -> Answer_ {
    if (a.lane.region != "ap-beijing") return Living(a);
    return Refusal{Fault::kCredentials, Reason::kNone, "IpInBlacklist", "not from there", {}};
  };
  terminate_ = [](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kAccount, Reason::kNone, "InvalidAccount.UnpaidOrder", "pay first", {}};
  };
  RequestObject dead = Request("dead", Ids(100, 5));
  dead.spec.region = "ap-beijing";
  Start({dead, Request("r", Ids(1, 5))});
  Go(minutes{5});
  EXPECT_NE(WordsOfAccount().find("IpInBlacklist"), std::string::npos) << WordsOfAccount();
  EXPECT_NE(WordsOfAccount().find("UnpaidOrder"), std::string::npos) << WordsOfAccount();
}

// T1: what was refused for the sake of one instance does not hide what stops the account.
TEST_F(RudeAccountTest, RefusalsOfInstancesHideNoOutage) {
  bool unpaid = false;
  terminate_ = [&](const Call& c, Answered& a) {
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kFinal,
                 Reason::kNotReturnable,
                 "FailedOperation.Unreturnable",
                 c.ids[0].ToString() + " is unreturnable",
                 {}};
    if (!unpaid) return;
    a.refusal = {Fault::kAccount, Reason::kNone, "InvalidAccount.UnpaidOrder", "pay first", {}};
  };
  Start({});
  for (int i = 1; i < 10; ++i) {
    Put(Request("r" + std::to_string(i), {Id(i)}));
    Go(seconds{100});
  }
  ASSERT_NE(WordsOfAccount().find("Unreturnable"), std::string::npos) << WordsOfAccount();
  ASSERT_EQ(AccountReady().status, ConditionStatus::kTrue);
  unpaid = true;
  Put(Request("unpaid", {Id(20)}));
  ASSERT_TRUE(GoUntil([&] { return CallsOf(20) == 1; }, minutes{10}));
  Go(seconds{30});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kFalse);
  EXPECT_NE(WordsOfAccount().find("UnpaidOrder"), std::string::npos) << WordsOfAccount();
  EXPECT_EQ(WordsOfAccount().find("Unreturnable"), std::string::npos) << WordsOfAccount();
  unpaid = false;
  ASSERT_TRUE(GoUntil([&] { return Told("unpaid").state == MemberState::kFailed; }, minutes{10}));
  Go(minutes{1});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

// T1: an answer about instances that comes late ends no outage that began after its call.
TEST_F(RudeAccountTest, ALateRefusalOfInstancesEndsNoOutage) {
  terminate_ = [&](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kNotSent;
    a.refusal.message = "no connection";
    if (called_.size() > 1) return;
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kFinal, Reason::kNotReturnable, "FailedOperation.Unreturnable", "no", {}};
    answer_late_ = seconds{20};
  };
  Start({Request("early", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 1; }, minutes{1}));
  Put(Request("r", {Id(2)}));
  ASSERT_TRUE(GoUntil([&] { return called_.size() == 3; }, minutes{1}));
  Go(seconds{1});
  Edit("r", [](RequestObject& o) { o.spec.suspend = true, ++o.generation; });
  ASSERT_TRUE(GoUntil([&] { return Told("early").state == MemberState::kFailed; }, minutes{1}));
  Go(minutes{1});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kFalse) << WordsOfAccount();
}

// E0: nor does it close a breaker that tripped after its call.
TEST_F(RudeAccountTest, ALateRefusalOfInstancesClosesNoBreaker) {
  terminate_ = [&](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kRejected;
    a.refusal = {Fault::kAccount, Reason::kNone, "InvalidAccount.UnpaidOrder", "pay first", {}};
    if (called_.size() > 1) return;
    a.refusal = {Fault::kFinal, Reason::kNotReturnable, "FailedOperation.Unreturnable", "no", {}};
    answer_late_ = seconds{10};
  };
  Start({Request("early", {Id(1)})});
  ASSERT_TRUE(GoUntilCalled());
  Put(Request("r", {Id(2)}));
  const auto& breaker = engine_.state().accounts.at("default").calls_breaker;
  ASSERT_TRUE(GoUntil([&] { return breaker.open(); }, seconds{9}));
  ASSERT_NE(Told("early").state, MemberState::kFailed);
  ASSERT_TRUE(GoUntil([&] { return Told("early").state == MemberState::kFailed; }, minutes{1}));
  EXPECT_TRUE(breaker.open());
}

// E0: who is blocked by another intent in two regions has neither looked at without end.
TEST_F(RudeAccountTest, BlockedRequestsOfTwoRegionsLookSeldom) {
  account_.spec.regions = {kLane.region, "ap-beijing"};
  describe_ = [&](const Observe&) { return std::vector<Sight>{}; };
  std::vector<RequestObject> requests;
  for (int i = 0; i < 4; ++i) {
    RequestObject& r = requests.emplace_back(Request("r" + std::to_string(i), {Id(1)}));
    if (i % 2 == 0) r.spec.region = "ap-beijing";
    r.spec.suspend = true;
    r.status.observed_generation = r.generation;
    r.status.accepted = r.created;
    MemberStatus& m = r.status.members.emplace_back();
    m.id = Parsed(Id(1));
    m.state = MemberState::kBlocked;
    m.reason = Reason::kDuplicateRequest;
    m.charge = ChargeType(kPrepaid);
  }
  Start(requests);
  Go(hours{1});
  EXPECT_LE(looked_.size(), 30u);
}

// L1: who waits in an account that nobody can look into keeps no other one from looking.
TEST_F(RudeAccountTest, ABlindAccountIsInNobodysWay) {
  AccountObject other = account_;
  other.name = other.uid = "other";
  other.status.installation = "somebody-else/operator";
  accounts_.emplace("other", other);
  RequestObject expects = Request("expects", {Id(1)});
  expects.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"right", ""});
  RequestObject waits = Request("waits", {Id(1)});
  waits.spec.account = "other";
  std::string name = "wrong";
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights = std::get<std::vector<Sight>>(Living(a));
    for (Sight& s : sights) s.name = name;
    return sights;
  };
  Start({expects, waits});
  Go(minutes{1});
  ASSERT_EQ(Told("expects").reason, Reason::kExpectMismatch);
  name = "right";
  Go(minutes{20});
  EXPECT_EQ(Told("expects").state, MemberState::kRetired);
}

// L1: nor one that both were blocked by.
TEST_F(RudeAccountTest, ABlindAccountIsInNoBlockedOnesWay) {
  AccountObject other = account_;
  other.name = other.uid = "other";
  other.status.installation = "somebody-else/operator";
  accounts_.emplace("other", other);
  RequestObject theirs = Request("a-theirs", {Id(1)});
  theirs.spec.account = "other";
  RequestObject ours = Request("ours", {Id(1)});
  TellOfACall(theirs, MemberState::kBlocked, Reason::kDuplicateRequest, 0);
  TellOfACall(ours, MemberState::kBlocked, Reason::kDuplicateRequest, 0);
  describe_ = [](const Observe&) { return std::vector<Sight>{}; };
  Start({theirs, ours});
  Go(minutes{30});
  EXPECT_EQ(Told("ours").reason, Reason::kNeverObserved);
  EXPECT_EQ(Told("a-theirs").reason, Reason::kDuplicateRequest);
}

// S0: an entry of an account that nobody knows makes no account without a name.
TEST_F(RudeAccountTest, AnUnknownAccountOfAnEntryMakesNoOther) {
  BatchObject entry = Open();
  entry.lane.account = "gone";
  entry.version = std::to_string(++version_);
  Start({}, {entry});
  Go(minutes{1});
  EXPECT_FALSE(engine_.state().accounts.contains(""));
  EXPECT_EQ(engine_.state().lanes.count({"", entry.lane.region}), 0u);
}

}  // namespace
}  // namespace retirement
