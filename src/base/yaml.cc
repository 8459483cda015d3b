#include "base/yaml.h"

#include <yaml-cpp/eventhandler.h>

#include <charconv>
#include <set>
#include <sstream>

namespace base {
namespace {

constexpr size_t kMostBytes = 4u << 20;
constexpr size_t kMostNodes = 100'000;
constexpr int kDeepest = 64;

/// Aliases share nodes, so a small file may unfold to billions, or hold itself: the walk has a
/// budget and a floor.
bool WithinBudget(const YAML::Node& node, size_t& budget, int depth = 0) {
  if (budget == 0 || depth > kDeepest) return false;
  --budget;
  if (node.IsSequence()) {
    for (const auto& item : node) {
      if (!WithinBudget(item, budget, depth + 1)) return false;
    }
  }
  if (node.IsMap()) {
    for (const auto& field : node) {
      if (!WithinBudget(field.first, budget, depth + 1) ||
          !WithinBudget(field.second, budget, depth + 1)) {
        return false;
      }
    }
  }
  return true;
}

/// YAML::LoadAll reads some broken texts as endlessly many documents; here the second one ends it.
class OneDocument : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++count_ > 1) throw YAML::ParserException(mark, "only one document is read");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int count_ = 0;
};

void RefuseSeveralDocuments(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  OneDocument handler;
  while (parser.HandleNextDocument(handler)) continue;
}

Error Wrong(const std::string& file, const YAML::Mark& mark, const std::string& what) {
  return {.code = Code::kInvalidArgument,
          .message = file + ":" + std::to_string(mark.line + 1) + ":" +
                     std::to_string(mark.column + 1) + ": " + what};
}

}  // namespace

void YamlErrors::Add(const YAML::Node& node, const std::string& what) {
  list_.push_back(Wrong(file_, node.Mark(), what).message);
}

Result<YAML::Node> LoadYaml(const std::string& text, const std::string& file) {
  if (text.size() > kMostBytes) {
    return Error{.code = Code::kInvalidArgument, .message = file + ": more than 4 MiB of YAML"};
  }
  try {
    RefuseSeveralDocuments(text);
    const YAML::Node root = YAML::Load(text);
    size_t budget = kMostNodes;
    if (!WithinBudget(root, budget))
      return Wrong(file, root.Mark(), "nested too deeply, or its aliases unfold too far");
    return root;
  } catch (const YAML::Exception& e) {
    return Wrong(file, e.mark, e.msg);
  }
}

void ReadMapping(const YAML::Node& node, const YamlFields& fields, YamlErrors& errors) {
  if (!node.IsMap()) {
    if (!node.IsNull()) errors.Add(node, "expected a mapping of keys to values");
    return;
  }
  std::set<std::string> seen;
  for (const auto& field : node) {
    if (!field.first.IsScalar()) {
      errors.Add(field.first, "a key must be a plain word");
      continue;
    }
    const std::string key = field.first.Scalar();
    const auto reader = fields.find(key);
    if (!seen.insert(key).second) {
      errors.Add(field.first, "\"" + key + "\" is given twice");
    } else if (reader == fields.end()) {
      std::string known;
      for (const auto& [name, ignored] : fields) known += (known.empty() ? "" : ", ") + name;
      errors.Add(field.first, "unknown key \"" + key + "\"; known are: " + known);
    } else {
      reader->second(field.second);
    }
  }
}

bool ReadString(const YAML::Node& node, std::string& out, YamlErrors& errors) {
  if (!node.IsScalar()) {
    errors.Add(node, "expected a text");
    return false;
  }
  out = node.Scalar();
  return true;
}

bool ReadBool(const YAML::Node& node, bool& out, YamlErrors& errors) {
  if (node.IsScalar() && (node.Scalar() == "true" || node.Scalar() == "false")) {
    out = node.Scalar() == "true";
    return true;
  }
  errors.Add(node, "expected true or false");
  return false;
}

bool ReadInt(const YAML::Node& node, int64_t& out, YamlErrors& errors) {
  if (node.IsScalar()) {
    const std::string& text = node.Scalar();
    const char* const last = text.data() + text.size();
    const auto [end, failure] = std::from_chars(text.data(), last, out);
    if (failure == std::errc{} && end == last && !text.empty()) return true;
  }
  errors.Add(node, "expected a whole number");
  return false;
}

}  // namespace base
