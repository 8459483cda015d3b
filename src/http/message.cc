#include "http/message.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace http {
namespace {

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

bool IsUnreserved(unsigned char c) {
  return std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsDottedQuad(std::string_view host) {
  return std::count(host.begin(), host.end(), '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string HostOf(std::string_view authority) {
  if (authority.starts_with("[")) {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? "" : std::string(authority.substr(1, end - 1));
  }
  return std::string(authority.substr(0, authority.find(':')));
}

}  // namespace

std::string_view Find(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (SameName(key, name)) return value;
  }
  return {};
}

std::string PercentEncode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsUnreserved(byte)) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

base::Result<std::string> PercentDecode(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
      if (low < 0) {
        return base::Error{.code = base::Code::kInvalidArgument,
                           .message = "a % without two hexadecimal digits"};
      }
      out += char(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

base::Result<Headers> ParseQuery(std::string_view query) {
  Headers fields;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    auto key = PercentDecode(pair.substr(0, equals), true);
    auto value = PercentDecode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!key) return key.error();
    if (!value) return value.error();
    fields.emplace_back(*std::move(key), *std::move(value));
  }
  return fields;
}

base::Result<Url> ParseUrl(std::string_view text) {
  const auto wrong = [&](const char* why) {
    return base::Error{.code = base::Code::kInvalidArgument,
                       .message = "\"" + std::string(text) + "\" is not a URL we can use: " + why};
  };
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return wrong("it must start with https:// or http://");
  Url url;
  url.scheme = text.substr(0, scheme_end);
  if (url.scheme != "https" && url.scheme != "http") return wrong("only https and http are known");
  const std::string_view rest = text.substr(scheme_end + 3);
  if (rest.find_first_of("@?# \t\r\n") != std::string_view::npos) {
    return wrong("it must not contain a user, a query, a fragment or blanks");
  }
  url.authority = rest.substr(0, rest.find('/'));
  url.path = rest.substr(url.authority.size());
  while (url.path.ends_with("/")) url.path.pop_back();
  url.host = HostOf(url.authority);
  if (url.host.empty()) return wrong("it names no host");
  return url;
}

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || (host.starts_with("127.") && IsDottedQuad(host));
}

std::optional<std::chrono::milliseconds> RetryAfter(const Headers& headers) {
  const std::string_view text = Find(headers, "Retry-After");
  int seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc{} || end != text.data() + text.size() || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds{std::min(seconds, 3600)};
}

}  // namespace http
