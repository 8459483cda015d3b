// The cloud where the documentation leaves a choice: states on the way, failures, kinds of bins.
#include "simulator/cloud.h"

#include <gtest/gtest.h>

namespace simulator {
namespace {

using std::chrono::seconds;

class Choice : public Nature {
 public:
  Millis EffectDelay() override { return seconds{12}; }
  Millis DescribeLag() override { return Millis{0}; }
  bool NamesOffenders() override { return true; }
  std::vector<std::string> Passing() override { return passing; }
  bool FailsLater() override { return fails; }
  bool KeepsPostpaid() override { return keeps; }

  std::vector<std::string> passing{};
  bool fails = false;
  bool keeps = false;
};

class CloudTest : public ::testing::Test {
 protected:
  void SetUp() override { cloud_.Add({.id = "ins-00000001", .region = "r"}, Mono{}); }
  Reply Terminate(seconds at) { return cloud_.Terminate({"r", {"ins-00000001"}, "q"}, Mono{at}); }
  const Instance& After(seconds at) { return *cloud_.Find("ins-00000001", Mono{at}); }

  Choice choice_;
  Cloud cloud_{choice_};
};

TEST_F(CloudTest, PassesThroughStatesWhileItOperates) {
  choice_.passing = {"STOPPING", "STOPPED"};
  ASSERT_TRUE(Terminate(seconds{1}).ok());
  EXPECT_EQ(After(seconds{2}).state, "STOPPING");
  EXPECT_EQ(After(seconds{8}).state, "STOPPED");
  EXPECT_EQ(After(seconds{8}).operation_state, "OPERATING");
  EXPECT_TRUE(After(seconds{14}).gone);
}

TEST_F(CloudTest, WhatFailsLaterIsAsBeforeAndSaysSo) {
  choice_.fails = true;
  ASSERT_TRUE(Terminate(seconds{1}).ok());
  EXPECT_EQ(After(seconds{14}).state, "RUNNING");
  EXPECT_EQ(After(seconds{14}).operation_state, "FAILED");
  EXPECT_EQ(After(seconds{14}).operation_request, "q");
}

TEST_F(CloudTest, WhereTheBinKeepsPostpaidASecondCallDestroys) {
  choice_.keeps = true;
  ASSERT_TRUE(Terminate(seconds{1}).ok());
  EXPECT_EQ(After(seconds{14}).state, "SHUTDOWN");
  ASSERT_TRUE(Terminate(seconds{20}).ok());
  EXPECT_TRUE(cloud_.executions().back().was_in_bin.front());
  EXPECT_TRUE(After(seconds{40}).gone);
}

}  // namespace
}  // namespace simulator
