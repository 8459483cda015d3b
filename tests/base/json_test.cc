#include "base/json.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(JsonTest, WritesWhatItReads) {
  JsonWriter w;
  w.BeginObject();
  w.Field("text", "a\"b\n\xe5\xb9\xb3");
  w.Field("number", int64_t{-7});
  w.Field("flag", true);
  w.NullableField("nothing", "");
  w.Key("list");
  w.BeginArray();
  w.String("x");
  w.Int(1);
  w.EndArray();
  w.EndObject();
  const std::string text = std::move(w).Take();
  JsonDocument document;
  const auto root = document.Parse(text);
  ASSERT_TRUE(root);
  EXPECT_EQ((*root)["text"].String(), "a\"b\n\xe5\xb9\xb3");
  EXPECT_EQ((*root)["number"].Int(), -7);
  EXPECT_EQ((*root)["flag"].Bool(), true);
  EXPECT_FALSE((*root)["nothing"].exists());
  EXPECT_EQ((*root)["list"].Size(), 2u);
  EXPECT_EQ(root->ToJson(), text);
}

TEST(JsonTest, WhatIsMissingOrNullOrOfAnotherTypeReadsAsNeutral) {
  JsonDocument document;
  const auto root = document.Parse(R"({"a": null, "b": 5})");
  ASSERT_TRUE(root);
  EXPECT_EQ((*root)["a"]["b"]["c"].String(), "");
  EXPECT_EQ((*root)["b"].String(), "");
  EXPECT_FALSE((*root)["b"].Bool());
  int visits = 0;
  (*root)["a"].ForEach([&](JsonValue) { ++visits; });
  EXPECT_EQ(visits, 0);
}

TEST(JsonTest, RefusesGarbageAndDepth) {
  JsonDocument document;
  for (const char* text : {"", "{", "{\"a\":1,}", "nul", "{} x"}) {
    EXPECT_FALSE(document.Parse(text)) << text;
  }
  EXPECT_FALSE(document.Parse(std::string(1000, '[') + std::string(1000, ']')));
}

TEST(JsonTest, ClipsBetweenCharactersAndReplacesBrokenOnes) {
  EXPECT_EQ(ClipUtf8("a\xe5\xb9\xb3z", 3), "a");
  EXPECT_EQ(ClipUtf8("a\xe5\xb9\xb3z", 4), "a\xe5\xb9\xb3");
  EXPECT_EQ(ClipUtf8("a\xff"
                     "b",
                     10),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(JsonString("\xc3\x28"), "\"\xef\xbf\xbd(\"");
}

}  // namespace
}  // namespace base
