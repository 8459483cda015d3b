#include <gtest/gtest.h>

#include "base/backoff.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/secret.h"
#include "base/token_bucket.h"
#include "base/yaml.h"

namespace base {
namespace {

TEST(TokenBucketTest, LetsItsRatePassAndNoMore) {
  TokenBucket bucket(8, 1);
  int passed = 0;
  for (int ms = 0; ms < 10'000; ++ms) passed += bucket.TryTake(Mono{Millis{1'000 + ms}});
  EXPECT_GE(passed, 79);
  EXPECT_LE(passed, 81);
}

TEST(TokenBucketTest, NextIsWhenTryTakePasses) {
  TokenBucket bucket(3, 1);
  Mono now{Millis{1'000}};
  for (int i = 0; i < 50; ++i) {
    now = bucket.Next(now);
    ASSERT_TRUE(bucket.TryTake(now));
    ASSERT_FALSE(bucket.TryTake(now));
  }
}

TEST(BackoffTest, GrowsToItsLimitWithJitterOnTop) {
  Backoff backoff(Millis{800}, Millis{30'000});
  Random random(1);
  Millis base{800};
  for (int i = 0; i < 20; ++i) {
    const Millis delay = backoff.Next(random);
    EXPECT_GE(delay, base);
    EXPECT_LT(delay, 2 * base);
    base = std::min<Millis>(base * 2, Millis{30'000});
  }
}

TEST(SecretTest, IsWipedWhenReplacedOrMoved) {
  Secret a{std::string("a-secret-long-enough-for-the-heap")};
  const char* memory = a.Reveal().data();
  Secret b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(b.Reveal(), "a-secret-long-enough-for-the-heap");
  EXPECT_EQ(memory[0], '\0');
  b = Secret("other");
  EXPECT_EQ(b.Reveal(), "other");
}

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(!Printable<Secret>, "S11: a Secret cannot be printed");

TEST(HashTest, FingerprintsDifferByPlace) {
  EXPECT_NE(Fingerprint().Add("a").Add("bc").value(), Fingerprint().Add("ab").Add("c").value());
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(FileTest, DecodesBase64Strictly) {
  EXPECT_EQ(*DecodeBase64("aGVs\nbG8="), "hello");
  EXPECT_FALSE(DecodeBase64("a-b="));
  EXPECT_FALSE(DecodeBase64("ab=c"));
  EXPECT_FALSE(ReadFile("/nonexistent/file"));
  EXPECT_FALSE(ReadFile("/dev/zero"));  // it has no end
}

TEST(YamlTest, NamesEveryErrorWithItsPlace) {
  const auto root = LoadYaml("a: 1\nb: x\na: 2\nc: 3\n", "file.yaml");
  ASSERT_TRUE(root);
  YamlErrors errors("file.yaml");
  int64_t number = 0;
  const auto read = [&](const YAML::Node& n) { ReadInt(n, number, errors); };
  ReadMapping(*root, {{"a", read}, {"b", read}}, errors);
  const std::vector<std::string> expected = {"file.yaml:2:4: expected a whole number",
                                             "file.yaml:3:1: \"a\" is given twice",
                                             "file.yaml:4:1: unknown key \"c\"; known are: a, b"};
  EXPECT_EQ(errors.list(), expected);
}

TEST(YamlTest, RefusesBombsAndSeveralDocuments) {
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before +
            "]\n";
  }
  EXPECT_FALSE(LoadYaml(bomb, "bomb"));
  EXPECT_FALSE(LoadYaml(" &:\n: *:", "holds itself"));
  EXPECT_FALSE(LoadYaml("a: 1\n---\nb: 2\n", "two"));
  using namespace std::string_literals;
  EXPECT_FALSE(LoadYaml(",\0\0\0]\x82"s, "endless"));
  const auto broken = LoadYaml("a: [1\n", "broken");
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("broken:2:"), std::string::npos) << broken.error().message;
}

}  // namespace
}  // namespace base
