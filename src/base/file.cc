#include "base/file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

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
  const auto cannot = [&](const std::string& why) {
    return Error{.code = Code::kNotFound, .message = "cannot read " + path + ": " + why};
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) return cannot(std::strerror(errno));
  std::string text;
  std::array<char, 65536> piece{};
  while (file.read(piece.data(), piece.size()) || file.gcount() > 0) {
    text.append(piece.data(), size_t(file.gcount()));
    if (text.size() > kMostBytes) return cannot("it is larger than 16 MiB");
  }
  if (file.bad()) return cannot("it is not a file that can be read");
  if (text.empty()) return cannot("it is empty, or a folder");
  return text;
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
