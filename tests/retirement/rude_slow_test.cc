// A kube-apiserver that is slow, and users that never rest.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeSlowTest : public RudeTest {
 protected:
  /// The instance can be called only when the view is old enough to need a live read.
  void StartWithSlowReads() {
    confirm_time_ = milliseconds{4500};
    describe_ = [](const Observe& a) { return All(a, "STARTING"); };
    Start({Request("r", {Id(1)})});
    Go(minutes{1});
    describe_ = [this](const Observe& a) { return Living(a); };
  }
};

// T1: live reads that take longer than their age allows.
TEST_F(RudeSlowTest, LiveReadsThatTakeLongAreTold) {
  StartWithSlowReads();
  Go(minutes{30});
  EXPECT_LE(confirms_, 40) << "live reads in half an hour";
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 1) << "what is written of them proves a view";
}

// T1: live reads that work again are not blamed for entries that are refused.
TEST_F(RudeSlowTest, LiveReadsThatWorkAgainAreNotBlamed) {
  StartWithSlowReads();
  const auto says = [this](const char* text) {
    return WordsOfAccount().find(text) != std::string::npos;
  };
  ASSERT_TRUE(GoUntil([&] { return says("cannot be read live"); }, minutes{5}));
  confirm_time_ = milliseconds{20};
  refuse_commits_ = "no space left";
  Go(minutes{5});
  EXPECT_TRUE(says("RetirementBatches cannot be written")) << WordsOfAccount();
  EXPECT_FALSE(says("cannot be read live")) << WordsOfAccount();
}

// T1: commits that take longer than a prepaid sight lives.
TEST_F(RudeSlowTest, CommitsThatTakeLongAreTold) {
  commit_time_ = seconds{10};
  describe_ = [](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  Start({Request("r", {Id(1)})});
  Go(minutes{30});
  EXPECT_TRUE(called_.empty());
  EXPECT_NE(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount() << WordsOf("r");
}

// one request that is edited without end, in a batch with others
TEST_F(RudeSlowTest, WhoEditsWithoutEndStopsNobody) {
  restless_ = "restless";
  Start({Request("restless", {Id(1)}), Request("r", Ids(10, 50))});
  Go(minutes{10});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 50)
      << WordsOfAccount() << "confirms " << confirms_;
}

// nobody can write the status of the restless one, so that nothing proves the view
TEST_F(RudeSlowTest, WhoEditsWithoutEndStopsNobodyThatIsQuiet) {
  restless_ = "restless";
  RequestObject e = Request("restless", {Id(1)});
  RequestObject r = Request("r", Ids(10, 50));
  r.spec.not_before = e.spec.not_before = now_.wall + minutes{1};
  Start({e, r});
  Go(minutes{20});
  EXPECT_EQ(CountOfState("r", MemberState::kRetired), 50)
      << WordsOfAccount() << WordsOf("r") << "confirms " << confirms_;
}

// E4: those that turn out to have nothing to say do not wake the engine one by one.
TEST_F(RudeSlowTest, WhatComesAtAboutTheSameTimeWakesOnce) {
  Start({});
  for (int i = 0; i < 400; ++i) {
    RequestObject r = Request("r" + std::to_string(i), {Id(i + 1)});
    r.spec.suspend = true;
    Put(r);
  }
  Go(minutes{10});
  engine_ = Engine(Config{{}, hours{720}, "operator", "another", {""}});
  const std::map<RequestKey, RequestObject> requests = std::exchange(requests_, {});
  Start({});
  Go(minutes{1});
  for (const auto& [key, r] : requests) {
    Tell(RequestSeen{requests_[key] = r});
    Go(Millis{1});
  }
  const int before = steps_;
  Go(seconds{30});
  EXPECT_LE(steps_ - before, 100);
}

}  // namespace
}  // namespace retirement
