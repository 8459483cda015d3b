// E0: whatever the cloud refuses, for however long: calls, entries, looks and writes are few, the
// cause is told, and what is not refused goes on.
#include "cvm/errors.h"
#include "retirement/small_world.h"
#include "translate/cloud.h"

namespace retirement {
namespace {

Refusal RefusalOf(const std::string& code, const std::string& message) {
  const cvm::ErrorRule rule = cvm::Classify(code);
  Refusal r{translate::FaultOf(rule.error_class), Reason::kNone, code, message, {}};
  r.reason = ParseReason(rule.reason).value_or(Reason::kNone);
  return r;
}

std::vector<std::string> Codes() {
  std::vector<std::string> codes;
  for (const cvm::ErrorRule& rule : cvm::ErrorTable()) {
    if (rule.error_class != cvm::ErrorClass::kDryRunOk) codes.emplace_back(rule.code);
  }
  return codes;
}

class FutilityTest : public SmallWorld {
 protected:
  static bool IsUnseen(const Refusal& r) {
    return r.fault == Fault::kThrottled || r.fault == Fault::kCredentials ||
           r.fault == Fault::kExpired;
  }
  static void Refuse(Answered& answer, const Refusal& refusal) {
    answer.outcome =
        IsUnseen(refusal) ? Answered::Outcome::kRefusedUnseen : Answered::Outcome::kRejected;
    answer.request_id.clear();
    answer.refusal = refusal;
    answer.fence_was_fresh = refusal.fault == Fault::kExpired;
  }
  void RefuseCalls(const std::string& code, const std::string& message = "not for you") {
    terminate_ = [=](const Call&, Answered& a) { Refuse(a, RefusalOf(code, message)); };
  }
  /// Calls that name one of these are refused; the message names nobody.
  void DenyInstances(const std::set<std::string>& ids) {
    terminate_ = [this, ids](const Call& c, Answered& a) {
      for (const InstanceId id : c.ids) {
        if (ids.contains(id.ToString())) {
          return Refuse(a, RefusalOf("UnauthorizedOperation", "you are not authorized"));
        }
      }
      gone_.insert(c.ids.begin(), c.ids.end());
    };
  }
};

/// Every code of the table, for the whole test.
class RefusedForGood : public FutilityTest, public testing::WithParamInterface<std::string> {};

TEST_P(RefusedForGood, CallsAreFewAndTheCauseIsTold) {
  for (const int instances : {1, 3, 100}) {
    Fresh();
    RefuseCalls(GetParam());
    Start({Request("r", Ids(1, instances))});
    ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
    Go(seconds{30});
    EXPECT_NE(WordsOf("r").find(GetParam()), std::string::npos) << instances << WordsOf("r");
    EXPECT_NE(WordsOfAccount().find(GetParam()), std::string::npos)
        << instances << WordsOfAccount();
    Go(seconds{90});
    EXPECT_LE(called_.size(), 16u) << instances;
    EXPECT_LE(committed_at_.size(), 16u) << instances;
    Go(hours{24});
    EXPECT_LE(called_.size(), instances == 1 ? 30u : 20u + 12u * size_t(instances)) << instances;
    EXPECT_LE(log_.size(), 130u) << instances;
  }
}

TEST_P(RefusedForGood, LooksAreFewAndTheCauseIsTold) {
  const auto begin = now_.mono;
  describe_ = [&](const Observe&) { return RefusalOf(GetParam(), "not for you"); };
  Start({Request("r", Ids(1, 3))});
  Go(seconds{30});
  EXPECT_NE(WordsOf("r").find(GetParam()), std::string::npos) << WordsOf("r");
  EXPECT_NE(WordsOfAccount().find(GetParam()), std::string::npos) << WordsOfAccount();
  EXPECT_EQ(AccountReady().status, ConditionStatus::kFalse);
  Go(begin + hours{2} - now_.mono);
  EXPECT_LE(looked_.size(), 10u + 120u);
  EXPECT_LE(status_writes_ + account_writes_, 40);
  EXPECT_TRUE(called_.empty());
  describe_ = [this](const Observe& a) { return Living(a); };
  Edit("r", [](RequestObject& r) { r.requested_at = "now"; });
  Go(minutes{3});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 3) << WordsOf("r");
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

std::string NameOf(const testing::TestParamInfo<std::string>& code) {
  std::string name = code.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Table, RefusedForGood, testing::ValuesIn(Codes()), NameOf);

TEST_F(FutilityTest, OneDeniedInstanceIsSoughtAndTheOthersGo) {
  DenyInstances({Id(3)});
  Start({Request("r", Ids(1, 100))});
  Go(minutes{10});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 99);
  EXPECT_EQ(Told("r", 2).state, MemberState::kBlocked);
  EXPECT_EQ(Told("r", 2).reason, Reason::kUnauthorized);
  EXPECT_LE(called_.size(), 1u + 15u + 3u);
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

// E1, storm: one in twenty is denied and nobody names it; the others go at the price of the search.
TEST_F(FutilityTest, AStormOfDeniedInstancesStopsNobodyElse) {
  std::set<std::string> denied;
  for (int i = 7; i <= 2'000; i += 20) denied.insert(Id(i));
  DenyInstances(denied);
  std::vector<RequestObject> requests;
  for (int i = 0; i < 10; ++i) {
    requests.push_back(Request("r" + std::to_string(i), Ids(1 + 200 * i, 200)));
  }
  Start(requests);
  Go(hours{1});
  int retired = 0;
  int told = 0;
  for (int i = 0; i < 10; ++i) {
    retired += CountOfState("r" + std::to_string(i), MemberState::kRetired);
    told += CountOfState("r" + std::to_string(i), MemberState::kBlocked);
  }
  EXPECT_EQ(retired, 1'900);
  EXPECT_EQ(told, 100);
  EXPECT_LE(called_.size(), 20u + 15u * 100u);
  Go(hours{2});
  EXPECT_LE(log_.size(), 1'600u) << "entries with effect, and a hundred without";
}

// T1: a call whose answer was lost, and that is seen to have worked, shows that calls work again.
TEST_F(FutilityTest, ACallThatIsSeenToWorkClosesTheBreaker) {
  bool refuses = true;
  terminate_ = [&](const Call& c, Answered& a) {
    if (refuses) return Refuse(a, RefusalOf("InvalidAccount.UnpaidOrder", "pay first"));
    gone_.insert(c.ids.begin(), c.ids.end());
    a.outcome = Answered::Outcome::kUnclear;
    a.request_id.clear();
  };
  Start({Request("r", {Id(1)})});
  Go(hours{3});
  EXPECT_EQ(AccountReady().reason, "BreakerOpen") << WordsOfAccount();
  refuses = false;
  ASSERT_TRUE(GoUntil([&] { return CountOfState("r", MemberState::kRetired) == 1; }, hours{3}));
  Go(minutes{1});
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

// E1: after an outage the division is undone, and nothing is called alone.
TEST_F(FutilityTest, AnOutageEndsWithFullBatches) {
  const Mono end = now_.mono + minutes{90};
  terminate_ = [&](const Call& c, Answered& a) {
    if (now_.mono < end) return Refuse(a, RefusalOf("InternalServerError", "Internal error."));
    gone_.insert(c.ids.begin(), c.ids.end());
  };
  std::vector<RequestObject> requests;
  for (int i = 0; i < 5; ++i) {
    requests.push_back(Request("r" + std::to_string(i), Ids(1 + 200 * i, 200)));
  }
  Start(requests);
  Go(minutes{90});
  EXPECT_LE(called_.size(), 60u);
  EXPECT_EQ(AccountReady().status, ConditionStatus::kFalse);
  const size_t before = called_.size();
  Edit("r0", [](RequestObject& r) { r.requested_at = "now"; });
  Go(hours{3});
  EXPECT_EQ(gone_.size(), 1'000u);
  EXPECT_LE(called_.size() - before, 10u + 4u);
}

// A permission that is given after a minute and a half: all go soon, the probed ones last.
TEST_F(FutilityTest, APermissionThatIsGivenIsFoundOut) {
  const Mono end = now_.mono + seconds{90};
  terminate_ = [&](const Call& c, Answered& a) {
    if (now_.mono < end) return Refuse(a, RefusalOf("UnauthorizedOperation", "not now"));
    gone_.insert(c.ids.begin(), c.ids.end());
  };
  std::vector<RequestObject> requests;
  for (int i = 0; i < 5; ++i) {
    requests.push_back(Request("r" + std::to_string(i), Ids(1 + 100 * i, 100)));
  }
  Start(requests);
  Go(seconds{90});
  const size_t before = called_.size();
  EXPECT_TRUE(GoUntil([&] { return gone_.size() == 500u; }, minutes{5}));
  EXPECT_LE(called_.size() - before, 5u + 5u);
}

TEST_F(FutilityTest, ARegionThatIsRefusedStopsOnlyItself) {
  account_.spec.regions = {kLane.region, "ap-shanghai"};
  terminate_ = [this](const Call& c, Answered& a) {
    if (c.lane != kLane) return Refuse(a, RefusalOf("UnsupportedOperation.Region", "no"));
    gone_.insert(c.ids.begin(), c.ids.end());
  };
  RequestObject away = Request("away", Ids(500, 3));
  away.spec.region = "ap-shanghai";
  Start({Request("r", Ids(1, 100)), away});
  Go(minutes{10});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 100);
  EXPECT_NE(WordsOf("away").find("UnsupportedOperation.Region"), std::string::npos);
  EXPECT_EQ(CountOfState("away", MemberState::kFailed), 0) << "nothing is wrong with them";
}

// T1: our own failures are told like those of the cloud.
TEST_F(FutilityTest, ALogThatCannotBeWrittenIsTold) {
  refuse_commits_ = "admission webhook denied the request";
  Start({Request("r", Ids(1, 5))});
  Go(seconds{40});
  EXPECT_EQ(AccountReady().reason, "LogNotWritable");
  EXPECT_NE(AccountReady().message.find(refuse_commits_), std::string::npos);
  EXPECT_NE(WordsOf("r").find(refuse_commits_), std::string::npos);
  Go(hours{2});
  EXPECT_LE(refused_commits_, 40);
  refuse_commits_.clear();
  Go(minutes{10});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 5);
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue);
}

TEST_F(FutilityTest, AnUnreachableServiceIsTold) {
  describe_ = [](const Observe&) {
    return Refusal{Fault::kUnreachable, Reason::kNone, "", "failed to connect", {}};
  };
  Start({Request("r", Ids(1, 5))});
  Go(seconds{30});
  EXPECT_EQ(AccountReady().reason, "ServiceUnreachable");
  EXPECT_EQ(Ready("r").reason, "AccountNotReady");
  describe_ = [this](const Observe& a) { return Living(a); };
  Go(minutes{3});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 5);
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue);
}

// T1: an answer that stays away is told as soon as it is missed.
TEST_F(FutilityTest, ACallWithoutAnAnswerIsTold) {
  terminate_ = [](const Call&, Answered& a) {
    a.outcome = Answered::Outcome::kUnclear;
    a.refusal = {Fault::kUnreachable, Reason::kNone, "", "no answer within 30 s", {}};
  };
  Start({Request("r", Ids(1, 5))});
  Go(seconds{25});
  ASSERT_EQ(called_.size(), 1u);
  EXPECT_EQ(AccountReady().status, ConditionStatus::kFalse) << WordsOfAccount();
  EXPECT_NE(AccountReady().message.find("no answer within 30 s"), std::string::npos);
  terminate_ = [this](const Call& c, Answered&) { gone_.insert(c.ids.begin(), c.ids.end()); };
  Go(minutes{10});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 5);
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue);
}

