// Entries and statuses that vanish, are refused, or are somebody else's.
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeLogTest : public RudeTest {};

// The newest entry of a lane is kept for its number, which is that of what the log has.
TEST_F(RudeLogTest, WhatAListLacksIsNotTheNewestEntry) {
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

// S3: the newest of the lane is kept also while a later one that somebody deleted is not in the
// log.
TEST_F(RudeLogTest, WhatIsToBeWrittenAgainIsNotTheNewestEntry) {
  BatchObject first = Open();
  first.phase = BatchPhase::kRejected;
  first.answered = now_.wall;
  BatchObject second = Open();
  second.sequence = 2;
  describe_ = [](const Observe& a) { return All(a, "STOPPING"); };
  Start({Request("r", {Id(1)})}, {first, second});
  refuse_commits_ = "no";
  Go(minutes{1});
  log_.erase({kLane, 2});
  Tell(BatchGone{kLane, 2});
  Go(hours{3});
  EXPECT_TRUE(log_.contains({kLane, 1}));
}

// S4: the watch of batches is behind that of requests: the entry of which a status tells comes
// late.
TEST_F(RudeLogTest, AnEntryThatComesLateHasNoOrphan) {
  for (const bool ended : {false, true}) {
    Fresh();
    RunsForEver();
    RequestObject r = Request("r", {Id(1)});
    TellOfACall(r, MemberState::kVerifying, Reason::kAmbiguous, 1);
    Start({r});
    Go(seconds{5});
    BatchObject entry = Open();
    entry.version = std::to_string(++version_);
    if (ended) entry.phase = BatchPhase::kVerified;
    if (ended) entry.members[0].result = BatchResult::kUntouched;
    log_[{entry.lane, entry.sequence}] = entry;
    Tell(BatchSeen{entry});
    Go(hours{1});
    EXPECT_EQ(called_.size(), 1u) << ended << WordsOf("r");
  }
}

// L1: nor has one that was never sent, whatever an earlier one was.
TEST_F(RudeLogTest, AnEntryThatComesLateAndWasNeverSentHasNoOrphan) {
  RunsForEver();
  RequestObject r = Request("r", {Id(1)});
  TellOfACall(r, MemberState::kSubmitted, Reason::kNone, 2);
  Start({r});
  Go(seconds{5});
  BatchObject refused = Open();
  refused.phase = BatchPhase::kRejected;
  refused.members[0].result = BatchResult::kUntouched;
  BatchObject abandoned = Open();
  abandoned.sequence = 2;
  abandoned.phase = BatchPhase::kAbandoned;
  for (BatchObject entry : {refused, abandoned}) {
    entry.version = std::to_string(++version_);
    log_[{entry.lane, entry.sequence}] = entry;
    Tell(BatchSeen{entry});
  }
  Go(hours{1});
  EXPECT_EQ(called_.size(), 1u) << WordsOf("r");
}

// The log is not opened again by one who did not see its end.
TEST_F(RudeLogTest, WhatOthersEndedStaysEnded) {
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
TEST_F(RudeLogTest, AnOlderEntryTakesNothingFromALaterOne) {
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
TEST_F(RudeLogTest, TheLogOfAnotherInstallationIsLeftToIt) {
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

// S5, S8a: the record of a call was deleted; only a person, told of it, may have it called again.
// An answer that leaves out the last operation proves nothing.
TEST_F(RudeLogTest, AnOrphanWaitsForAPerson) {
  for (const std::string_view charge : {std::string_view("POSTPAID_BY_HOUR"), kPrepaid}) {
    for (const auto& [state, reason] : {std::pair(MemberState::kSubmitted, Reason::kNone),
                                        std::pair(MemberState::kVerifying, Reason::kNone),
                                        std::pair(MemberState::kWaiting, Reason::kAmbiguous)}) {
      Fresh();
      describe_ = [&](const Observe& a) { return All(a, "RUNNING", charge); };
      RequestObject r = Request("r", {Id(1)});
      TellOfACall(r, state, reason, 1);
      r.requested_at = "before anybody was told";
      Start({r});
      Go(minutes{20});
      EXPECT_TRUE(called_.empty()) << charge << ToString(state);
      EXPECT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
      Edit("r", [](RequestObject& o) { o.requested_at = "now"; });
      Go(minutes{2});
      EXPECT_EQ(called_.size(), 1u) << charge << ToString(state);
    }
  }
}

// S5: whatever else stands against an orphan, its status goes on telling of the call.
TEST_F(RudeLogTest, AnObstacleMakesNobodyForgetACall) {
  enum class Obstacle { kMistaken, kProtected, kNotReturnable };
  for (const auto what : {Obstacle::kMistaken, Obstacle::kProtected, Obstacle::kNotReturnable}) {
    Fresh();
    bool stands = true;
    describe_ = [&](const Observe& a) {
      const bool failed = stands && what == Obstacle::kNotReturnable;
      std::vector<Sight> sights = All(a, failed ? "LAUNCH_FAILED" : "RUNNING");
      for (Sight& s : sights) {
        s.protected_from_termination = stands && what == Obstacle::kProtected;
        s.name = stands ? "another" : "expected";
      }
      return sights;
    };
    RequestObject r = Request("r", {Id(1)});
    TellOfACall(r, MemberState::kVerifying, Reason::kNone, 1);
    if (what == Obstacle::kMistaken) {
      r.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"expected", ""});
    }
    Start({r});
    Go(minutes{20});
    EXPECT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
    stands = false;
    Restart();
    Go(hours{1});
    EXPECT_TRUE(called_.empty()) << int(what);
  }
}

// S5: nor does what another request is told of the same instance.
TEST_F(RudeLogTest, AnotherRequestMakesNobodyForgetACall) {
  bool stands = true;
  bool listed = false;
  describe_ = [&](const Observe& a) {
    if (!listed) return std::vector<Sight>();
    std::vector<Sight> sights = All(a, "RUNNING");
    for (Sight& s : sights) s.name = stands ? "another" : "expected";
    return sights;
  };
  RequestObject older = Request("a", {Id(1)});
  older.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"expected", ""});
  TellOfACall(older, MemberState::kBlocked, Reason::kExpectMismatch, 0);
  RequestObject r = Request("r", {Id(1)});
  TellOfACall(r, MemberState::kVerifying, Reason::kNone, 1);
  Start({older, r});
  Go(seconds{20});
  Restart();
  listed = true;
  Go(minutes{30});
  EXPECT_EQ(Told("r").reason, Reason::kVerifyDeadlineExceeded) << WordsOf("r");
  stands = false;
  Go(hours{1});
  EXPECT_TRUE(called_.empty());
}

