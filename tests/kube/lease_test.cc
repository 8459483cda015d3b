#include "kube/lease.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/random.h"
#include "kube/elector.h"

namespace kube {
namespace {

using base::Millis;
using base::Mono;
using base::Now;
using Kind = LeaseProtocol::Kind;

Now At(int64_t ms) { return {Mono{Millis{ms}}, base::Wall{Millis{ms}}}; }

/// The Lease as the server keeps it.
struct Store {
  std::optional<LeaseRecord> record;
  int version = 0;

  /// Whether the write went through; compare-and-set on the version.
  bool Write(Kind kind, LeaseRecord r) {
    if (kind == Kind::kCreate ? record.has_value() : !record || record->version != r.version) {
      return false;
    }
    r.version = std::to_string(++version);
    record = r;
    return true;
  }
};

/// One round trip without delay.
void Turn(LeaseProtocol& p, Store& store, Now now) {
  const auto ask = p.Next(now);
  if (ask.at > now.mono) return;
  if (ask.kind == Kind::kGet) return p.OnRead(store.record, now);
  store.Write(ask.kind, ask.record) ? p.OnWritten(*store.record, now.mono) : p.OnFailed(now);
}

TEST(LeaseTest, WhoCreatesTheLeaseWaitsOneDurationBeforeItLeads) {
  Store store;
  LeaseProtocol p("a", {});
  for (int64_t ms = 0; ms < 20'000; ms += 100) {
    Turn(p, store, At(ms));
    EXPECT_EQ(p.Leads(Mono{Millis{ms}}), ms >= 10'100) << ms;
  }
}

TEST(LeaseTest, AReleasedLeaseIsTakenAtOnce) {
  Store store;
  store.record = LeaseRecord{"", 1, {}, {}, 4, "1"};
  LeaseProtocol p("a", {});
  Turn(p, store, At(1'000));
  Turn(p, store, At(1'000));
  EXPECT_TRUE(p.Leads(Mono{Millis{1'001}}));
  EXPECT_EQ(store.record->transitions, 5);
}

TEST(LeaseTest, ValidityCountsFromTheSendingOfTheLastRenewal) {
  Store store;
  store.record = LeaseRecord{"", 1, {}, {}, 0, "0"};
  LeaseProtocol p("a", {});
  Turn(p, store, At(1'000));
  Turn(p, store, At(1'000));
  EXPECT_TRUE(p.Leads(Mono{Millis{7'999}}));
  EXPECT_FALSE(p.Leads(Mono{Millis{8'000}}));
}

TEST(LeaseTest, TheClockOfAnotherHostCountsForNothing) {
  Store store;
  // A holder whose clock is years behind renews all the time.
  store.record = LeaseRecord{"other", 10, {}, base::Wall{Millis{5}}, 0, "0"};
  LeaseProtocol p("a", {});
  for (int64_t ms = 0; ms < 60'000; ms += 500) {
    store.record->renewed = base::Wall{Millis{5 + ms}};
    store.record->version = std::to_string(++store.version);
    Turn(p, store, At(ms));
    ASSERT_FALSE(p.Leads(Mono{Millis{ms}}));
  }
}

// Two candidates, lost answers, pauses: their validities never overlap.
TEST(LeaseTest, TwoNeverLeadAtOnce) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    base::Random random(seed);
    Store store;
    LeaseProtocol a("a", {});
    LeaseProtocol b("b", {});
    int64_t paused[2] = {0, 0};
    int led = 0;
    for (int64_t ms = 0; ms < 200'000; ms += 250) {
      for (int i = 0; i < 2; ++i) {
        LeaseProtocol& p = i == 0 ? a : b;
        if (ms < paused[i]) continue;
        if (random.Chance(0.01)) paused[i] = ms + int64_t(random.Below(40'000));
        const auto ask = p.Next(At(ms));
        if (ask.at > Mono{Millis{ms}}) continue;
        if (ask.kind == Kind::kGet) {
          p.OnRead(store.record, At(ms));
          continue;
        }
        const bool written = store.Write(ask.kind, ask.record);
        const bool answer_lost = random.Chance(0.2);
        written && !answer_lost ? p.OnWritten(*store.record, Mono{Millis{ms}}) : p.OnFailed(At(ms));
      }
      const Mono now{Millis{ms}};
      ASSERT_FALSE(a.Leads(now) && b.Leads(now)) << "seed " << seed << " at " << ms;
      led += a.Leads(now) || b.Leads(now);
    }
    ASSERT_GT(led, 0);
  }
}

TEST(LeaseTest, ARecordSurvivesItsJson) {
  const LeaseRecord r{
      "me", 10,  base::Wall{Millis{1'700'000'000'123}}, base::Wall{Millis{1'700'000'001'456}},
      7,    "99"};
  const auto read = ReadLease(WriteLease("ns", "name", r));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, r);
}

}  // namespace
}  // namespace kube
