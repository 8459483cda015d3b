// Digests as lower-case hexadecimal, and a fast fingerprint of values.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace base {

std::string Sha256Hex(std::string_view text);

/// FNV-1a over what is added, with lengths, so that ("a","bc") and ("ab","c") differ. It tells
/// whether a value changed; it is not for security.
class Fingerprint {
 public:
  Fingerprint& Add(std::string_view text) {
    Add(int64_t(text.size()));
    for (const char c : text) Mix(static_cast<unsigned char>(c));
    return *this;
  }
  Fingerprint& Add(int64_t number) {
    for (int shift = 0; shift < 64; shift += 8) Mix(static_cast<unsigned char>(number >> shift));
    return *this;
  }
  uint64_t value() const { return value_; }

 private:
  void Mix(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace base
