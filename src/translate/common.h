// What the codecs of all kinds share.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "retirement/object.h"

namespace translate {

/// "RFC 3339 text" to a time; an empty or malformed text is an error unless it is absent.
std::optional<retirement::Wall> ReadTime(base::JsonValue value, const std::string& field,
                                         std::vector<std::string>& errors);
retirement::Millis ReadDuration(base::JsonValue value, const std::string& field,
                                retirement::Millis fallback, std::vector<std::string>& errors);
bool ReadBool(base::JsonValue value, const std::string& field, bool fallback,
              std::vector<std::string>& errors);
/// One of `allowed`; the first when absent. The index.
size_t ReadEnum(base::JsonValue value, const std::string& field,
                const std::vector<std::string>& allowed, std::vector<std::string>& errors);
/// ^[a-z]{2,3}(-[a-z0-9]+)+$, at most 40, and no number at the end: that is a zone.
bool IsRegion(std::string_view text);
inline constexpr const char* kRegionForm =
    "must be a region such as ap-guangzhou, not a zone such as ap-guangzhou-6";
/// Words that people bring from other tools, and what to write instead.
using ForeignWords = std::map<std::string_view, std::string_view>;
/// Also where a server keeps what its schema refuses: such a spec says less than was meant.
void RefuseForeign(base::JsonValue spec, const ForeignWords& words,
                   std::vector<std::string>& errors);
/// An RFC 1123 label of at most `longest`.
bool IsDnsLabel(std::string_view text, size_t longest);

std::vector<retirement::Condition> ReadConditions(base::JsonValue list);
void WriteConditions(base::JsonWriter& json, const std::vector<retirement::Condition>& conditions);
void WriteTime(base::JsonWriter& json, std::string_view key,
               const std::optional<retirement::Wall>& time);

/// Begins {"metadata":{"resourceVersion":...},"status":{ ; the caller ends both.
void BeginStatusPatch(base::JsonWriter& json, const std::string& version);

}  // namespace translate
