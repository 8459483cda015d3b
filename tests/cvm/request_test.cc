// Our requests against those that the vendor's SDK was recorded to send.
#include "cvm/request.h"

#include "testdata.h"

namespace cvm {
namespace {

const Credentials kCredentials{
    "AKIDEXAMPLEdoNotUse0123456789abcdef", base::Secret("ExampleSecretKeyDoNotUse0123456789"), {}};
constexpr Stamp kStamp{base::Wall{std::chrono::seconds{1'700'000'000}}, 11885};
const std::vector<std::string> kIds = {"ins-r8hr2upy", "ins-5d8a23rs"};
constexpr const char* kHost = "https://cvm.tencentcloudapi.com:18999";

struct Recorded {
  std::string request_line;
  http::Headers headers;
  std::string body;
};

Recorded Read(const std::string& name) {
  const std::string text = Testdata("vectors/" + name);
  Recorded r;
  size_t at = 0;
  const auto line = [&] {
    size_t end = text.find('\n', at);
    std::string l = text.substr(at, end - at);
    at = end == std::string::npos ? text.size() : end + 1;
    if (!l.empty() && l.back() == '\r') l.pop_back();
    return l;
  };
  r.request_line = line();
  for (std::string l = line(); !l.empty(); l = line()) {
    r.headers.emplace_back(l.substr(0, l.find(": ")), l.substr(l.find(": ") + 2));
  }
  r.body = text.substr(at);
  return r;
}

Form FormOf(Signature signature, bool use_get) {
  return {kHost, "ap-guangzhou", use_get, signature, "SDK_NODEJS_4.1.220"};
}

std::string RequestLine(const http::Request& r) {
  return r.method + " " + r.url.substr(std::string(kHost).size()) + " HTTP/1.1";
}

// The seed document's request: GET with HmacSHA1 or HmacSHA256.
TEST(RequestTest, TheSeedDocumentsRequestIsSentByteForByte) {
  for (const auto& [file, signature] :
       {std::pair("http-terminate-v1-get.http", Signature::kHmacSha1),
        std::pair("http-terminate-v1-get-sha256.http", Signature::kHmacSha256)}) {
    SCOPED_TRACE(file);
    const Recorded recorded = Read(file);
    const auto r = TerminateRequest(FormOf(signature, true), kCredentials, kStamp, {kIds});
    ASSERT_TRUE(r);
    EXPECT_EQ(RequestLine(*r), recorded.request_line);
    EXPECT_EQ(http::Find(r->headers, "Host"), http::Find(recorded.headers, "Host"));
    EXPECT_FALSE(r->has_body);
    EXPECT_TRUE(r->fresh_connection);
  }
}

TEST(RequestTest, AFormPostIsSentByteForByte) {
  const Recorded recorded = Read("http-terminate-v1-post-form.http");
  const auto r =
      TerminateRequest(FormOf(Signature::kHmacSha256, false), kCredentials, kStamp, {kIds});
  ASSERT_TRUE(r);
  EXPECT_EQ(r->body, recorded.body);
  EXPECT_EQ(http::Find(r->headers, "Content-Type"), http::Find(recorded.headers, "Content-Type"));
}

TEST(RequestTest, AJsonPostCarriesTheSameBodyAndHeaders) {
  const Recorded recorded = Read("http-terminate-tc3.http");
  const auto r = TerminateRequest(FormOf(Signature::kTc3, false), kCredentials, kStamp, {kIds});
  ASSERT_TRUE(r);
  EXPECT_EQ(r->body, recorded.body);
  EXPECT_EQ(RequestLine(*r), recorded.request_line);
  for (const char* name : {"X-TC-Action", "X-TC-Region", "X-TC-Timestamp", "X-TC-Version",
                           "X-TC-RequestClient", "Content-Type"}) {
    EXPECT_EQ(http::Find(r->headers, name), http::Find(recorded.headers, name)) << name;
  }
  EXPECT_EQ(http::Find(r->headers, "X-TC-Language"), "en-US");
}

TEST(RequestTest, DescribeAlwaysAsksForAHundred) {
  const auto get = DescribeRequest(FormOf(Signature::kTc3, true), kCredentials, kStamp, kIds);
  ASSERT_TRUE(get);
  EXPECT_EQ(RequestLine(*get), Read("http-describe-tc3-get.http").request_line);
  const auto post = DescribeRequest(FormOf(Signature::kTc3, false), kCredentials, kStamp, kIds);
  ASSERT_TRUE(post);
  EXPECT_NE(post->body.find("\"Limit\":100"), std::string::npos);
}

TEST(RequestTest, FlagsAreSentOnlyWhenSet) {
  TerminateInput input{kIds, true, true, true};
  const auto r = TerminateRequest(FormOf(Signature::kTc3, false), kCredentials, kStamp, input);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->body, R"({"InstanceIds":["ins-r8hr2upy","ins-5d8a23rs"],"ReleaseAddress":true,)"
                     R"("ReleasePrepaidDataDisks":true,"DryRun":true})");
}

// S1, where the call is serialized.
TEST(RequestTest, NoCallWithoutIdsWithTooManyOrWithOneTwice) {
  std::vector<std::string> many;
  for (int i = 0; i < 101; ++i) many.push_back("ins-" + std::to_string(10'000'000 + i));
  for (const auto& ids : {std::vector<std::string>{}, many, {kIds[0], kIds[0]}}) {
    EXPECT_FALSE(TerminateRequest(FormOf(Signature::kTc3, false), kCredentials, kStamp, {ids}));
    EXPECT_FALSE(DescribeRequest(FormOf(Signature::kTc3, false), kCredentials, kStamp, ids));
  }
  many.pop_back();
  EXPECT_TRUE(TerminateRequest(FormOf(Signature::kTc3, false), kCredentials, kStamp, {many}));
}

TEST(CredentialsTest, AreTrimmedAndCheckedWithoutBeingTold) {
  const auto good = MakeCredentials(" id\n", "key\r\n", "");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->secret_id, "id");
  EXPECT_EQ(good->secret_key.Reveal(), "key");
  const auto bad = MakeCredentials("id", "very secret", "");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message.find("very"), std::string::npos);
  EXPECT_NE(CredentialHash("a", *good), CredentialHash("b", *good));
  EXPECT_EQ(CredentialHash("a", *good).find("id"), std::string::npos);
}

}  // namespace
}  // namespace cvm
