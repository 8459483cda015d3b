// The small machines of the engine, each by itself.
#include <gtest/gtest.h>

#include <algorithm>

#include "retirement/accept.h"
#include "retirement/looks.h"
#include "retirement/object.h"
#include "retirement/outbox.h"
#include "retirement/pace.h"
#include "retirement/packer.h"
#include "retirement/search.h"
#include "retirement/view.h"

namespace retirement {
namespace {

Mono At(int64_t ms) { return Mono{Millis{ms}}; }

std::vector<Target> Targets(size_t count) {
  std::vector<Target> targets(count);
  for (size_t i = 0; i < count; ++i) {
    targets[i].id = *InstanceId::Parse("ins-" + std::to_string(10'000'000 + i));
  }
  return targets;
}

TEST(InstanceIdTest, AcceptsExactlyTheDocumentedForm) {
  EXPECT_EQ(InstanceId::Parse("ins-r8hr2upy")->ToString(), "ins-r8hr2upy");
  for (const char* text : {"", "ins-", "ins-r8hr2up", "ins-r8hr2upyx", "INS-r8hr2upy",
                           "ins-R8hr2upy", "ins-r8hr2u y", "in-sr8hr2upy"}) {
    EXPECT_FALSE(InstanceId::Parse(text)) << text;
  }
  EXPECT_LT(*InstanceId::Parse("ins-00000009"), *InstanceId::Parse("ins-0000000a"));
}

TEST(BatchNameTest, NamesAndReadsItsSequence) {
  const Lane lane{"default", "ap-guangzhou"};
  EXPECT_EQ(BatchName(lane, 17), "default.ap-guangzhou.0000000017");
  EXPECT_EQ(SequenceOf("default.ap-guangzhou.0000000017", lane), 17u);
  EXPECT_EQ(SequenceOf("default.ap-guangzhou.99999999999", lane), 99999999999u);
  EXPECT_FALSE(SequenceOf("other.ap-guangzhou.0000000017", lane));
  EXPECT_FALSE(SequenceOf("default.ap-guangzhou.x", lane));
}

TEST(PackerTest, CutsAFullBatchAtOnce) {
  Packer packer;
  auto targets = Targets(250);
  for (Target& t : targets) packer.Add(t, {}, At(0));
  for (int i = 0; i < 2; ++i) {
    const auto cut = packer.Take({}, At(0), {});
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->targets.size(), 100u);
  }
  EXPECT_FALSE(packer.Take({}, At(0), {}));
  EXPECT_EQ(packer.Next({}, {}), At(1'000));
  EXPECT_EQ(packer.Take({}, At(1'000), {})->targets.size(), 50u);
  EXPECT_EQ(packer.size(), 0u);
}

TEST(PackerTest, ANewcomerProlongsTheWaitUpToItsMaximum) {
  Packer packer;
  auto targets = Targets(30);
  for (int i = 0; i < 30; ++i) packer.Add(targets[size_t(i)], {}, At(i * 900));
  EXPECT_EQ(packer.Next({}, {}), At(10'000));
  EXPECT_FALSE(packer.Take({}, At(9'999), {}));
  EXPECT_TRUE(packer.Take({}, At(10'000), {}));
}

// E1: few searches are under way at a time; a probe takes one.
TEST(PackerTest, ASearchGoesFirstAndAProbeTakesOne) {
  Packer packer;
  auto targets = Targets(4);
  PackKey search;
  search.group = 7;
  packer.Add(targets[0], {}, At(0));
  packer.Add(targets[1], {}, At(0));
  packer.Add(targets[2], search, At(500));
  packer.Add(targets[3], search, At(500));
  EXPECT_EQ(packer.Take({}, At(2'000), {1, 1})->targets, (std::vector<Target*>{&targets[2]}));
  EXPECT_EQ(packer.Take({}, At(4'000), {})->targets, (std::vector<Target*>{&targets[3]}));
  EXPECT_EQ(packer.Take({}, At(4'000), {})->targets.size(), 2u);
}

// S2: what differs in any part of the key never shares a batch.
TEST(PackerTest, KeepsKeysApart) {
  Packer packer;
  auto targets = Targets(6);
  const std::vector<PackKey> keys = {
      {0, Step::kFirst, false, false, false, "A"},  {1, Step::kFirst, false, false, false, "A"},
      {0, Step::kSecond, false, false, false, "A"}, {0, Step::kFirst, true, false, false, "A"},
      {0, Step::kFirst, false, true, false, "A"},   {0, Step::kFirst, false, false, false, "B"}};
  for (size_t i = 0; i < keys.size(); ++i) packer.Add(targets[i], keys[i], At(0));
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto cut = packer.Take({}, At(1'000), {});
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->targets.size(), 1u);
  }
}

TEST(PackerTest, WhatIsRemovedIsNotCut) {
  Packer packer;
  auto targets = Targets(2);
  for (Target& t : targets) packer.Add(t, {}, At(0));
  packer.Remove(targets[0]);
  packer.Remove(targets[0]);
  EXPECT_EQ(packer.Take({}, At(1'000), {})->targets, (std::vector<Target*>{&targets[1]}));
}

TEST(LooksTest, ShareCallsOfAtMostAHundred) {
  Looks looks;
  auto targets = Targets(250);
  for (Target& t : targets) looks.Add(t, At(10), Looks::Purpose::kCall);
  EXPECT_TRUE(looks.Take(At(9), {true}).empty());
  EXPECT_TRUE(looks.Take(At(1'000), {false}).empty());  // not further ahead than calls can follow
  EXPECT_EQ(looks.Next(false), base::kNever);
  EXPECT_EQ(looks.Take(At(10), {true}).size(), 100u);
  EXPECT_EQ(looks.Take(At(10), {true}).size(), 100u);
  EXPECT_TRUE(looks.Take(At(10), {true}).empty());  // the rest waits for company
  EXPECT_EQ(looks.Take(looks.Next(true), {true}).size(), 50u);
  EXPECT_EQ(looks.Next(true), base::kNever);
}

TEST(RateTest, ThrottlingHalvesAndSuccessRestores) {
  Rate rate(8, 1);
  rate.OnThrottled(At(1'000));
  rate.OnThrottled(At(1'001));  // the answers of one burst count once
  EXPECT_EQ(rate.current(), 4);
  EXPECT_GE(rate.Next(At(1'002)), At(2'000));
  for (int i = 0; i < 100; ++i) rate.OnSuccess(At(3'000 + i));
  EXPECT_EQ(rate.current(), 8);
}

TEST(BreakerTest, LetsOneProbePassAtGrowingIntervals) {
  Breaker breaker;
  Mono now = At(0);
  Millis before{0};
  for (int i = 0; i < 15; ++i) {
    breaker.Trip("R", "m", now);
    EXPECT_GT(breaker.Next(), now);
    const Millis wait = breaker.Next() - now;
    EXPECT_GE(wait, before);
    EXPECT_LE(wait, kLongestProbe);
    before = wait;
    now = breaker.Next();
    breaker.OnSend();
    EXPECT_EQ(breaker.Next(), base::kNever) << "one at a time";
  }
  breaker.Heal();
  EXPECT_FALSE(breaker.open());
}

TEST(ServiceClockTest, TakesTheEarliestIdeaOfTheTime) {
  ServiceClock clock;
  EXPECT_FALSE(clock.At(At(0)));
  clock.Add(Wall{Millis{5'000'000}}, At(1'000));
  clock.Add(Wall{Millis{5'001'000}}, At(2'500));  // a slow answer
  EXPECT_EQ(clock.At(At(3'000)), Wall{Millis{5'001'500}});
  EXPECT_EQ(clock.Latest(At(3'000)), Wall{Millis{5'002'000}});
  clock.Add(Wall{Millis{5'700'000}}, At(702'000));
  EXPECT_EQ(clock.At(At(702'000)), Wall{Millis{5'700'000}});
  EXPECT_EQ(clock.Latest(At(702'000)), Wall{Millis{5'700'000}});
}

// S12: only a list or a write of our own proves a view.
TEST(ViewTest, OtherEventsProveNothing) {
  const Stream stream{Kind::kRequest, ""};
  View view({stream});
  EXPECT_EQ(view.ProvenAt(Kind::kRequest), Mono{});
  view.OnReset(stream, "100", At(1'000));
  view.OnApplied(stream, "150");
  EXPECT_EQ(view.ProvenAt(Kind::kRequest), At(1'000));
  view.OnOwnWrite(stream, "200", At(5'000));
  EXPECT_EQ(view.ProvenAt(Kind::kRequest), At(1'000));
  view.OnApplied(stream, "199");
  EXPECT_EQ(view.ProvenAt(Kind::kRequest), At(1'000));
  view.OnApplied(stream, "200");
  EXPECT_EQ(view.ProvenAt(Kind::kRequest), At(5'000));
}

TEST(ViewTest, AKindIsAsOldAsItsOldestStream) {
  View view({{Kind::kRequest, "a"}, {Kind::kRequest, "b"}});
  view.OnReset({Kind::kRequest, "a"}, "1", At(1'000));
  view.OnReset({Kind::kRequest, "b"}, "1", At(9'000));
  EXPECT_EQ(view.ProvenAt(Kind::kRequest), At(1'000));
  EXPECT_EQ(view.StreamOf(Kind::kRequest, "b"), (Stream{Kind::kRequest, "b"}));
}

// E1: one offender in a hundred is found with at most 15 calls.
TEST(SearchTest, FindsEveryOffenderWithFewCalls) {
  auto targets = Targets(100);
  for (size_t offender = 0; offender < 100; ++offender) {
    std::vector<std::vector<Target*>> open(1);
    for (Target& t : targets) open[0].push_back(&t);
    int calls = 0;
    while (!open.empty()) {
      const auto group = open.back();
      open.pop_back();
      ++calls;
      const bool spoiled = std::find(group.begin(), group.end(), &targets[offender]) != group.end();
      if (!spoiled || group.size() == 1) continue;
      for (const auto& part : Divide(group, {})) open.push_back(part);
    }
    EXPECT_LE(calls, 15) << offender;
  }
}

TEST(SearchTest, AHintSetsTheOffendersApart) {
  auto targets = Targets(4);
  std::vector<Target*> all;
  for (Target& t : targets) all.push_back(&t);
  const auto parts = Divide(all, {targets[2].id});
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[1], (std::vector<Target*>{&targets[2]}));
  // A hint that names all, or none of them, is none.
  EXPECT_EQ(Divide(all, {*InstanceId::Parse("ins-zzzzzzzz")}).size(), 2u);
}

TEST(AcceptTest, NamesTheFirstReasonThatHoldsARequestBack) {
  Account account;
  account.exists = true;
  account.object.name = "default";
  account.object.spec.mode = Mode::kExecute;
  account.object.spec.regions = {"ap-guangzhou"};
  account.object.spec.namespaces = {"team-a"};
  Request r;
  r.key = {"team-a", "r"};
  r.spec.region = "ap-guangzhou";
  const Now now{At(0), Wall{hours{1000}}};
  EXPECT_EQ(CheckAccepted(r, nullptr).reason, "AccountNotFound");
  EXPECT_EQ(CheckAccepted(r, &account).reason, "");
  r.key.ns = "team-b";
  EXPECT_EQ(CheckAccepted(r, &account).reason, "NamespaceNotAllowed");
  r.key.ns = "team-a";
  r.spec.region = "ap-beijing";
  EXPECT_EQ(CheckAccepted(r, &account).reason, "RegionNotAllowed");
  r.spec.region = "ap-guangzhou";
  r.errors = {"spec.x is wrong"};
  EXPECT_EQ(CheckAccepted(r, &account).reason, "InvalidSpec");

  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "");
  r.spec.not_before = now.wall + hours{1};
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "NotBefore");
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).until, r.spec.not_before);
  r.hold = "x=y";
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "HoldPresent");
  r.spec.suspend = true;
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "Suspended");
  account.object.spec.mode = Mode::kDryRun;
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "AccountDryRun");
  account.object.spec.paused = true;
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "Paused");
  r.spec.expires_at = now.wall;
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "Expired");
}

// S10: whichever of the two clocks is wrong.
TEST(AcceptTest, WhatWaitsGoesByTheSlowerClockAndWhatEndsByTheFaster) {
  for (const Millis ahead : {Millis{hours{1}}, Millis{-hours{1}}}) {
    Account account;
    account.exists = true;
    account.object.spec.mode = Mode::kExecute;
    const Wall service{hours{1000}};
    account.clock.Add(service, At(0));
    const Now now{At(0), service + ahead};
    const Wall slower = std::min(service, now.wall);
    const Wall faster = std::max(service, now.wall);
    Request r;
    r.spec.not_before = slower + seconds{1};
    EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "NotBefore");
    EXPECT_EQ(NextWallTime(r, account, now), now.wall + seconds{1});
    r.spec.not_before = slower;
    r.spec.expires_at = faster + seconds{1};
    EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "");
    EXPECT_EQ(NextWallTime(r, account, now), now.wall + seconds{1});
    r.spec.expires_at = faster;
    EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "ClockSuspect");
    r.spec.expires_at = slower;
    EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "Expired");
    r.spec.expires_at.reset();
    r.spec.grace = minutes{15};
    r.accepted_written = true;
    r.accepted = slower - minutes{14};
    EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "GracePeriod");
  }
}

TEST(AcceptTest, TheGraceCountsFromItsRecordedStart) {
  Account account;
  account.exists = true;
  account.object.spec.mode = Mode::kExecute;
  Request r;
  r.spec.grace = minutes{15};
  const Now now{At(0), Wall{hours{1000}}};
  r.accepted = now.wall - hours{1};
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "GracePeriod");
  r.accepted_written = true;
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).reason, "");
  r.accepted = now.wall - minutes{14};
  EXPECT_EQ(CheckPermitted(r, account, nullptr, now).until, now.wall + minutes{1});
}

// S10: a write that is under way tells of the start that was believed when it was sent.
TEST(OutboxTest, AWriteThatIsUnderWayRecordsNoOtherStart) {
  State state{Config{}};
  auto& r =
      *state.requests.emplace(RequestKey{"team", "r"}, std::make_unique<Request>()).first->second;
  r.key = {"team", "r"};
  const Now now{At(0), Wall{hours{1000}}};
  r.accepted_told = now.wall - hours{2};
  r.accepted = now.wall;
  const StatusWritten written{Kind::kRequest, r.key, true, false, "7", now.mono, false};
  OnStatusWritten(state, written, now);
  EXPECT_FALSE(r.accepted_written);
  r.accepted_told = r.accepted;
  OnStatusWritten(state, written, now);
  EXPECT_TRUE(r.accepted_written);
}

}  // namespace
}  // namespace retirement
