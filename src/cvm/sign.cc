#include "cvm/sign.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "base/hash.h"

namespace cvm {
namespace {

std::string Hmac(const EVP_MD* digest, std::string_view key, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(digest, key.data(), int(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), out, &size);
  return {reinterpret_cast<char*>(out), size};
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

std::string Base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int n =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), int(bytes.size()));
  text.resize(size_t(n));
  return text;
}

std::string Scope(const Tc3Input& input) {
  return base::FormatDate(input.time) + "/" + input.service + "/tc3_request";
}

int64_t UnixSeconds(base::Wall time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

std::string Tc3CanonicalRequest(const Tc3Input& input) {
  return input.method + "\n/\n" + input.query + "\ncontent-type:" + input.content_type +
         "\nhost:" + input.host + "\n\ncontent-type;host\n" + base::Sha256Hex(input.body);
}

std::string Tc3StringToSign(const Tc3Input& input) {
  return "TC3-HMAC-SHA256\n" + std::to_string(UnixSeconds(input.time)) + "\n" + Scope(input) +
         "\n" + base::Sha256Hex(Tc3CanonicalRequest(input));
}

std::string Tc3Signature(const Credentials& credentials, const Tc3Input& input) {
  const EVP_MD* sha256 = EVP_sha256();
  const std::string date =
      Hmac(sha256, "TC3" + credentials.secret_key.Reveal(), base::FormatDate(input.time));
  const std::string service = Hmac(sha256, date, input.service);
  const std::string signing = Hmac(sha256, service, "tc3_request");
  return Hex(Hmac(sha256, signing, Tc3StringToSign(input)));
}

std::string Tc3Authorization(const Credentials& credentials, const Tc3Input& input) {
  return "TC3-HMAC-SHA256 Credential=" + credentials.secret_id + "/" + Scope(input) +
         ", SignedHeaders=content-type;host, Signature=" + Tc3Signature(credentials, input);
}

std::string V1StringToSign(const std::string& method, const std::string& host, Params params) {
  std::sort(params.begin(), params.end());
  std::string text = method + host + "/?";
  for (size_t i = 0; i < params.size(); ++i) {
    text += (i == 0 ? "" : "&") + params[i].first + "=" + params[i].second;
  }
  return text;
}

std::string V1Signature(const Credentials& credentials, V1Method method,
                        const std::string& string_to_sign) {
  const EVP_MD* digest = method == V1Method::kHmacSha256 ? EVP_sha256() : EVP_sha1();
  return Base64(Hmac(digest, credentials.secret_key.Reveal(), string_to_sign));
}

}  // namespace cvm
