// A strict reader of YAML for configuration: every key must be known, nothing may be given twice,
// and every error names its place. All errors of a file are collected, not only the first.

#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace base {

/// Collects errors as "file:line:column: what is wrong".
class YamlErrors {
 public:
  explicit YamlErrors(std::string file) : file_(std::move(file)) {}
  void Add(const YAML::Node& node, const std::string& what);
  const std::vector<std::string>& list() const { return list_; }

 private:
  std::string file_;
  std::vector<std::string> list_;
};

/// Reads a text of one document. An error names the place. Files over 4 MiB and aliases that
/// unfold to more than 100,000 nodes are refused.
Result<YAML::Node> LoadYaml(const std::string& text, const std::string& file);

using YamlFields = std::map<std::string, std::function<void(const YAML::Node&)>>;
/// Calls the reader of each key of a mapping; an unknown key, a key given twice and a node that is
/// no mapping are errors.
void ReadMapping(const YAML::Node& node, const YamlFields& fields, YamlErrors& errors);

/// Scalars; anything else is an error that says what is allowed, and false.
bool ReadString(const YAML::Node& node, std::string& out, YamlErrors& errors);
bool ReadBool(const YAML::Node& node, bool& out, YamlErrors& errors);
bool ReadInt(const YAML::Node& node, int64_t& out, YamlErrors& errors);

}  // namespace base
