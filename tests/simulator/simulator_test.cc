// The simulator is judged by what the vendor's SDK was recorded to send and to get.
#include <gtest/gtest.h>

#include "cvm/client.h"
#include "simulator/seed.h"
#include "simulator/service.h"
#include "testdata.h"

namespace simulator {
namespace {

constexpr const char* kSeed = R"(
credentials:
- {secretId: AKIDEXAMPLEdoNotUse0123456789abcdef, secretKey: ExampleSecretKeyDoNotUse0123456789}
instances:
- {id: ins-r8hr2upy, region: ap-guangzhou}
- {id: ins-5d8a23rs, region: ap-guangzhou}
- {id: ins-prepaid1, region: ap-guangzhou, chargeType: PREPAID}
- {id: ins-locked01, region: ap-guangzhou, protected: true}
- {prefix: x, count: 150, region: ap-guangzhou}
delays: {terminateShortest: 1s, terminateLongest: 1s}
limits: {TerminateInstances: 10, DescribeInstances: 40}
)";

class SimulatorTest : public testing::Test {
 protected:
  SimulatorTest() : service_(*ReadSeed(kSeed, "seed"), 1) {}

  http::ServerRequest Convert(const http::Request& r) const {
    const size_t path = r.url.find('/', r.url.find("://") + 3);
    return {r.method, r.url.substr(path), r.headers, r.body};
  }
  cvm::Form FormOf(cvm::Signature signature, bool use_get) const {
    return {"https://cvm.tencentcloudapi.com", "ap-guangzhou", use_get, signature, "test"};
  }
  cvm::TerminateOutcome Terminate(const std::vector<std::string>& ids,
                                  cvm::Signature signature = cvm::Signature::kTc3,
                                  bool use_get = false) {
    const auto request =
        cvm::TerminateRequest(FormOf(signature, use_get), credentials_, {now_.wall, 7}, {ids});
    const auto answer = service_.Handle(Convert(*request), now_);
    return cvm::JudgeTerminate(http::Response{answer.status, answer.headers, answer.body});
  }
  std::vector<cvm::Instance> Describe(const std::vector<std::string>& ids) {
    const auto request = cvm::DescribeRequest(FormOf(cvm::Signature::kTc3, false), credentials_,
                                              {now_.wall, 7}, ids);
    const auto answer = service_.Handle(Convert(*request), now_);
    const auto outcome =
        cvm::JudgeDescribe(http::Response{answer.status, answer.headers, answer.body});
    EXPECT_TRUE(std::holds_alternative<std::vector<cvm::Instance>>(outcome.answer));
    return std::get<std::vector<cvm::Instance>>(outcome.answer);
  }
  void Advance(base::Millis time) {
    now_.mono += time;
    now_.wall += time;
  }
  http::ServerResponse Raw(const std::string& file) {
    const std::string text = Testdata("vectors/" + file);
    http::ServerRequest r;
    size_t at = text.find('\n');
    const std::string line = text.substr(0, at);
    r.method = line.substr(0, line.find(' '));
    r.target = line.substr(r.method.size() + 1, line.rfind(' ') - r.method.size() - 1);
    while (true) {
      const size_t end = text.find('\n', at + 1);
      std::string header = text.substr(at + 1, end - at - 1);
      if (!header.empty() && header.back() == '\r') header.pop_back();
      at = end;
      if (header.empty()) break;
      r.headers.emplace_back(header.substr(0, header.find(": ")),
                             header.substr(header.find(": ") + 2));
    }
    r.body = text.substr(at + 1);
    return service_.Handle(r, now_);
  }

