// JSON: a writer (RapidJSON behind it) and a null-tolerant reader (simdjson's DOM).

#pragma once

#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace base {

/// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

/// `text` as valid UTF-8 (bytes that are not become U+FFFD), cut to at most `bytes` between two
/// characters.
std::string ClipUtf8(std::string_view text, size_t bytes);

/// Appends compact JSON to one string. The caller keeps keys and nesting right.
class JsonWriter {
 public:
  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(std::string_view key);
  void String(std::string_view value) { Raw(JsonString(value)); }
  void Int(int64_t value) { Raw(std::to_string(value)); }
  void Bool(bool value) { Raw(value ? "true" : "false"); }
  void Null() { Raw("null"); }
  /// A value that is JSON already.
  void Raw(std::string_view json);

  void Field(std::string_view key, std::string_view value) { Key(key), String(value); }
  void Field(std::string_view key, const char* value) { Key(key), String(value); }
  void Field(std::string_view key, int64_t value) { Key(key), Int(value); }
  void Field(std::string_view key, int value) { Key(key), Int(value); }
  void Field(std::string_view key, bool value) { Key(key), Bool(value); }
  /// Leaves the key out when the text is empty.
  void OptionalField(std::string_view key, std::string_view value) {
    if (!value.empty()) Field(key, value);
  }
  /// Writes null when the text is empty: in a merge patch that removes the key.
  void NullableField(std::string_view key, std::string_view value);

  std::string Take() && { return std::move(out_); }

 private:
  void Open(char c);
  void Close(char c);
  void Separate();
  std::string out_;
  bool comma_ = false;
};

/// A view of one value in a JsonDocument; invalid once the document is gone or parsed anew.
/// Everything missing or of another type reads as the neutral value, because real servers answer
/// null where the definition promises a value.
class JsonValue {
 public:
  JsonValue() = default;
  explicit JsonValue(simdjson::dom::element element) : element_(element), exists_(true) {}

  JsonValue operator[](std::string_view key) const;
  bool exists() const { return exists_ && !element_.is_null(); }
  bool IsObject() const { return exists_ && element_.is_object(); }
  bool IsArray() const { return exists_ && element_.is_array(); }
  bool IsString() const { return exists_ && element_.is_string(); }
  std::string_view String() const;
  std::optional<std::string> OptionalString() const;
  std::optional<int64_t> Int() const;
  std::optional<bool> Bool() const;
  size_t Size() const;
  void ForEach(const std::function<void(JsonValue)>& visit) const;
  void ForEachField(const std::function<void(std::string_view, JsonValue)>& visit) const;
  std::string ToJson() const;

 private:
  simdjson::dom::element element_{};
  bool exists_ = false;
};

/// Parses whole texts, up to 64 MiB and 64 levels deep. Not thread-safe; keep one per thread.
class JsonDocument {
 public:
  /// An error names the byte only if simdjson knows it. The value lives until the next Parse.
  Result<JsonValue> Parse(std::string_view text);

 private:
  simdjson::dom::parser parser_;
};

}  // namespace base