// S5: an entry of an accepted call that is deleted before its end is recorded is written again.
TEST_F(RudeLogTest, AnEndThatIsNotRecordedIsNotLost) {
  describe_ = [this](const Observe& a) {
    std::vector<Sight> sights = All(a, "RUNNING");
    for (Sight& s : sights) {
      s.terminated_last = s.operation_failed = !called_.empty();
      s.operation_request = log_.empty() ? CloudRequestId() : CloudRequestId(First().request_id);
    }
    return sights;
  };
  terminate_ = [](const Call&, Answered&) {};
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([this] { return !log_.empty() && !First().request_id.empty(); }, minutes{1}));
  lose_records_ = true;
  const auto ended = [this] {
    const auto& open = engine_.state().lanes.at(kLane).ledger.open;
    return !open.empty() && open.begin()->second.stage == Stage::kClosed;
  };
  ASSERT_TRUE(GoUntil(ended, minutes{10}));
  log_.clear();  // the answer to the record tells before the watch does
  lose_records_ = false;
  Go(minutes{1});
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(First().phase, BatchPhase::kVerified);
}

// S5: what may be called again does not end while the log lacks its entry: a status that moves on
// would be all that is left.
TEST_F(RudeLogTest, WhatTheLogLacksIsNotCalledAgain) {
  for (const bool written : {false, true}) {
    Fresh();
    refuse_commits_.clear();
    bool failed = false;
    describe_ = [&](const Observe& a) {
      std::vector<Sight> sights = All(a, "RUNNING", kPrepaid);
      for (Sight& s : sights) {
        s.terminated_last = s.operation_failed = failed;
        s.operation_request = CloudRequestId("request-id");
      }
      return sights;
    };
    terminate_ = [](const Call&, Answered&) {};
    Start({Request("r", {Id(1)})});
    ASSERT_TRUE(
        GoUntil([this] { return !log_.empty() && !First().request_id.empty(); }, minutes{1}));
    refuse_commits_ = "no";
    log_.clear();
    Tell(BatchGone{kLane, 1});
    failed = true;
    Go(minutes{10});
    EXPECT_EQ(Told("r").reason, Reason::kAwaitingBatch) << WordsOf("r");
    refuse_commits_.clear();
    if (!written) Restart();
    Go(minutes{30});
    EXPECT_EQ(called_.size() > 1, written) << WordsOf("r");
  }
}