  base::Now now_{base::Mono{base::Millis{1'000'000}},
                 base::Wall{std::chrono::seconds{1'700'000'000}}};
  cvm::Credentials credentials_ = *cvm::MakeCredentials("AKIDEXAMPLEdoNotUse0123456789abcdef",
                                                        "ExampleSecretKeyDoNotUse0123456789", "");
  Service service_;
};

using Kind = cvm::TerminateOutcome::Kind;

TEST_F(SimulatorTest, TheRecordedRequestsOfTheSdkAreAccepted) {
  for (const char* file :
       {"http-describe-tc3.http", "http-describe-tc3-get.http", "http-terminate-v1-get.http"}) {
    EXPECT_EQ(Raw(file).body.find("AuthFailure"), std::string::npos) << file << Raw(file).body;
  }
}

TEST_F(SimulatorTest, EveryFormAndSignatureWorks) {
  int n = 0;
  for (const auto signature :
       {cvm::Signature::kTc3, cvm::Signature::kHmacSha1, cvm::Signature::kHmacSha256}) {
    for (const bool use_get : {true, false}) {
      const auto outcome = Terminate({"ins-x000000" + std::to_string(++n)}, signature, use_get);
      EXPECT_EQ(outcome.kind, Kind::kAccepted) << outcome.refusal.code;
    }
  }
}

TEST_F(SimulatorTest, WrongKeysAndOldTimesAreRefusedUnseen) {
  const auto good = credentials_;
  credentials_ = *cvm::MakeCredentials(good.secret_id, "wrong", "");
  EXPECT_EQ(Terminate({"ins-r8hr2upy"}).refusal.code, "AuthFailure.SignatureFailure");
  credentials_ = *cvm::MakeCredentials("nobody", "wrong", "");
  EXPECT_EQ(Terminate({"ins-r8hr2upy"}).refusal.code, "AuthFailure.SecretIdNotFound");
  credentials_ = good;
  const auto request =
      cvm::TerminateRequest(FormOf(cvm::Signature::kTc3, false), credentials_,
                            {now_.wall - std::chrono::seconds{301}, 7}, {{"ins-r8hr2upy"}});
  const auto answer = service_.Handle(Convert(*request), now_);
  EXPECT_NE(answer.body.find("AuthFailure.SignatureExpire"), std::string::npos);
  EXPECT_EQ(Describe({"ins-r8hr2upy"}).size(), 1u);
}

TEST_F(SimulatorTest, APostpaidInstanceIsTerminatingThenGone) {
  EXPECT_EQ(Terminate({"ins-r8hr2upy", "ins-5d8a23rs"}).kind, Kind::kAccepted);
  const auto during = Describe({"ins-r8hr2upy"});
  ASSERT_EQ(during.size(), 1u);
  EXPECT_EQ(during[0].state, "TERMINATING");
  EXPECT_EQ(during[0].latest_operation_state, "OPERATING");
  Advance(std::chrono::seconds{2});
  EXPECT_TRUE(Describe({"ins-r8hr2upy"}).empty());
  EXPECT_EQ(Terminate({"ins-r8hr2upy"}).refusal.code, "InvalidInstanceId.NotFound");
}

TEST_F(SimulatorTest, APrepaidInstanceGoesToTheBinAndASecondCallDestroysIt) {
  EXPECT_EQ(Terminate({"ins-prepaid1"}).kind, Kind::kAccepted);
  EXPECT_EQ(Terminate({"ins-prepaid1"}).refusal.code,
            "OperationDenied.InstanceOperationInProgress");
  Advance(std::chrono::seconds{2});
  EXPECT_EQ(Describe({"ins-prepaid1"})[0].state, "SHUTDOWN");
  EXPECT_EQ(Terminate({"ins-prepaid1"}).kind, Kind::kAccepted);
  Advance(std::chrono::seconds{2});
  EXPECT_TRUE(Describe({"ins-prepaid1"}).empty());
}

TEST_F(SimulatorTest, ABadInstanceSpoilsItsBatchAndIsNamed) {
  const auto outcome = Terminate({"ins-r8hr2upy", "ins-locked01"});
  EXPECT_EQ(outcome.refusal.code, "UnsupportedOperation.InstancesProtected");
  EXPECT_EQ(cvm::QuotedIds(outcome.refusal.message), (std::vector<std::string>{"ins-locked01"}));
  EXPECT_EQ(Describe({"ins-r8hr2upy"})[0].state, "RUNNING");
  EXPECT_EQ(Terminate({"ins-r8hr2upy", "ins-prepaid1"}).refusal.code,
            "UnsupportedOperation.InstanceMixedPricingModel");
}

TEST_F(SimulatorTest, TheLimitIsTwentyUnlessAskedFor) {
  http::ServerRequest r;
  const auto whole = cvm::DescribeRequest(FormOf(cvm::Signature::kTc3, true), credentials_,
                                          {now_.wall, 7}, {"ins-r8hr2upy"});
  ASSERT_TRUE(whole);
  std::vector<std::string> many;
  for (int i = 1; i <= 100; ++i) {
    many.push_back("ins-x0000" + std::string(i < 100 ? i < 10 ? "00" : "0" : "") +
                   std::to_string(i));
  }
  EXPECT_EQ(Describe(many).size(), 100u);
}

TEST_F(SimulatorTest, MoreThanTheRateIsThrottled) {
  int throttled = 0;
  for (int i = 0; i < 15; ++i) {
    throttled += Terminate({"ins-nosuch01"}).refusal.code == "RequestLimitExceeded";
  }
  EXPECT_EQ(throttled, 5);
}

TEST_F(SimulatorTest, FaultsHappenAsOftenAsAskedFor) {
  const auto admin = [&](const std::string& body) {
    return service_.Handle({"POST", "/admin/faults", {}, body}, now_);
  };
  EXPECT_EQ(admin(R"({"kind": "error", "code": "InternalError", "count": 2})").status, 200);
  EXPECT_EQ(Terminate({"ins-r8hr2upy"}).refusal.code, "InternalError");
  EXPECT_EQ(Terminate({"ins-r8hr2upy"}).refusal.code, "InternalError");
  EXPECT_EQ(Terminate({"ins-r8hr2upy"}).kind, Kind::kAccepted);
  const auto refused = admin(R"({"kind": "magic"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("dropAfter"), std::string::npos);
  const auto log = service_.Handle({"GET", "/admin/calls", {}, ""}, now_);
  EXPECT_NE(log.body.find("\"executed\":true"), std::string::npos);
}

TEST(SeedTest, NamesEveryErrorWithItsPlace) {
  const auto seed =
      ReadSeed("instances:\n- {count: 0, prefix: p, region: r}\n- {idd: x}\n", "seed.yaml");
  ASSERT_FALSE(seed);
  for (const char* part : {"seed.yaml:2:", "count must be", "unknown key \"idd\""}) {
    EXPECT_NE(seed.error().message.find(part), std::string::npos) << seed.error().message;
  }
}

}  // namespace
}  // namespace simulator
