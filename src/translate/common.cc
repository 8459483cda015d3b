#include "translate/common.h"

#include <algorithm>

namespace translate {
namespace {

using retirement::Condition;
using retirement::ConditionStatus;
using retirement::Wall;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

ConditionStatus ParseConditionStatus(std::string_view text) {
  if (text == "True") return ConditionStatus::kTrue;
  return text == "False" ? ConditionStatus::kFalse : ConditionStatus::kUnknown;
}

}  // namespace

std::optional<Wall> ReadTime(base::JsonValue value, const std::string& field,
                             std::vector<std::string>& errors) {
  if (!value.exists()) return std::nullopt;
  const auto time = base::ParseRfc3339(value.String());
  if (!time) errors.push_back(field + " must be a time such as 2026-12-01T18:00:00Z");
  return time;
}

retirement::Millis ReadDuration(base::JsonValue value, const std::string& field,
                                retirement::Millis fallback, std::vector<std::string>& errors) {
  if (!value.exists()) return fallback;
  const auto duration = base::ParseDuration(value.String());
  if (!duration) errors.push_back(field + " must be a duration such as 90s, 15m or 1h30m");
  return duration.value_or(fallback);
}

bool ReadBool(base::JsonValue value, const std::string& field, bool fallback,
              std::vector<std::string>& errors) {
  if (!value.exists()) return fallback;
  const auto read = value.Bool();
  if (!read) errors.push_back(field + " must be true or false");
  return read.value_or(fallback);
}

size_t ReadEnum(base::JsonValue value, const std::string& field,
                const std::vector<std::string>& allowed, std::vector<std::string>& errors) {
  if (!value.exists()) return 0;
  const auto found = std::find(allowed.begin(), allowed.end(), value.String());
  if (found != allowed.end()) return size_t(found - allowed.begin());
  std::string list;
  for (const std::string& a : allowed) list += (list.empty() ? "" : ", ") + a;
  errors.push_back(field + " must be one of " + list);
  return 0;
}

bool IsRegion(std::string_view text) {
  const size_t dash = text.find('-');
  if (text.size() > 40 || dash == std::string_view::npos || dash < 2 || dash > 3) return false;
  if (!std::all_of(text.begin(), text.begin() + std::ptrdiff_t(dash), IsLower)) return false;
  char before = 'a';
  for (const char c : text.substr(dash)) {
    if (c == '-' ? before == '-' : !IsLower(c) && !IsDigit(c)) return false;
    before = c;
  }
  const std::string_view last = text.substr(text.rfind('-') + 1);
  return before != '-' && !std::all_of(last.begin(), last.end(), IsDigit);
}

void RefuseForeign(base::JsonValue spec, const ForeignWords& words,
                   std::vector<std::string>& errors) {
  spec.ForEachField([&](std::string_view key, base::JsonValue) {
    const auto word = words.find(key);
    if (word == words.end()) return;
    errors.push_back("spec: there is no " + std::string(key) + "; " + std::string(word->second));
  });
}

bool IsDnsLabel(std::string_view text, size_t longest) {
  if (text.empty() || text.size() > longest || text.front() == '-' || text.back() == '-') {
    return false;
  }
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

std::vector<Condition> ReadConditions(base::JsonValue list) {
  std::vector<Condition> conditions;
  list.ForEach([&](base::JsonValue c) {
    conditions.push_back({std::string(c["type"].String()),
                          ParseConditionStatus(c["status"].String()),
                          std::string(c["reason"].String()), std::string(c["message"].String()),
                          base::ParseRfc3339(c["lastTransitionTime"].String()).value_or(Wall{}),
                          c["observedGeneration"].Int().value_or(0)});
  });
  return conditions;
}

void WriteConditions(base::JsonWriter& json, const std::vector<Condition>& conditions) {
  json.Key("conditions");
  json.BeginArray();
  for (const Condition& c : conditions) {
    json.BeginObject();
    json.Field("type", c.type);
    json.Field("status", ToString(c.status));
    json.Field("reason", c.reason);
    json.Field("message", c.message);
    json.Field("lastTransitionTime", base::FormatRfc3339(c.since));
    json.Field("observedGeneration", c.observed_generation);
    json.EndObject();
  }
  json.EndArray();
}

void WriteTime(base::JsonWriter& json, std::string_view key, const std::optional<Wall>& time) {
  json.NullableField(key, time ? base::FormatRfc3339(*time) : "");
}

void BeginStatusPatch(base::JsonWriter& json, const std::string& version) {
  json.BeginObject();
  json.Key("metadata");
  json.BeginObject();
  json.Field("resourceVersion", version);
  json.EndObject();
  json.Key("status");
  json.BeginObject();
}

}  // namespace translate
