#include <gtest/gtest.h>

#include "created.h"
#include "translate/account.h"
#include "translate/batch.h"
#include "translate/request.h"

namespace translate {
namespace {

using namespace retirement;
using std::chrono::hours;

constexpr const char* kRequest = R"({
  "metadata": {"namespace": "team-a", "name": "r", "uid": "u", "resourceVersion": "7", "generation": 3,
               "creationTimestamp": "2026-11-01T00:00:00Z",
               "annotations": {"hold.cvm-retirement.dev/b": "y: 2", "hold.cvm-retirement.dev/a": "x: 1",
                               "cvm-retirement.dev/requestedAt": "now"}},
  "spec": {"region": "ap-guangzhou", "accountRef": {"name": "prod"}, "mode": "Execute",
           "instances": [{"id": "ins-r8hr2upy", "expect": {"name": "worker-17"}}, {"id": "ins-5d8a23rs"}],
           "schedule": {"notBefore": "2026-12-01T18:00:00Z", "gracePeriod": "15m",
                        "expiresAt": "2026-12-08T00:00:00Z"},
           "termination": {"prepaid": "Destroy", "postpaid": "Terminate", "releaseAddress": true}}})";

RequestObject Read(const std::string& text) {
  base::JsonDocument json;
  const auto root = json.Parse(text);
  EXPECT_TRUE(root) << text;
  auto r = ReadRequest(*root);
  EXPECT_TRUE(r);
  return *r;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(RequestCodecTest, ReadsEveryField) {
  const RequestObject r = Read(kRequest);
  EXPECT_TRUE(r.errors.empty());
  EXPECT_EQ(r.key, (RequestKey{"team-a", "r"}));
  EXPECT_EQ(r.generation, 3);
  EXPECT_EQ(r.hold, "a=x: 1");
  EXPECT_EQ(r.requested_at, "now");
  EXPECT_EQ(r.spec.account, "prod");
  ASSERT_EQ(r.spec.members.size(), 2u);
  EXPECT_EQ(r.spec.members[0].expect->name, "worker-17");
  EXPECT_FALSE(r.spec.members[1].expect);
  EXPECT_EQ(r.spec.grace, std::chrono::minutes{15});
  EXPECT_EQ(r.spec.intent.prepaid, PrepaidPolicy::kDestroy);
  EXPECT_TRUE(r.spec.intent.release_address);
  EXPECT_EQ(r.status.observed_generation, -1);
}

TEST(RequestCodecTest, WhatTheSchemaShouldHaveRefusedIsNamedByField) {
  const std::vector<std::array<std::string, 3>> cases = {
      {"\"ap-guangzhou\"", "\"Guangzhou\"", "spec.region"},
      {"\"ap-guangzhou\"", "\"ap-guangzhou-6\"", "spec.region must be a region"},
      {"\"mode\": \"Execute\"", "\"suspended\": true",
       "spec: there is no suspended; write suspend"},
      {"\"prod\"", "\"Prod_1\"", "spec.accountRef.name"},
      {"\"Execute\"", "\"Sometimes\"", "spec.mode"},
      {"ins-5d8a23rs", "ins-5d8a23r", "spec.instances[1].id"},
      {"ins-5d8a23rs", "ins-r8hr2upy", "spec.instances[1].id"},
      {"2026-12-01T18:00:00Z", "tomorrow", "spec.schedule.notBefore"},
      {"2026-12-08T00:00:00Z", "2026-11-08T00:00:00Z", "spec.schedule.expiresAt"},
      {"15m", "soon", "spec.schedule.gracePeriod"},
      {"\"Destroy\"", "\"Vaporize\"", "spec.termination.prepaid"},
      {"\"releaseAddress\": true", "\"releaseAddress\": \"yes\"",
       "spec.termination.releaseAddress"}};
  for (const auto& [from, to, field] : cases) {
    const RequestObject r = Read(Replaced(kRequest, from, to));
    ASSERT_EQ(r.errors.size(), 1u) << field;
    EXPECT_EQ(r.errors[0].find(field), 0u) << r.errors[0];
  }
  base::JsonDocument json;
  EXPECT_FALSE(ReadRequest(*json.Parse(R"({"spec": {}})")));
}

RequestStatus SampleStatus() {
  RequestStatus s;
  s.observed_generation = 3;
  s.phase = Phase::kVerifying;
  s.summary.total = 1;
  s.summary.count[size_t(MemberState::kVerifying)] = 1;
  s.plan = {"sha256:abc", 1, 2, 3, Wall{hours{400'000}}};
  s.accepted = Wall{hours{400'001}};
  MemberStatus m;
  m.id = *InstanceId::Parse("ins-r8hr2upy");
  m.state = MemberState::kVerifying;
  m.reason = Reason::kAmbiguous;
  m.attempts = 2;
  m.batch = 17;
  m.time = Wall{hours{400'002}};
  m.charge = ChargeType("PREPAID");
  m.request_id = CloudRequestId("9a2f76a2-0000-4000-8000-000000000001");
  m.message = std::make_shared<const std::string>("a message");
  s.members.push_back(m);
  s.conditions.push_back(
      {"Ready", ConditionStatus::kFalse, "InProgress", "text", Wall{hours{400'003}}, 3});
  return s;
}

// E3 rests on this: what is written reads back the same.
TEST(RequestCodecTest, AStatusSurvivesItsJson) {
  const RequestStatus status = SampleStatus();
  const std::string patch = WriteRequestStatus("7", status, {"prod", "ap-guangzhou"});
  EXPECT_NE(patch.find("\"resourceVersion\":\"7\""), std::string::npos);
  EXPECT_NE(patch.find("\"completionTime\":null"), std::string::npos);
  EXPECT_NE(patch.find("prod.ap-guangzhou.0000000017"), std::string::npos);
  base::JsonDocument json;
  const std::string status_text((*json.Parse(patch))["status"].ToJson());
  const std::string object = std::string(kRequest).substr(0, std::string(kRequest).size() - 1) +
                             ",\"status\":" + status_text + "}";
  EXPECT_EQ(FingerprintOf(Read(object).status), FingerprintOf(status));
}

TEST(RequestCodecTest, AnUnknownStateOfANewerOperatorIsObservedAgain) {
  const std::string object =
      std::string(kRequest).substr(0, std::string(kRequest).size() - 1) +
      R"(,"status":{"instances":[{"id":"ins-r8hr2upy","state":"Teleported","reason":"Magic"}]}})";
  const RequestObject r = Read(object);
  ASSERT_EQ(r.status.members.size(), 1u);
  EXPECT_EQ(r.status.members[0].state, MemberState::kPending);
}

TEST(BatchCodecTest, ABatchSurvivesItsJson) {
  BatchObject b;
  b.lane = {"prod", "ap-guangzhou"};
  b.sequence = 17;
  b.charge = ChargeType("PREPAID");
  b.step = Step::kSecond;
  b.dry_run = true;
  b.call_validity = std::chrono::seconds{60};
  b.endpoint = "https://cvm.tencentcloudapi.com";
  b.credential = "c";
  b.holder = "h";
  b.signed_at = Wall{hours{400'000}};
  b.members.push_back({*InstanceId::Parse("ins-r8hr2upy"), {"ns", "r"}, "uid", {}, {}});
  base::JsonDocument json;
  const auto read = ReadBatch(*json.Parse(WriteBatch(b)));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->lane, b.lane);
  EXPECT_EQ(read->sequence, 17u);
  EXPECT_EQ(read->step, Step::kSecond);
  EXPECT_TRUE(read->dry_run);
  EXPECT_EQ(read->signed_at, b.signed_at);
  EXPECT_EQ(read->members[0].uid, "uid");
  EXPECT_EQ(read->phase, BatchPhase::kIntent);
}

BatchObject Made(BatchPhase phase, const std::string& error) {
  BatchObject b;
  b.lane = {"prod", "ap-guangzhou"};
  b.sequence = 17;
  b.phase = phase;
  b.request_id = "request-id";
  b.error_code = error;
  b.members.push_back(
      {*InstanceId::Parse("ins-r8hr2upy"), {"ns", "r"}, "uid", BatchResult::kUntouched, {}});
  return b;
}

// S5: an entry that is made anew says that its call was accepted, before its status does.
TEST(BatchCodecTest, AnAcceptanceComesWithItsEntry) {
  for (const auto& [phase, error] :
       {std::pair(BatchPhase::kIntent, ""), std::pair(BatchPhase::kAccepted, ""),
        std::pair(BatchPhase::kVerified, ""), std::pair(BatchPhase::kVerified, "InternalError"),
        std::pair(BatchPhase::kRejected, "UnauthorizedOperation")}) {
    const BatchObject made = AsCreated(Made(phase, error));
    base::JsonDocument json;
    const auto read = ReadBatch(*json.Parse(WriteBatch(Made(phase, error))));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->phase, made.phase) << ToString(phase);
    EXPECT_EQ(read->request_id, made.request_id) << ToString(phase);
    EXPECT_EQ(read->members[0].result, BatchResult::kNone);
  }
}

TEST(BatchCodecTest, AStatusSaysMoreThanTheAcceptance) {
  base::JsonDocument json;
  std::string text = WriteBatch(Made(BatchPhase::kVerified, ""));
  text.pop_back();
  text += R"(,"status":{"phase":"Verified","requestId":"request-id"}})";
  EXPECT_EQ(ReadBatch(*json.Parse(text))->phase, BatchPhase::kVerified);
}

TEST(BatchCodecTest, WhatThisOperatorDidNotWriteIsRefused) {
  base::JsonDocument json;
  for (const char* text :
       {"{}", R"({"metadata":{"name":"x"},"spec":{"account":"a","region":"r","sequence":1}})",
        R"({"metadata":{"name":"a.r.0000000002"},"spec":{"account":"a","region":"r","sequence":1,
            "members":[{"id":"ins-r8hr2upy","request":{}}]}})"}) {
    EXPECT_FALSE(ReadBatch(*json.Parse(text))) << text;
  }
}

constexpr const char* kAccount =
    R"({"metadata": {"name": "prod", "uid": "u", "resourceVersion": "1"},
  "spec": {"mode": "Execute", "regions": ["ap-guangzhou"], "credentials": {"secretRef": {"name": "s"}},
           "endpoint": "https://cvm.tencentcloudapi.com/", "api": {"method": "GET", "signature": "HmacSHA1",
           "callValidity": "90s", "serverSideDryRun": true}, "rates": {"terminatePerSecond": 5},
           "allowedNamespaces": {"names": ["team-a"]}}})";

AccountObject ReadAccountText(const std::string& text) {
  base::JsonDocument json;
  auto account = ReadAccount(*json.Parse(text));
  EXPECT_TRUE(account);
  return *account;
}

TEST(AccountCodecTest, ReadsEveryField) {
  const AccountObject a = ReadAccountText(kAccount);
  EXPECT_TRUE(a.errors.empty()) << a.errors[0];
  EXPECT_EQ(a.spec.mode, Mode::kExecute);
  EXPECT_TRUE(a.spec.use_get);
  EXPECT_EQ(a.spec.signature, "HmacSHA1");
  EXPECT_EQ(a.spec.endpoint, "https://cvm.tencentcloudapi.com");
  EXPECT_EQ(a.spec.call_validity, std::chrono::seconds{90});
  EXPECT_TRUE(a.spec.server_side_dry_run);
  EXPECT_EQ(a.spec.terminate_per_second, 5);
  EXPECT_EQ(a.spec.describe_per_second, 20);
  EXPECT_EQ(a.spec.secret_id_key, "secretId");
}

TEST(AccountCodecTest, WhatTheSchemaShouldHaveRefusedIsNamedByField) {
  const std::vector<std::array<std::string, 3>> cases = {
      {"\"prod\"", "\"Prod\"", "metadata.name"},
      {"\"Execute\"", "\"Maybe\"", "spec.mode"},
      {"[\"ap-guangzhou\"]", "[]", "spec.regions"},
      {"\"ap-guangzhou\"", "\"x\"", "spec.regions"},
      {"\"ap-guangzhou\"", "\"ap-guangzhou-6\"", "spec.regions"},
      {"\"mode\": \"Execute\"", "\"suspend\": true", "spec: there is no suspend; write paused"},
      {"\"secretRef\": {\"name\": \"s\"}", "\"none\": 1", "spec.credentials"},
      {"\"GET\"", "\"PUT\"", "spec.api.method"},
      {"\"HmacSHA1\"", "\"MD5\"", "spec.api.signature"},
      {"90s", "5s", "spec.api.callValidity"},
      {"\"terminatePerSecond\": 5", "\"terminatePerSecond\": 0", "spec.rates.terminatePerSecond"},
      {"\"terminatePerSecond\": 5", "\"terminatePerSecond\": 11", "spec.rates: terminatePerSecond"},
      {"{\"names\": [\"team-a\"]}", "{\"all\": true, \"names\": [\"a\"]}",
       "spec.allowedNamespaces"}};
  for (const auto& [from, to, field] : cases) {
    const AccountObject a = ReadAccountText(Replaced(kAccount, from, to));
    ASSERT_EQ(a.errors.size(), 1u) << field;
    EXPECT_EQ(a.errors[0].find(field), 0u) << a.errors[0];
  }
}

// S11: credentials cross a network in plain text only when somebody asked for that.
TEST(EndpointTest, OnlyAllowedHostsAndPlainHttpToLoopbackOnly) {
  const EndpointPolicy policy{{"*.tencentcloudapi.com", "proxy.example"}, false};
  for (const char* good : {"https://cvm.tencentcloudapi.com", "https://a.b.tencentcloudapi.com",
                           "https://proxy.example", "http://127.0.0.1:8080", "http://[::1]:80"}) {
    EXPECT_EQ(CheckEndpoint(good, policy), "") << good;
  }
  for (const char* bad : {"http://cvm.tencentcloudapi.com", "https://tencentcloudapi.com",
                          "https://eviltencentcloudapi.com", "https://x.proxy.example",
                          "http://127.0.0.1.evil.com", "https://cvm.tencentcloudapi.com/path"}) {
    EXPECT_NE(CheckEndpoint(bad, policy), "") << bad;
  }
  EXPECT_EQ(CheckEndpoint("http://proxy.example", {{"proxy.example"}, true}), "");
}

}  // namespace
}  // namespace translate
