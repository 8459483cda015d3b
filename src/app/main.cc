#include <fmt/format.h>

#include <cstdlib>

#include "app/config.h"
#include "app/operator.h"
#include "base/log.h"
#include "kube/config.h"

namespace {

using app::CommandLine;

int Check(const app::Config& config) {
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
  if (!config.kubeconfig.empty()) {
    const auto connection = kube::FindConnection(config.kubeconfig, environment);
    if (!connection) {
      fmt::print(stderr, "{}\n", connection.error().message);
      return app::kBadConfiguration;
    }
  }
  fmt::print("The configuration is valid.\n");
  return app::kCleanStop;
}

int Main(const CommandLine& line) {
  if (line.command == CommandLine::Command::kHelp) {
    fmt::print("{}\n", line.help);
    return app::kCleanStop;
  }
  if (line.command == CommandLine::Command::kVersion) {
    fmt::print("cvm-retirement-operator {} ({})\n", app::Version(), app::Revision());
    return app::kCleanStop;
  }
  for (const std::string& error : line.errors) fmt::print(stderr, "{}\n", error);
  if (!line.errors.empty()) return app::kBadConfiguration;
  if (line.command == CommandLine::Command::kCheck) return Check(line.config);
  base::StartLog(line.config.log_level, line.config.log_format);
  const int code = app::RunOperator(line.config);
  base::StopLog();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  const int code = Main(app::ParseCommandLine({argv + 1, argv + argc}));
  // Threads of the HTTP library never end: do not wait for them, nor take their world down.
  std::fflush(nullptr);
  std::quick_exit(code);
}