// E2: an end that stays what it was is announced once, however often it is tried, also after a
// restart.
// T1: an earlier entry, shown long ago and called again and again, says nothing of new ones.
TEST_F(FutilityTest, AnEntryThatIsTriedAgainDoesNotMakeTheLogWritable) {
  account_.spec.call_validity = minutes{5};
  RefuseCalls("RequestLimitExceeded");
  Start({Request("r", {Id(1)})});
  Go(seconds{10});
  ASSERT_EQ(OpenEntries(), 1u);
  refuse_commits_ = "etcdserver: mvcc: database space exceeded";
  Put(Request("later", {Id(2)}));
  Go(seconds{40});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(AccountReady().reason, "LogNotWritable") << i << " " << WordsOfAccount();
    Go(seconds{5});
  }
  EXPECT_GT(called_.size(), 5u);
}

TEST_F(FutilityTest, TheSameEndIsAnnouncedOnce) {
  DenyInstances({Id(1)});
  Start({Request("r", Ids(1, 3))});
  Go(hours{3});
  ASSERT_EQ(Told("r").reason, Reason::kUnauthorized);
  EXPECT_GE(called_.size(), 5u);
  EXPECT_EQ(announced_, 1);
  Restart();
  Go(hours{1});
  EXPECT_EQ(announced_, 1);
}

