#include "cvm/client.h"

#include <map>

#include "testdata.h"

namespace cvm {
namespace {

using Kind = TerminateOutcome::Kind;

std::map<std::string, http::Response> Fixtures() {
  base::JsonDocument document;
  const std::string text = Testdata("vectors/response-fixtures.json");
  const auto root = document.Parse(text);
  std::map<std::string, http::Response> fixtures;
  (*root)["fixtures"].ForEach([&](base::JsonValue f) {
    http::Response r;
    r.status = int(f["status"].Int().value_or(200));
    const char* field = f["raw"].exists() ? "raw" : f["rawBody"].exists() ? "rawBody" : "body";
    r.body = f[field].IsString() ? std::string(f[field].String()) : f[field].ToJson();
    fixtures.emplace(f["name"].String(), r);
  });
  return fixtures;
}

TEST(ClientTest, ACleanAnswerIsAcceptedAndKeepsItsRequestId) {
  const auto outcome = JudgeTerminate(Fixtures().at("terminate-ok"));
  EXPECT_EQ(outcome.kind, Kind::kAccepted);
  EXPECT_EQ(outcome.request_id, "00000000-0000-4000-8000-000000000001");
}

TEST(ClientTest, EachKindOfRefusalIsToldApart) {
  const auto fixtures = Fixtures();
  const std::map<std::string, std::pair<Kind, ErrorClass>> expected = {
      {"error-not-found", {Kind::kRejected, ErrorClass::kObserve}},
      {"error-not-found-zh", {Kind::kRejected, ErrorClass::kObserve}},
      {"error-in-progress", {Kind::kRejected, ErrorClass::kBusy}},
      {"error-rate-limit", {Kind::kRefusedUnseen, ErrorClass::kThrottled}},
      {"error-signature", {Kind::kRefusedUnseen, ErrorClass::kCredentials}},
      {"error-protected", {Kind::kRejected, ErrorClass::kBlocked}},
      {"error-mixed-charge-types", {Kind::kRejected, ErrorClass::kSplit}},
      {"error-internal", {Kind::kRejected, ErrorClass::kServer}},
      {"error-cam", {Kind::kRejected, ErrorClass::kUnauthorized}},
  };
  for (const auto& [name, want] : expected) {
    const auto outcome = JudgeTerminate(fixtures.at(name));
    EXPECT_EQ(outcome.kind, want.first) << name;
    EXPECT_EQ(outcome.refusal.error_class, want.second) << name;
  }
  EXPECT_EQ(JudgeTerminate(fixtures.at("legacy-error-shape")).kind != Kind::kAccepted, true);
}

// S4: whatever is no clean answer may have been executed.
TEST(ClientTest, WhatIsNoCleanAnswerIsUnclear) {
  const auto fixtures = Fixtures();
  for (const char* name : {"gateway-502", "truncated-json"}) {
    EXPECT_EQ(JudgeTerminate(fixtures.at(name)).kind, Kind::kUnclear) << name;
  }
  EXPECT_EQ(JudgeTerminate(http::Response{200, {}, "{}"}).kind, Kind::kUnclear);
  EXPECT_EQ(JudgeTerminate(http::Response{200, {}, R"({"Response":{}})"}).kind, Kind::kUnclear);
  EXPECT_EQ(JudgeTerminate(http::Response{503, {}, ""}).kind, Kind::kUnclear);
  for (const auto code :
       {base::Code::kDeadlineExceeded, base::Code::kCancelled, base::Code::kInternal}) {
    EXPECT_EQ(JudgeTerminate(base::Error{.code = code, .message = ""}).kind, Kind::kUnclear);
  }
}

TEST(ClientTest, WhatNeverLeftIsNotSent) {
  for (const auto code :
       {base::Code::kUnavailable, base::Code::kFailedPrecondition, base::Code::kInvalidArgument}) {
    EXPECT_EQ(JudgeTerminate(base::Error{.code = code, .message = ""}).kind, Kind::kNotSent);
  }
  EXPECT_EQ(JudgeTerminate(http::Response{429, {}, "slow down"}).kind, Kind::kRefusedUnseen);
}

TEST(ClientTest, ADescriptionCountsOnlyWhenComplete) {
  const auto fixtures = Fixtures();
  const auto running = JudgeDescribe(fixtures.at("describe-running-nulls"));
  const auto* instances = std::get_if<std::vector<Instance>>(&running.answer);
  ASSERT_NE(instances, nullptr);
  ASSERT_EQ(instances->size(), 1u);
  EXPECT_EQ(instances->front().id, "ins-r8hr2upy");
  EXPECT_EQ(instances->front().charge_type, "POSTPAID_BY_HOUR");
  EXPECT_EQ(instances->front().latest_operation_state, "");
  const auto none = JudgeDescribe(fixtures.at("describe-none-left"));
  EXPECT_TRUE(std::get<std::vector<Instance>>(none.answer).empty());
  for (const char* body : {R"({"Response":{"TotalCount":2,"InstanceSet":[],"RequestId":"x"}})",
                           R"({"Response":{"InstanceSet":[],"RequestId":"x"}})"}) {
    EXPECT_TRUE(
        std::holds_alternative<Refusal>(JudgeDescribe(http::Response{200, {}, body}).answer));
  }
  for (const char* name : {"describe-prepaid-in-recycle-bin", "describe-unknown-enum",
                           "describe-launch-failed", "describe-protected", "describe-spot"}) {
    EXPECT_TRUE(
        std::holds_alternative<std::vector<Instance>>(JudgeDescribe(fixtures.at(name)).answer))
        << name;
  }
}

TEST(ErrorsTest, EveryDocumentedCodeStandsInTheTable) {
  base::JsonDocument document;
  const std::string text = Testdata("vectors/error-codes.json");
  const auto root = document.Parse(text);
  ASSERT_TRUE(root);
  size_t count = 0;
  for (const char* list : {"action", "common"}) {
    (*root)[list].ForEach([&](base::JsonValue e) {
      const ErrorRule rule = Classify(e["code"].String());
      EXPECT_EQ(rule.code, e["code"].String());
      ++count;
    });
  }
  EXPECT_EQ(count, ErrorTable().size());
  EXPECT_GE(count, 81u);
}

TEST(ErrorsTest, UnknownCodesFollowTheirPrefix) {
  EXPECT_EQ(Classify("RequestLimitExceeded.New").error_class, ErrorClass::kThrottled);
  EXPECT_EQ(Classify("AuthFailure.New").error_class, ErrorClass::kCredentials);
  EXPECT_EQ(Classify("InternalError.New.Kind").error_class, ErrorClass::kServer);
  EXPECT_EQ(Classify("InternalErrorX").error_class, ErrorClass::kSplit);
  EXPECT_EQ(Classify("Whatever").error_class, ErrorClass::kSplit);
}

TEST(ErrorsTest, QuotedIdsAreFoundInAnyLanguage) {
  const std::vector<std::string> one = {"ins-jnoiqr60"};
  EXPECT_EQ(QuotedIds("The specified instance ID `['ins-jnoiqr60']` is not found."), one);
  EXPECT_EQ(QuotedIds("\xe8\xaf\xb7ins-jnoiqr60\xe3\x80\x82"), one);
  EXPECT_TRUE(QuotedIds("ins-short ins-waytoolong1 ins-UPPER123 ins-").empty());
}

}  // namespace
}  // namespace cvm
