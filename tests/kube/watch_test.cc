#include "kube/watch.h"

#include <gtest/gtest.h>

#include "kube/lines.h"

namespace kube {
namespace {

using base::Code;
using base::Millis;

class WatchTest : public testing::Test {
 protected:
  Frame Added(const char* version) { return {"ADDED", version, false, 0, ""}; }
  Frame EndOfList(const char* version) { return {"BOOKMARK", version, true, 0, ""}; }
  WatchProtocol::End End(Code code, Millis lifetime = Millis{10}) {
    const base::Error error{.code = code, .message = "x"};
    return protocol_.OnEnd(&error, lifetime, random_);
  }
  void Sync() {
    protocol_.OnFrame(Added("50"));
    ASSERT_EQ(protocol_.OnFrame(EndOfList("100")), FrameMeaning::kInitialEnd);
  }
  bool Contains(const char* text) { return protocol_.Next().query.find(text) != std::string::npos; }

  WatchProtocol protocol_{Millis{270'000}};
  base::Random random_{1};
};

TEST_F(WatchTest, BeginsWithAStreamedConsistentList) {
  EXPECT_TRUE(protocol_.Next().watch);
  EXPECT_TRUE(protocol_.Next().initial);
  EXPECT_TRUE(Contains("sendInitialEvents=true"));
  EXPECT_TRUE(Contains("resourceVersionMatch=NotOlderThan"));
  EXPECT_TRUE(protocol_.Next().query.ends_with("resourceVersion="));
}

TEST_F(WatchTest, GoesOnOnlyFromVersionsThatItSaw) {
  EXPECT_EQ(protocol_.OnFrame(Added("50")), FrameMeaning::kObject);
  EXPECT_EQ(protocol_.version(), "");  // the versions of a streamed list come in no order
  Sync();
  EXPECT_TRUE(protocol_.synced());
  EXPECT_EQ(protocol_.OnFrame({"MODIFIED", "120", false, 0, ""}), FrameMeaning::kObject);
  EXPECT_EQ(protocol_.OnFrame({"DELETED", "121", false, 0, ""}), FrameMeaning::kDeleted);
  EXPECT_EQ(protocol_.OnFrame({"BOOKMARK", "130", false, 0, ""}), FrameMeaning::kBookmark);
  EXPECT_EQ(protocol_.OnFrame({"NEWKIND", "999", false, 0, ""}), FrameMeaning::kIgnore);
  EXPECT_EQ(protocol_.OnEnd(nullptr, Millis{60'000}, random_).delay, Millis{0});
  EXPECT_TRUE(protocol_.Next().query.ends_with("resourceVersion=130"));
  EXPECT_FALSE(protocol_.Next().initial);
}

TEST_F(WatchTest, AnExpiredVersionMeansANewConsistentList) {
  Sync();
  EXPECT_EQ(protocol_.OnFrame({"ERROR", "", false, 410, "Expired"}), FrameMeaning::kEnd);
  protocol_.OnEnd(nullptr, Millis{10}, random_);
  EXPECT_TRUE(protocol_.Next().initial);
  EXPECT_TRUE(protocol_.Next().query.ends_with("resourceVersion="));
  Sync();
  EXPECT_EQ(End(Code::kExpired).delay, Millis{0});  // 410 as an HTTP status
  EXPECT_TRUE(protocol_.Next().initial);
}

TEST_F(WatchTest, FallsBackToPagesWhereTheServerCannotStreamLists) {
  EXPECT_EQ(End(Code::kInvalidArgument).delay, Millis{0});
  EXPECT_FALSE(protocol_.Next().watch);
  EXPECT_EQ(protocol_.Next().query, "limit=500");
  EXPECT_FALSE(protocol_.OnPage("77", "token/1"));
  EXPECT_EQ(protocol_.Next().query, "limit=500&continue=token%2F1");
  EXPECT_FALSE(protocol_.Next().initial);
  EXPECT_TRUE(protocol_.OnPage("77", ""));
  EXPECT_TRUE(protocol_.Next().query.ends_with("resourceVersion=77"));
}

TEST_F(WatchTest, APageThatIsTooLongIsAskedForInHalves) {
  End(Code::kInvalidArgument);  // no streaming here
  EXPECT_TRUE(Contains("limit=500"));
  EXPECT_FALSE(protocol_.OnPage("100", "next"));
  for (const char* limit : {"limit=250&", "limit=125&", "limit=62&"}) {
    EXPECT_EQ(End(Code::kInternal).delay, Millis{0});
    EXPECT_TRUE(Contains(limit)) << protocol_.Next().query;
    EXPECT_TRUE(Contains("continue=next")) << "what was read already is kept";
  }
  for (int i = 0; i < 5; ++i) End(Code::kInternal);
  EXPECT_TRUE(Contains("limit=1&"));
  EXPECT_GT(End(Code::kInternal).delay, Millis{0}) << "a single object that is too long";
}

TEST_F(WatchTest, AnExpiredContinueTokenBeginsTheListAnew) {
  End(Code::kInvalidArgument);
  protocol_.OnPage("77", "token");
  End(Code::kExpired);
  EXPECT_EQ(protocol_.Next().query, "limit=500");
}

TEST_F(WatchTest, AListThatBreaksOffBeginsAnewWithoutStreamingBeingGivenUp) {
  protocol_.OnFrame(Added("50"));
  EXPECT_GT(protocol_.OnEnd(nullptr, Millis{5'000}, random_).delay, Millis{0});
  EXPECT_TRUE(Contains("sendInitialEvents=true"));
}

TEST_F(WatchTest, ThrottlingWaitsAsAskedAndKeepsTheView) {
  Sync();
  const base::Error error{
      .code = Code::kResourceExhausted, .message = "", .retry_after = Millis{17'000}};
  EXPECT_GE(protocol_.OnEnd(&error, Millis{10}, random_).delay, Millis{17'000});
  EXPECT_TRUE(protocol_.Next().query.ends_with("resourceVersion=100"));
}

TEST_F(WatchTest, AMissingResourceIsAskedForSlowly) {
  EXPECT_EQ(End(Code::kNotFound).delay, Millis{30'000});
  EXPECT_EQ(End(Code::kPermissionDenied).delay, Millis{30'000});
}

TEST_F(WatchTest, FailuresBackOffAndLongLivesReset) {
  Sync();
  Millis total{0};
  for (int i = 0; i < 8; ++i) total += End(Code::kDeadlineExceeded).delay;
  EXPECT_GT(total, Millis{60'000});
  EXPECT_LT(End(Code::kDeadlineExceeded, Millis{200'000}).delay, Millis{2'000});
}

TEST(LineSplitterTest, AppliesWholeLinesOnlyHoweverTheyAreCut) {
  const std::string text = "{\"a\":1}\n\n{\"b\":2}\n{\"unfinished\"";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    LineSplitter lines(100);
    std::vector<std::string> seen;
    const auto take = [&](std::string_view l) {
      seen.emplace_back(l);
      return true;
    };
    ASSERT_TRUE(lines.Feed(text.substr(0, cut), take));
    ASSERT_TRUE(lines.Feed(text.substr(cut), take));
    ASSERT_EQ(seen, (std::vector<std::string>{"{\"a\":1}", "{\"b\":2}"})) << cut;
  }
}

TEST(LineSplitterTest, ALineWithoutEndIsRefused) {
  LineSplitter lines(10);
  EXPECT_FALSE(lines.Feed(std::string(11, 'x'), [](std::string_view) { return true; }));
}

}  // namespace
}  // namespace kube
