// HTTP messages and URLs as values, for both the client and the server.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace http {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// The value of the first header called `name` (any case), or "".
std::string_view Find(const Headers& headers, std::string_view name);

/// RFC 3986: everything but letters, digits and -._~ becomes %XX.
std::string PercentEncode(std::string_view text);
/// The reverse; `plus_is_blank` for form fields. An error for a % without two hexadecimal digits.
base::Result<std::string> PercentDecode(std::string_view text, bool plus_is_blank);

/// "a=1&b=2" decoded, in order.
base::Result<Headers> ParseQuery(std::string_view query);

struct Url {
  std::string scheme{};     // "http" or "https"
  std::string host{};       // without brackets
  std::string authority{};  // as written: host or host:port
  std::string path{};       // "" or starts with /
};
/// Accepts http and https only; no user, query or fragment.
base::Result<Url> ParseUrl(std::string_view text);
/// Whether `host` can only mean this machine: localhost, 127.0.0.0/8, ::1.
bool IsLoopback(std::string_view host);

/// The seconds of a Retry-After header (RFC 9110 10.2.3, number form), at most an hour.
std::optional<std::chrono::milliseconds> RetryAfter(const Headers& headers);

}  // namespace http
