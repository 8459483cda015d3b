// The only file that knows Boost.Log.
#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <boost/log/attributes/attribute_value_impl.hpp>
#include <boost/log/core.hpp>
#include <boost/log/sinks/basic_sink_backend.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <boost/log/sources/record_ostream.hpp>
#include <boost/smart_ptr/make_shared.hpp>

#include "base/clock.h"
#include "base/json.h"

namespace base {
namespace {

namespace blog = boost::log;

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<LogFormat> g_format{LogFormat::kText};
std::atomic<bool> g_started{false};

const char* Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  __builtin_unreachable();
}

void WriteLine(const std::string& line) {
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t n = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
    if (n <= 0) return;
    done += size_t(n);
  }
}

/// One write(2) per record, so that lines of several threads never mix.
class LineBackend : public blog::sinks::basic_sink_backend<blog::sinks::synchronized_feeding> {
 public:
  void consume(const blog::record_view& record) {
    const auto line = record.attribute_values()["Line"].extract<std::string>();
    if (line) WriteLine(line.get());
  }
};

std::string JsonLine(LogLevel level, std::string_view message,
                     std::initializer_list<Field> fields) {
  JsonWriter json;
  json.BeginObject();
  json.Field("ts", FormatMicroTime(ReadClock().wall));
  json.Field("level", Name(level));
  json.Field("msg", message);
  for (const Field& f : fields) {
    json.Key(f.key);
    f.quoted ? json.String(f.value) : json.Raw(f.value);
  }
  json.EndObject();
  return std::move(json).Take();
}

std::string TextLine(LogLevel level, std::string_view message,
                     std::initializer_list<Field> fields) {
  std::string line = FormatMicroTime(ReadClock().wall).substr(0, 23) + "Z ";
  line.append(Name(level)).append(" ").append(message);
  for (const Field& f : fields) {
    line.append(" ").append(f.key).append("=");
    f.quoted ? line.append(JsonString(f.value)) : line.append(f.value);
  }
  return line;
}

}  // namespace

void StartLog(LogLevel level, LogFormat format) {
  g_level = level;
  g_format = format;
  using Sink = blog::sinks::synchronous_sink<LineBackend>;
  blog::core::get()->add_sink(boost::make_shared<Sink>(boost::make_shared<LineBackend>()));
  g_started = true;
}

void StopLog() {
  g_started = false;
  blog::core::get()->flush();
  blog::core::get()->remove_all_sinks();
}

void Log(LogLevel level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  std::string line = g_format == LogFormat::kJson ? JsonLine(level, message, fields)
                                                  : TextLine(level, message, fields);
  line += '\n';
  if (!g_started) return WriteLine(line);
  auto record = blog::core::get()->open_record(blog::attribute_set());
  if (!record) return;
  record.attribute_values().insert("Line", blog::attributes::make_attribute_value(line));
  blog::core::get()->push_record(std::move(record));
}

}  // namespace base
