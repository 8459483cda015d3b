// Every signature vector of the vendor's SDK and documentation.
#include "cvm/sign.h"

#include "testdata.h"

namespace cvm {
namespace {

std::string Text(base::JsonValue value) { return std::string(value.String()); }

base::Wall At(int64_t seconds) { return base::Wall{std::chrono::seconds{seconds}}; }

TEST(SignTest, Tc3AgreesWithEveryVector) {
  base::JsonDocument document;
  const std::string text = Testdata("vectors/tc3.json");
  const auto root = document.Parse(text);
  ASSERT_TRUE(root);
  int count = 0;
  (*root)["vectors"].ForEach([&](base::JsonValue v) {
    SCOPED_TRACE(v["name"].String());
    const base::JsonValue in = v["input"];
    const Credentials credentials{Text(in["secretId"]), base::Secret(Text(in["secretKey"])), {}};
    const Tc3Input input{Text(in["method"]),
                         Text(in["host"]),
                         Text(in["query"]),
                         Text(in["contentType"]),
                         Text(in["body"]),
                         Text(in["service"]),
                         At(in["timestamp"].Int().value_or(0))};
    EXPECT_EQ(Tc3CanonicalRequest(input), v["canonicalRequest"].String());
    EXPECT_EQ(Tc3StringToSign(input), v["stringToSign"].String());
    EXPECT_EQ(Tc3Signature(credentials, input), v["signature"].String());
    EXPECT_EQ(Tc3Authorization(credentials, input), v["authorization"].String());
    ++count;
  });
  EXPECT_EQ(count, 23);
}

TEST(SignTest, V1AgreesWithEveryVector) {
  base::JsonDocument document;
  const std::string text = Testdata("vectors/v1-legacy.json");
  const auto root = document.Parse(text);
  ASSERT_TRUE(root);
  int count = 0;
  (*root)["vectors"].ForEach([&](base::JsonValue v) {
    SCOPED_TRACE(v["name"].String());
    const base::JsonValue in = v["input"];
    const Credentials credentials{"", base::Secret(Text(in["secretKey"])), {}};
    const V1Method method =
        v["algorithm"].String() == "HmacSHA256" ? V1Method::kHmacSha256 : V1Method::kHmacSha1;
    if (in["params"].exists()) {
      Params params;
      in["params"].ForEachField([&](std::string_view key, base::JsonValue value) {
        params.emplace_back(key, Text(value));
      });
      EXPECT_EQ(V1StringToSign(Text(in["method"]), Text(in["host"]), params),
                v["stringToSign"].String());
    }
    EXPECT_EQ(V1Signature(credentials, method, Text(v["stringToSign"])), v["signature"].String());
    ++count;
  });
  EXPECT_EQ(count, 11);
}

}  // namespace
}  // namespace cvm