// T1: who waits because the service takes no more calls is told that.
TEST_F(FutilityTest, ThrottlingThatLastsIsTheReason) {
  RefuseCalls("RequestLimitExceeded");
  Start({Request("r", Ids(1, 5))});
  Go(minutes{30});
  EXPECT_EQ(Told("r").reason, Reason::kThrottled) << WordsOf("r");
}

// E0: a service that fails in several ways fails.
TEST_F(FutilityTest, CodesThatAlternateAreOneOutage) {
  int calls = 0;
  terminate_ = [&](const Call&, Answered& a) {
    Refuse(a, RefusalOf(++calls % 2 == 0 ? "InternalServerError" : "InternalError", "failed"));
  };
  Start({Request("r", Ids(1, 100))});
  Go(hours{3});
  EXPECT_EQ(AccountReady().reason, "BreakerOpen") << WordsOfAccount();
  EXPECT_LE(called_.size(), 30u);
}

// One id that may not be looked at stops nobody else.
TEST_F(FutilityTest, ADeniedLookIsDividedAndTheOthersGo) {
  const InstanceId bad = Parsed("ins-zzzzzzzz");
  describe_ = [&](const Observe& a) -> Answer_ {
    if (std::find(a.ids.begin(), a.ids.end(), bad) == a.ids.end()) return Living(a);
    return RefusalOf("UnauthorizedOperation", "no permission");
  };
  RequestObject poison = Request("poison", {"ins-zzzzzzzz"});
  poison.key.ns = "team";
  Start({poison, Request("r", Ids(1, 50))});
  Go(minutes{20});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 50) << WordsOf("r");
  EXPECT_EQ(Told("poison").state, MemberState::kBlocked) << WordsOf("poison");
  EXPECT_EQ(Told("poison").reason, Reason::kUnauthorized);
  EXPECT_LE(looked_.size(), 60u);
}

