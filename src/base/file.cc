#include "base/file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace base {
namespace {

constexpr size_t kMostBytes = 16u << 20;

int Sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()) || text.str().size() > kMostBytes) {
    const std::string why = file ? "it is empty or larger than 16 MiB" : std::strerror(errno);
    return Error{.code = Code::kNotFound, .message = "cannot read " + path + ": " + why};
  }
  return text.str();
}

Result<std::string> DecodeBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  bool padded = false;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    if (c == '=') {
      padded = true;
      continue;
    }
    const int sextet = Sextet(c);
    if (sextet < 0 || padded) {
      return Error{.code = Code::kInvalidArgument, .message = "not base64"};
    }
    bits = bits << 6 | uint32_t(sextet);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += char(bits >> count & 0xff);
  }
  return out;
}

}  // namespace base