// S5: who leads next reads an entry that was made anew and has no status yet.
TEST_F(RudeLogTest, AnAcceptanceIsInTheEntryThatIsMadeAnew) {
  RunsForEver();
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntil([this] { return !log_.empty() && !First().request_id.empty(); }, minutes{1}));
  lose_records_ = true;
  log_.clear();
  Tell(BatchGone{kLane, 1});
  ASSERT_TRUE(GoUntil([this] { return !log_.empty(); }, minutes{1}));
  Restart();
  Go(hours{1});
  EXPECT_EQ(called_.size(), 1u) << WordsOf("r");
}

// What a status tells of a call that has ended keeps nobody from calling.
TEST_F(RudeLogTest, WhatHasEndedIsNoOrphan) {
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

// E0: without the service's time the log is kept small all the same.
TEST_F(RudeLogTest, AnUnreachableServiceFillsNoLog) {
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

// An entry is kept while a status that nobody can rewrite tells of its call.
TEST_F(RudeLogTest, AnEntryIsKeptWhileAStatusTellsOfItsCall) {
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
TEST_F(RudeLogTest, AWatchThatShowsNoEntryIsTold) {
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
TEST_F(RudeLogTest, ARecordThatIsRefusedIsTriedSeldom) {
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

// S5, S8a: an entry of another lane takes a member away; that its call was accepted stays known.
TEST_F(RudeLogTest, WhatIsTakenAwayAfterItsCallIsNotCalledAgain) {
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
TEST_F(RudeLogTest, ARefusalOfAnEmptyEntryIsBearable) {
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
TEST_F(RudeLogTest, AStatusIsBelievedThoughTheLogIsGone) {
  describe_ = [&](const Observe& a) { return All(a, "RUNNING", kPrepaid); };
  RequestObject r = Request("r", {Id(1)});
  TellOfACall(r, MemberState::kVerifying, Reason::kNone, 20);
  Start({r});
  Go(minutes{5});
  EXPECT_TRUE(called_.empty());
}

// L1: the second commit of Destroy, of a process that died, was never called.
TEST_F(RudeLogTest, DestroyGoesOnAfterACrashBeforeItsSecondCall) {
  describe_ = [this](const Observe& a) { return InTheBin(a); };
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

// E0, T1: an object that nobody can read has taken the name of an open entry.
TEST_F(RudeLogTest, AnObjectThatNobodyCanReadInPlaceOfAnEntry) {
  RunsForEver();
  Start({Request("r", {Id(1)})});
  ASSERT_TRUE(GoUntilCalled());
  Go(seconds{10});
  malformed_ = true;  // somebody replaced it
  log_.clear();
  commits_ = 0;
  Tell(BatchGone{kLane, 1});
  Go(minutes{1});
  EXPECT_LE(commits_, 20);
  EXPECT_EQ(AccountReady().reason, "LogNotWritable");
  EXPECT_NE(AccountReady().message.find("default.ap-guangzhou.0000000001"), std::string::npos)
      << WordsOfAccount();
  malformed_ = false;  // somebody deleted it
  Go(minutes{3});
  EXPECT_EQ(log_.size(), 1u);
  EXPECT_EQ(AccountReady().status, ConditionStatus::kTrue) << WordsOfAccount();
}

// The newest entry of a lane is kept: one that a list lacks is not that.
TEST_F(RudeLogTest, WhatAListLacksIsNotTheNewest) {
  describe_ = [](const Observe& a) { return All(a, "STOPPING"); };
  BatchObject first = Open();
  first.phase = BatchPhase::kAbandoned;
  first.version = std::to_string(++version_);
  BatchObject second = first;
  second.sequence = 2;
  Start({Request("r", {Id(2)})}, {first, second});
  Go(seconds{10});
  log_.erase({kLane, 2});  // while the watch is away
  ++version_;
  List(Kind::kBatch);
  Go(hours{3});
  EXPECT_TRUE(log_.contains({kLane, 1}));
}

}  // namespace
}  // namespace retirement
