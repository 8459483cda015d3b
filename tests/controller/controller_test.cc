#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/clock.h"
#include "controller/inbox.h"
#include "controller/metrics.h"

namespace controller {
namespace {

using namespace retirement;

TEST(InboxTest, KeepsTheOrderOfEachSender) {
  Inbox inbox(1000);
  std::vector<std::thread> senders;
  for (int s = 0; s < 4; ++s) {
    senders.emplace_back([&inbox, s] {
      for (int i = 0; i < 1000; ++i) {
        inbox.Push(RequestGone{{std::to_string(s), std::to_string(i)}});
      }
    });
  }
  std::map<std::string, int> next;
  for (int taken = 0; taken < 4000;) {
    for (const Event& e : inbox.Take(base::MonoNow() + Millis{1'000})) {
      const RequestKey& key = std::get<RequestGone>(e).key;
      ASSERT_EQ(key.name, std::to_string(next[key.ns]++));
      ++taken;
    }
  }
  for (std::thread& t : senders) t.join();
}

TEST(InboxTest, HoldsWatchesBackWhenFullAndReleasesThem) {
  Inbox inbox(300);
  int resumed = 0;
  for (int i = 0; i < 300; ++i) inbox.Push(Tick{});
  EXPECT_EQ(inbox.Pressure([&] { ++resumed; }), http::Flow::kContinue);
  inbox.Push(Tick{});
  EXPECT_EQ(inbox.Pressure([&] { ++resumed; }), http::Flow::kPause);
  inbox.Push(Answered{});  // answers are never refused
  inbox.Take(base::MonoNow());
  EXPECT_EQ(resumed, 1);
  EXPECT_EQ(inbox.Take(base::MonoNow()).size(), 46u);
  EXPECT_EQ(resumed, 1);
}

TEST(InboxTest, WakeEndsAWait) {
  Inbox inbox(10);
  std::thread waker([&inbox] { inbox.Wake(); });
  while (inbox.Take(base::kNever).empty()) break;
  waker.join();
}

TEST(MetricsTest, ShowsEverySeriesOfTheDocumentation) {
  Metrics metrics("1.2.3", "abc");
  const Lane lane{"default", "ap-guangzhou"};
  metrics.OnApiCall(lane, "TerminateInstances", "OK", 0.1);
  metrics.OnThrottled(lane, "TerminateInstances");
  metrics.OnTally({Tally::What::kBatch, lane, "Accepted", 1});
  metrics.OnTally({Tally::What::kBatchSize, lane, "", 100});
  metrics.OnTally({Tally::What::kInstance, lane, "Retired", 1});
  metrics.OnTally({Tally::What::kAmbiguous, lane, "", 1});
  metrics.OnTally({Tally::What::kLatency, lane, "", 3});
  metrics.OnKubeRequest({"patch", "instanceretirements", 200});
  metrics.OnWatchRestart("instanceretirements", "eof");
  metrics.SetSynced("cloudaccounts", true);
  metrics.SetAccountReady("default", true);
  Gauges gauges;
  gauges.blocked[size_t(Reason::kInstanceProtected)] = 2;
  metrics.SetGauges(gauges, 1.5);
  const std::string text = metrics.Serialize();
  for (
      const char* series :
      {R"(api_requests_total{account="default",action="TerminateInstances",code="OK",region="ap-guangzhou"} 1)",
       R"(api_request_duration_seconds_count{action="TerminateInstances"} 1)",
       R"(api_throttled_total{account="default",action="TerminateInstances",region="ap-guangzhou"} 1)",
       R"(batch_size_count{account="default",region="ap-guangzhou"} 1)",
       R"(batches_total{account="default",outcome="Accepted",region="ap-guangzhou"} 1)",
       R"(instances_total{account="default",region="ap-guangzhou",result="Retired"} 1)",
       R"(requests{phase="Complete"} 0)", R"(members{state="Retired"} 0)",
       R"(blocked_members{reason="InstanceProtected"} 2)", "queue_oldest_seconds 1.5",
       "latency_seconds_count 1", "ambiguous_total{", "leader 0", "account_ready{", "cache_synced{",
       R"(watch_restarts_total{kind="instanceretirements",reason="eof"} 1)",
       R"(kube_requests_total{code="200",kind="instanceretirements",verb="patch"} 1)",
       R"(build_info{revision="abc",version="1.2.3"} 1)"}) {
    EXPECT_NE(text.find(std::string("cvm_retirement_") + series), std::string::npos) << series;
  }
  EXPECT_NE(text.find("process_resident_memory_bytes "), std::string::npos);
  EXPECT_EQ(text.find("ins-"), std::string::npos);
}

}  // namespace
}  // namespace controller
