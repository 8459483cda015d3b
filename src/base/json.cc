#include "base/json.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace base {
namespace {

constexpr size_t kMaxText = 64u << 20;
constexpr size_t kMaxDepth = 64;

/// The length of the UTF-8 sequence at the front of `s`, or 0 when it is not one.
size_t SequenceLength(std::string_view s) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto tail = [&](size_t n) {
    if (s.size() < n) return false;
    for (size_t i = 1; i < n; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return false;
    }
    return true;
  };
  const unsigned char c = byte(0);
  if (c < 0x80) return 1;
  if (c >= 0xc2 && c < 0xe0) return tail(2) ? 2 : 0;
  if (c >= 0xe0 && c < 0xf0) {
    if (!tail(3) || (c == 0xe0 && byte(1) < 0xa0) || (c == 0xed && byte(1) > 0x9f)) return 0;
    return 3;
  }
  if (c >= 0xf0 && c < 0xf5) {
    if (!tail(4) || (c == 0xf0 && byte(1) < 0x90) || (c == 0xf4 && byte(1) > 0x8f)) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string ClipUtf8(std::string_view text, size_t bytes) {
  std::string out;
  while (!text.empty()) {
    const size_t n = SequenceLength(text);
    const std::string_view next = n == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, n);
    if (out.size() + next.size() > bytes) return out;
    out += next;
    text.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

std::string JsonString(std::string_view text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  if (simdjson::validate_utf8(text.data(), text.size())) {
    writer.String(text.data(), rapidjson::SizeType(text.size()));
  } else {
    const std::string valid = ClipUtf8(text, std::string_view::npos);
    writer.String(valid.data(), rapidjson::SizeType(valid.size()));
  }
  return {buffer.GetString(), buffer.GetSize()};
}

void JsonWriter::Separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

void JsonWriter::Open(char c) {
  Separate();
  out_ += c;
  comma_ = false;
}

void JsonWriter::Close(char c) {
  out_ += c;
  comma_ = true;
}

void JsonWriter::Key(std::string_view key) {
  Separate();
  out_ += JsonString(key);
  out_ += ':';
  comma_ = false;
}

void JsonWriter::Raw(std::string_view json) {
  Separate();
  out_ += json;
}

void JsonWriter::NullableField(std::string_view key, std::string_view value) {
  Key(key);
  value.empty() ? Null() : String(value);
}

JsonValue JsonValue::operator[](std::string_view key) const {
  simdjson::dom::element found;
  if (!IsObject() || element_.at_key(key).get(found) != simdjson::SUCCESS) return {};
  return JsonValue(found);
}

std::string_view JsonValue::String() const {
  std::string_view text;
  if (!exists_ || element_.get_string().get(text) != simdjson::SUCCESS) return {};
  return text;
}

std::optional<std::string> JsonValue::OptionalString() const {
  if (!IsString()) return std::nullopt;
  return std::string(String());
}

std::optional<int64_t> JsonValue::Int() const {
  int64_t value = 0;
  if (!exists_ || element_.get_int64().get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::optional<bool> JsonValue::Bool() const {
  bool value = false;
  if (!exists_ || element_.get_bool().get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

size_t JsonValue::Size() const {
  simdjson::dom::array array;
  if (exists_ && element_.get_array().get(array) == simdjson::SUCCESS) return array.size();
  simdjson::dom::object object;
  if (exists_ && element_.get_object().get(object) == simdjson::SUCCESS) return object.size();
  return 0;
}

void JsonValue::ForEach(const std::function<void(JsonValue)>& visit) const {
  simdjson::dom::array array;
  if (!exists_ || element_.get_array().get(array) != simdjson::SUCCESS) return;
  for (const simdjson::dom::element item : array) visit(JsonValue(item));
}

void JsonValue::ForEachField(const std::function<void(std::string_view, JsonValue)>& visit) const {
  simdjson::dom::object object;
  if (!exists_ || element_.get_object().get(object) != simdjson::SUCCESS) return;
  for (const auto field : object) visit(field.key, JsonValue(field.value));
}

std::string JsonValue::ToJson() const {
  return exists_ ? simdjson::minify(element_) : std::string("null");
}

Result<JsonValue> JsonDocument::Parse(std::string_view text) {
  if (text.size() > kMaxText) {
    return Error{.code = Code::kInvalidArgument, .message = "JSON of more than 64 MiB"};
  }
  simdjson::dom::element root;
  auto failure = parser_.allocate(std::max<size_t>(text.size(), 64), kMaxDepth);
  if (failure == simdjson::SUCCESS) failure = parser_.parse(text.data(), text.size()).get(root);
  if (failure != simdjson::SUCCESS) {
    return Error{.code = Code::kInternal,
                 .message = std::string("not JSON: ") + simdjson::error_message(failure)};
  }
  return JsonValue(root);
}

}  // namespace base
