#include "base/time.h"

#include <gtest/gtest.h>

namespace base {
namespace {

constexpr Wall kTime{Millis{1'700'000'000'000}};  // 2023-11-14T22:13:20Z

TEST(TimeTest, FormatsAndReadsRfc3339) {
  EXPECT_EQ(FormatRfc3339(kTime), "2023-11-14T22:13:20Z");
  EXPECT_EQ(FormatMicroTime(kTime + Millis{7}), "2023-11-14T22:13:20.007000Z");
  EXPECT_EQ(ParseRfc3339("2023-11-14T22:13:20Z"), kTime);
  EXPECT_EQ(ParseRfc3339("2023-11-15T06:13:20.5+08:00"), kTime + Millis{500});
}

TEST(TimeTest, RefusesWhatIsNoTime) {
  for (const char* text : {"", "2023-11-14", "2023-13-14T22:13:20Z", "2023-02-29T00:00:00Z",
                           "2023-11-14T24:00:00Z", "2023-11-14T22:13:20", "2023-11-14T22:13:20Zx",
                           "2023-11-14T22:13:20.Z", "0000-11-14T22:13:20Z"}) {
    EXPECT_FALSE(ParseRfc3339(text)) << text;
  }
}

TEST(TimeTest, ReadsHttpDates) {
  EXPECT_EQ(FormatHttpDate(kTime), "Tue, 14 Nov 2023 22:13:20 GMT");
  EXPECT_EQ(ParseHttpDate("Tue, 14 Nov 2023 22:13:20 GMT"), kTime);
  EXPECT_FALSE(ParseHttpDate("Tuesday, 14-Nov-23 22:13:20 GMT"));
  EXPECT_FALSE(ParseHttpDate("Tue, 14 Xxx 2023 22:13:20 GMT"));
}

TEST(TimeTest, EveryDayOfACenturySurvivesBothForms) {
  for (int day = 0; day < 36525; day += 13) {
    const Wall t{std::chrono::hours{24} * day + Millis{day * 1000}};
    EXPECT_EQ(ParseRfc3339(FormatRfc3339(t)), t);
    EXPECT_EQ(ParseHttpDate(FormatHttpDate(t)), t);
  }
}

TEST(TimeTest, ReadsDurationsWithUnitsOnly) {
  EXPECT_EQ(ParseDuration("1h30m"), std::chrono::minutes{90});
  EXPECT_EQ(ParseDuration("250ms"), Millis{250});
  EXPECT_EQ(FormatDuration(std::chrono::minutes{90}), "1h30m");
  EXPECT_EQ(FormatDuration(Millis{0}), "0s");
  for (const char* text : {"", "5", "h", "-5s", "5x", "5 s", "99999999h", "1.5h"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

}  // namespace
}  // namespace base
