// Who may have a call repeated by asking to look again.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeConsentTest : public RudeTest {};

// S8a: somebody else, who was told something else, repeats the accepted prepaid call of r.
TEST_F(RudeConsentTest, AskingOfAnotherRequestRepeatsAnAcceptedPrepaidCall) {
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

// the second call destroys: the bin was reached between look and call
TEST_F(RudeConsentTest, WhatWasToBeRecycledIsDestroyed) {
  Mono accepted{};
  int destroyed = 0;
  describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  terminate_ = [&](const Call&, Answered&) {
    destroyed += accepted != Mono{};
    accepted = now_.mono;
  };
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

// the same with an orphan, and with what the log says was retired
TEST_F(RudeConsentTest, AskingOfAnotherRequestCallsAnOrphan) {
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

// a person asks about the suspicious absence of another's instance
TEST_F(RudeConsentTest, AnotherRequestsAskBelievesNoAbsence) {
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

// S8a: the RequestId of a status stands in for that of a call without an answer.
TEST_F(RudeConsentTest, AnOldRequestIdProvesNothing) {
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
  Edit("old", [](RequestObject& o) {
    ++o.generation;
    o.spec.members.push_back(MemberSpec(Parsed(Id(2))));
  });
  Go(seconds{20});
  const MemberState told = Told("r").state;
  state = "RUNNING";
  Go(minutes{10});
  EXPECT_NE(told, MemberState::kRecycled) << WordsOf("r");
}

// S8a: an answer that lags behind one that showed it in the bin says nothing of it.
TEST_F(RudeConsentTest, ALookBehindTheBinCallsNothing) {
  std::string state = "RUNNING";
  describe_ = [&](const Observe& a) {
    std::vector<Sight> sights = All(a, state, kPrepaid);
    for (Sight& s : sights) {
      s.terminated_last = state == "SHUTDOWN";
      if (s.terminated_last) s.operation_request = CloudRequestId("request-id");
    }
    return sights;
  };
  terminate_ = [](const Call&, Answered&) {};
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([&] { return !called_.empty(); }, minutes{1}));
  Go(seconds{45});
  state = "SHUTDOWN";
  ASSERT_TRUE(GoUntil([&] { return CountOfState("r", MemberState::kRecycled) == 1; }, minutes{1}));
  state = "RUNNING";
  Put(Request("again", {Id(1)}));
  Go(seconds{40});
  state = "SHUTDOWN";
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u);
  EXPECT_EQ(Told("again").state, MemberState::kRecycled);
}

}  // namespace
}  // namespace retirement
