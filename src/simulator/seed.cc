#include "simulator/seed.h"

#include <fmt/format.h>

#include "base/yaml.h"

namespace simulator {
namespace {

constexpr int64_t kMostInstances = 1'000'000;
constexpr size_t kIdChars = 8;

/// "pw" and 17 give "ins-pw000017".
std::string NumberedId(const std::string& prefix, int64_t number) {
  return fmt::format("ins-{}{:0{}}", prefix, number, kIdChars - prefix.size());
}

struct Group {
  Instance like{};
  std::string prefix{};
  int64_t count = 1;
};

struct Reader {
  base::YamlErrors errors;
  Seed seed;
  explicit Reader(const std::string& file) : errors(file) {}

  std::function<void(const YAML::Node&)> To(std::string& out) {
    return [this, &out](const YAML::Node& n) { base::ReadString(n, out, errors); };
  }
  std::function<void(const YAML::Node&)> To(int64_t& out) {
    return [this, &out](const YAML::Node& n) { base::ReadInt(n, out, errors); };
  }
  std::function<void(const YAML::Node&)> To(bool& out) {
    return [this, &out](const YAML::Node& n) { base::ReadBool(n, out, errors); };
  }
  std::function<void(const YAML::Node&)> To(base::Millis& out) {
    return [this, &out](const YAML::Node& n) {
      const auto duration = base::ParseDuration(n.IsScalar() ? n.Scalar() : "");
      if (!duration) return errors.Add(n, "expected a duration such as 500ms or 2s");
      out = *duration;
    };
  }

  template <typename ReadItem>
  void ReadList(const YAML::Node& list, ReadItem read) {
    if (!list.IsSequence()) return errors.Add(list, "expected a list");
    for (const auto& item : list) read(item);
  }

  void ReadIdentity(const YAML::Node& node) {
    std::string id, key, token;
    base::ReadMapping(node, {{"secretId", To(id)}, {"secretKey", To(key)}, {"token", To(token)}},
                      errors);
    auto credentials = cvm::MakeCredentials(id, key, token);
    if (!credentials) return errors.Add(node, credentials.error().message);
    seed.identities.push_back(*std::move(credentials));
  }

  void ReadGroup(const YAML::Node& node) {
    Group g;
    base::ReadMapping(node,
                      {{"id", To(g.like.id)},
                       {"prefix", To(g.prefix)},
                       {"count", To(g.count)},
                       {"region", To(g.like.region)},
                       {"zone", To(g.like.zone)},
                       {"chargeType", To(g.like.charge)},
                       {"state", To(g.like.state)},
                       {"name", To(g.like.name)},
                       {"privateIP", To(g.like.private_ip)},
                       {"protected", To(g.like.protected_from_termination)},
                       {"refuseForGood", To(g.like.refuse_for_good)}},
                      errors);
    if (g.like.region.empty()) errors.Add(node, "region is required");
    if (g.like.id.empty() == g.prefix.empty()) {
      return errors.Add(node, "exactly one of id and prefix is required");
    }
    if (g.count < 1 || g.count > kMostInstances)
      return errors.Add(node, "count must be 1 to 1000000");
    if (g.prefix.size() >= kIdChars) return errors.Add(node, "prefix must be shorter than 8");
    Expand(g);
  }

  void Expand(const Group& g) {
    for (int64_t i = 1; i <= g.count; ++i) {
      Instance instance = g.like;
      if (!g.prefix.empty()) instance.id = NumberedId(g.prefix, i);
      if (instance.zone.empty()) instance.zone = instance.region + "-1";
      if (instance.name.empty()) instance.name = "name-of-" + instance.id;
      if (instance.private_ip.empty()) {
        instance.private_ip = fmt::format("10.{}.{}.{}", i / 65536 % 256, i / 256 % 256, i % 256);
      }
      seed.instances.push_back(std::move(instance));
    }
  }

  void ReadLimits(const YAML::Node& node) {
    int64_t terminate = seed.limits["TerminateInstances"];
    int64_t describe = seed.limits["DescribeInstances"];
    base::ReadMapping(
        node, {{"TerminateInstances", To(terminate)}, {"DescribeInstances", To(describe)}}, errors);
    seed.limits = {{"TerminateInstances", int(terminate)}, {"DescribeInstances", int(describe)}};
  }

  void Read(const YAML::Node& root) {
    base::ReadMapping(root,
                      {{"credentials",
                        [this](const YAML::Node& n) {
                          ReadList(n, [this](const YAML::Node& i) { ReadIdentity(i); });
                        }},
                       {"instances",
                        [this](const YAML::Node& n) {
                          ReadList(n, [this](const YAML::Node& i) { ReadGroup(i); });
                        }},
                       {"delays",
                        [this](const YAML::Node& n) {
                          base::ReadMapping(n,
                                            {{"terminateShortest", To(seed.terminate_shortest)},
                                             {"terminateLongest", To(seed.terminate_longest)},
                                             {"describeLag", To(seed.describe_lag)}},
                                            errors);
                        }},
                       {"limits", [this](const YAML::Node& n) { ReadLimits(n); }},
                       {"namesOffenders", To(seed.names_offenders)},
                       {"dryRun", To(seed.dry_run)}},
                      errors);
    if (seed.dry_run != "honoured" && seed.dry_run != "unknown" && seed.dry_run != "ignored") {
      errors.Add(root["dryRun"], "dryRun must be honoured, unknown or ignored");
    }
  }
};

}  // namespace

base::Result<Seed> ReadSeed(const std::string& text, const std::string& file) {
  auto root = base::LoadYaml(text, file);
  if (!root) return root.error();
  Reader reader(file);
  reader.Read(*root);
  if (reader.errors.list().empty()) return reader.seed;
  std::string all;
  for (const std::string& e : reader.errors.list()) all += (all.empty() ? "" : "\n") + e;
  return base::Error{.code = base::Code::kInvalidArgument, .message = all};
}

}  // namespace simulator
