#include "app/config.h"

#include <boost/program_options.hpp>
#include <functional>
#include <set>
#include <sstream>

#include "base/file.h"
#include "base/yaml.h"

namespace app {
namespace {

namespace po = boost::program_options;
using Values = std::vector<std::string>;

/// One setting: the same name as flag and as key of the file. `set` says what is wrong, or "".
struct Setting {
  const char* name;
  const char* meaning;
  bool repeatable;
  std::function<std::string(Config&, const Values&)> set;
};

std::string ToBool(bool& out, const std::string& text) {
  if (text != "true" && text != "false") return "must be true or false";
  out = text == "true";
  return "";
}

std::string ToDuration(base::Millis& out, const std::string& text) {
  const auto duration = base::ParseDuration(text);
  if (!duration) return "must be a duration such as 500ms, 10s or 720h";
  out = *duration;
  return "";
}

std::string ToLevel(base::LogLevel& out, const std::string& text) {
  if (text == "debug")
    out = base::LogLevel::kDebug;
  else if (text == "info")
    out = base::LogLevel::kInfo;
  else if (text == "warning")
    out = base::LogLevel::kWarning;
  else if (text == "error")
    out = base::LogLevel::kError;
  else
    return "must be debug, info, warning or error";
  return "";
}

std::string ToFormat(base::LogFormat& out, const std::string& text) {
  if (text != "text" && text != "json") return "must be text or json";
  out = text == "json" ? base::LogFormat::kJson : base::LogFormat::kText;
  return "";
}

std::string ToAddress(std::string& out, const std::string& text, bool may_be_off) {
  if (!(may_be_off && text == "0") && text.find(':') == std::string::npos) {
    return may_be_off ? "must be HOST:PORT, :PORT or 0" : "must be HOST:PORT or :PORT";
  }
  out = text;
  return "";
}

const std::vector<Setting>& Settings() {
  static const std::vector<Setting> settings = {
      {"kubeconfig", "kubeconfig FILE; else $KUBECONFIG, else the pod's service account", false,
       [](Config& c, const Values& v) { return c.kubeconfig = v[0], ""; }},
      {"namespace",
       "own namespace: lease and Secrets; else $POD_NAMESPACE, else the pod's, else "
       "cvm-retirement-system",
       false, [](Config& c, const Values& v) { return c.ns = v[0], ""; }},
      {"watch-namespace", "serve requests of this namespace only (repeatable; default all)", true,
       [](Config& c, const Values& v) {
         const std::set<std::string> distinct(v.begin(), v.end());
         return c.watch_namespaces.assign(distinct.begin(), distinct.end()), "";
       }},
      {"leader-elect", "act only while holding the lease (true)", false,
       [](Config& c, const Values& v) { return ToBool(c.leader_elect, v[0]); }},
      {"metrics-address", "HOST:PORT of /metrics (:8080); 0 switches it off", false,
       [](Config& c, const Values& v) { return ToAddress(c.metrics_address, v[0], true); }},
      {"health-address", "HOST:PORT of /livez and /readyz (:8081)", false,
       [](Config& c, const Values& v) { return ToAddress(c.health_address, v[0], false); }},
      {"batch-idle", "cut a batch that had no newcomer for so long (1s)", false,
       [](Config& c, const Values& v) { return ToDuration(c.batch_idle, v[0]); }},
      {"batch-max", "cut a batch after so long at the latest (10s)", false,
       [](Config& c, const Values& v) { return ToDuration(c.batch_max, v[0]); }},
      {"batch-retention", "keep closed RetirementBatches so long, at least 1h (720h)", false,
       [](Config& c, const Values& v) { return ToDuration(c.batch_retention, v[0]); }},
      {"allowed-endpoints",
       "hosts that accounts may name besides loopback (repeatable; "
       "*.tencentcloudapi.com)",
       true, [](Config& c, const Values& v) { return c.allowed_endpoints = v, ""; }},
      {"log-level", "debug, info, warning or error (info)", false,
       [](Config& c, const Values& v) { return ToLevel(c.log_level, v[0]); }},
      {"log-format", "text or json (text)", false,
       [](Config& c, const Values& v) { return ToFormat(c.log_format, v[0]); }},
      {"allow-plain-http", "accept http endpoints that are not loopback (false)", false,
       [](Config& c, const Values& v) { return ToBool(c.allow_plain_http, v[0]); }},
  };
  return settings;
}

/// Rules that no single setting can check.
void CheckWhole(const Config& c, std::vector<std::string>& errors) {
  if (c.batch_max < c.batch_idle) errors.push_back("batch-max must not be shorter than batch-idle");
  if (c.batch_idle < base::Millis{1}) errors.push_back("batch-idle must be at least 1ms");
  if (c.batch_retention < std::chrono::hours{1}) {
    errors.push_back("batch-retention must be at least 1h");
  }
}

Values ScalarsOf(const Setting& setting, const YAML::Node& node, base::YamlErrors& errors) {
  Values values;
  if (node.IsSequence() && setting.repeatable) {
    for (const auto& item : node) {
      std::string text;
      if (base::ReadString(item, text, errors)) values.push_back(text);
    }
    if (values.empty()) errors.Add(node, std::string(setting.name) + " must not be empty");
    return values;
  }
  std::string text;
  if (base::ReadString(node, text, errors)) values.push_back(text);
  return values;
}

void ReadConfigFile(const std::string& path, Config& config, std::vector<std::string>& errors) {
  const auto text = base::ReadFile(path);
  if (!text) return errors.push_back(text.error().message);
  const auto root = base::LoadYaml(*text, path);
  if (!root) return errors.push_back(root.error().message);
  base::YamlErrors found(path);
  base::YamlFields fields;
  for (const Setting& setting : Settings()) {
    fields.emplace(setting.name, [&](const YAML::Node& node) {
      const Values values = ScalarsOf(setting, node, found);
      if (values.empty()) return;
      const std::string wrong = setting.set(config, values);
      if (!wrong.empty()) found.Add(node, std::string(setting.name) + " " + wrong);
    });
  }
  base::ReadMapping(*root, fields, found);
  errors.insert(errors.end(), found.list().begin(), found.list().end());
}

po::options_description Describe() {
  po::options_description options(
      "cvm-retirement-operator [check] [--flag VALUE ...]\n\n"
      "Retires Tencent Cloud CVM instances that InstanceRetirement objects name.\n"
      "With \"check\" it only checks its configuration.\n\nFlags");
  auto add = options.add_options();
  add("help", "show this text");
  add("version", "show the version");
  add("config", po::value<Values>()->composing(), "YAML FILE with the flags below as keys");
  for (const Setting& s : Settings()) {
    add(s.name, po::value<Values>()->composing(), s.meaning);
  }
  return options;
}

void ApplyFlags(const po::variables_map& flags, CommandLine& line) {
  for (const Setting& s : Settings()) {
    if (flags.count(s.name) == 0) continue;
    const Values& values = flags[s.name].as<Values>();
    const std::string flag = std::string("--") + s.name;
    if (values.size() > 1 && !s.repeatable) {
      line.errors.push_back(flag + " is given twice");
      continue;
    }
    const std::string wrong = s.set(line.config, values);
    if (!wrong.empty()) line.errors.push_back(flag + " " + wrong + ", not \"" + values[0] + "\"");
  }
}

}  // namespace

CommandLine ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  const po::options_description options = Describe();
  std::ostringstream help;
  help << options;
  line.help = help.str();
  Values rest = arguments;
  if (!rest.empty() && rest.front() == "check") {
    line.command = CommandLine::Command::kCheck;
    rest.erase(rest.begin());
  }
  po::variables_map flags;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(rest)
                  .options(options)
                  .positional(po::positional_options_description())
                  .style(style)
                  .run(),
              flags);
  } catch (const po::error& e) {
    line.errors.push_back(std::string(e.what()) + "; see --help");
    return line;
  }
  if (flags.count("help") > 0) line.command = CommandLine::Command::kHelp;
  if (flags.count("version") > 0) line.command = CommandLine::Command::kVersion;
  if (flags.count("config") > 0) {
    for (const std::string& path : flags["config"].as<Values>()) {
      ReadConfigFile(path, line.config, line.errors);
    }
  }
  ApplyFlags(flags, line);
  CheckWhole(line.config, line.errors);
  return line;
}

}  // namespace app