// E3: what was refused before a restart is not asked again at once.
TEST_F(FutilityTest, ARestartDoesNotAskAgain) {
  DenyInstances({Id(1)});
  Start({Request("r", Ids(1, 1))});
  Go(minutes{2});
  ASSERT_EQ(called_.size(), 1u);
  for (int i = 0; i < 5; ++i) {
    Restart();
    Go(minutes{1});
  }
  EXPECT_EQ(called_.size(), 1u);
  EXPECT_EQ(Told("r").state, MemberState::kBlocked);
  Edit("r", [](RequestObject& r) { r.requested_at = "now"; });
  Go(minutes{1});
  EXPECT_EQ(called_.size(), 2u) << "a person may ask";
}

// A clock that jumps ahead deletes nothing of the record.
TEST_F(FutilityTest, AClockThatJumpsDeletesNothing) {
  Start({Request("r", Ids(1, 3))});
  Go(minutes{2});
  ASSERT_EQ(log_.size(), 1u);
  Put(Request("later", Ids(10, 3)));
  Go(minutes{2});
  ASSERT_EQ(log_.size(), 2u);
  now_.wall += hours{2'000};
  Go(minutes{5});
  EXPECT_EQ(log_.size(), 2u);
}

// E0: while they are in vain, commits come one by one.
TEST_F(FutilityTest, CommitsInVainComeOneByOne) {
  RefuseCalls("UnsupportedOperation.InstanceStateFreezing");
  Start({Request("r", Ids(1, 100))});
  Go(hours{1});
  for (size_t i = 10; i < committed_at_.size(); ++i) {
    EXPECT_GE((committed_at_[i] - committed_at_[i - 1]).count(), Millis{seconds{15}}.count()) << i;
  }
}

// T1: the late answer of an earlier call says nothing of those that were refused after it was sent.
TEST_F(FutilityTest, ALateAcceptanceClosesNoBreaker) {
  int calls = 0;
  terminate_ = [&](const Call&, Answered& a) {
    if (++calls > 1) Refuse(a, RefusalOf("InvalidAccount.UnpaidOrder", "pay first"));
  };
  answer_late_ = minutes{5};  // the first one
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return calls == 1; }, minutes{1}));
  Put(Request("s", {Id(2)}));
  Go(minutes{3});
  EXPECT_EQ(AccountReady().reason, "BreakerOpen") << WordsOfAccount();
  Go(minutes{4});
  EXPECT_EQ(AccountReady().reason, "BreakerOpen") << WordsOfAccount();
}

}  // namespace
}  // namespace retirement
