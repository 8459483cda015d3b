// Structured logging: a constant message and key-value pairs, one line each, to standard error.

#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

/// A key and its value. There is no constructor for Secret (S11).
struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <typename Number>
  requires std::is_arithmetic_v<Number> Field(std::string_view k, Number v)
      : key(k), value(std::to_string(v)), quoted(false) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}

  std::string_view key;
  std::string value;
  bool quoted = true;
};

/// Sets the log up; called once, first in main. Before it, lines of kInfo and above go out as text.
void StartLog(LogLevel level, LogFormat format);
void StopLog();

/// Writes a line unless `level` is below the configured one. Thread-safe; one write(2) a line.
void Log(LogLevel level, std::string_view message, std::initializer_list<Field> fields = {});

inline void LogInfo(std::string_view message, std::initializer_list<Field> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(std::string_view message, std::initializer_list<Field> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(std::string_view message, std::initializer_list<Field> fields = {}) {
  Log(LogLevel::kError, message, fields);
}
inline void LogDebug(std::string_view message, std::initializer_list<Field> fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}

}  // namespace base
