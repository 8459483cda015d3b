// The operator's configuration: flags, and a YAML file with the same keys. A flag wins.

#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"

namespace app {

struct Config {
  std::string kubeconfig{};
  std::string ns{};                             // --namespace
  std::vector<std::string> watch_namespaces{};  // empty: all
  bool leader_elect = true;
  std::string metrics_address = ":8080";  // "0": off
  std::string health_address = ":8081";
  base::Millis batch_idle{1'000};
  base::Millis batch_max{10'000};
  base::Millis batch_retention = std::chrono::hours{720};
  std::vector<std::string> allowed_endpoints = {"*.tencentcloudapi.com"};
  base::LogLevel log_level = base::LogLevel::kInfo;
  base::LogFormat log_format = base::LogFormat::kText;
  bool allow_plain_http = false;
};

/// What the command line asks for.
struct CommandLine {
  enum class Command { kRun, kCheck, kHelp, kVersion };
  Command command = Command::kRun;
  Config config{};
  std::string help{};
  std::vector<std::string> errors{};  // every one, each with its place; then nothing may be run
};

/// `arguments` without the program's name. Reads the file of --config.
CommandLine ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace app
