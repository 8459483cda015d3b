// Splits a stream of bytes into lines, with a bound on each.

#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace kube {

/// Not thread-safe.
class LineSplitter {
 public:
  explicit LineSplitter(size_t longest) : longest_(longest) {}

  /// Calls `take` for each complete line, without its end; stops early when it says false. False
  /// when a line is longer than allowed or `take` said so: the stream is of no more use.
  bool Feed(std::string_view bytes, const std::function<bool(std::string_view)>& take) {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      if (end == std::string_view::npos) {
        rest_ += bytes;
        return rest_.size() <= longest_;
      }
      std::string_view line = bytes.substr(0, end);
      if (!rest_.empty()) {
        rest_ += line;
        line = rest_;
      }
      if (line.size() > longest_ || (!line.empty() && !take(line))) return false;
      rest_.clear();
      bytes.remove_prefix(end + 1);
    }
    return true;
  }
  /// An incomplete last line is never applied.
  void Reset() { rest_.clear(); }

 private:
  size_t longest_;
  std::string rest_;
};

}  // namespace kube
