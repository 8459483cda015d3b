#include "app/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace app {
namespace {

std::string FileWith(const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("cvm-config-" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(path) << text;
  return path.string();
}

TEST(AppConfigTest, HasUsefulDefaults) {
  const CommandLine line = ParseCommandLine({});
  EXPECT_TRUE(line.errors.empty());
  EXPECT_EQ(line.command, CommandLine::Command::kRun);
  EXPECT_TRUE(line.config.leader_elect);
  EXPECT_EQ(line.config.metrics_address, ":8080");
  EXPECT_EQ(line.config.batch_retention, std::chrono::hours{720});
  EXPECT_FALSE(line.config.allow_plain_http);
}

TEST(AppConfigTest, AFlagWinsOverTheFile) {
  const std::string file =
      FileWith("batch-idle: 3s\nlog-level: debug\nwatch-namespace: [a, b]\nleader-elect: false\n");
  const CommandLine line = ParseCommandLine({"--config", file, "--batch-idle", "2s"});
  EXPECT_TRUE(line.errors.empty()) << line.errors[0];
  EXPECT_EQ(line.config.batch_idle, base::Millis{2'000});
  EXPECT_EQ(line.config.log_level, base::LogLevel::kDebug);
  EXPECT_EQ(line.config.watch_namespaces, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(line.config.leader_elect);
}

TEST(AppConfigTest, EveryErrorIsNamedAtOnceWithItsPlace) {
  const std::string file = FileWith("batch-idle: soon\nbatch-idel: 1s\nlog-format: xml\n");
  const CommandLine line =
      ParseCommandLine({"check", "--config", file, "--log-level", "loud", "--batch-max", "1ms"});
  EXPECT_EQ(line.command, CommandLine::Command::kCheck);
  ASSERT_EQ(line.errors.size(), 5u);
  EXPECT_EQ(line.errors[0].find(file + ":1:13: batch-idle must be a duration"), 0u)
      << line.errors[0];
  EXPECT_EQ(line.errors[1].find(file + ":2:1: unknown key \"batch-idel\""), 0u) << line.errors[1];
  EXPECT_EQ(line.errors[2].find(file + ":3:13: log-format must be text or json"), 0u);
  EXPECT_EQ(line.errors[3].find("--log-level must be debug"), 0u);
  EXPECT_EQ(line.errors[4].find("batch-max"), 0u);
}

TEST(AppConfigTest, UnknownFlagsAreRefused) {
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"--nonsense"}, {"run"}, {"--batch"}, {"--log-level"}}) {
    EXPECT_FALSE(ParseCommandLine(args).errors.empty()) << args[0];
  }
}

}  // namespace
}  // namespace app
