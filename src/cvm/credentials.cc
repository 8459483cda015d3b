#include "cvm/credentials.h"

#include "base/hash.h"

namespace cvm {
namespace {

constexpr const char* kBlanks = " \t\r\n";

std::string Trim(const std::string& text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool HasBlank(const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return true;
  }
  return false;
}

}  // namespace

base::Result<Credentials> MakeCredentials(std::string secret_id, std::string secret_key,
                                          std::string token) {
  const auto wrong = [](const std::string& what) {
    return base::Error{.code = base::Code::kInvalidArgument, .message = what};
  };
  secret_id = Trim(secret_id);
  secret_key = Trim(secret_key);
  token = Trim(token);
  if (secret_id.empty()) return wrong("the SecretId is empty");
  if (secret_key.empty()) return wrong("the SecretKey is empty");
  if (HasBlank(secret_id)) return wrong("the SecretId holds a blank or control character");
  if (HasBlank(secret_key)) return wrong("the SecretKey holds a blank or control character");
  if (HasBlank(token)) return wrong("the token holds a blank or control character");
  return Credentials{secret_id, base::Secret(secret_key), base::Secret(token)};
}

std::string CredentialHash(const std::string& salt, const Credentials& credentials) {
  return base::Sha256Hex(salt + "\n" + credentials.secret_id).substr(0, 16);
}

std::string CredentialRevision(const std::string& salt, const Credentials& credentials) {
  return base::Sha256Hex(salt + "\n" + credentials.secret_id + "\n" +
                         credentials.secret_key.Reveal() + "\n" + credentials.token.Reveal());
}

}  // namespace cvm
