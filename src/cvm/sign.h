// Signatures of the cloud API, as pure functions of everything that goes into them.
// Sources: cvm API documents 213/15692 (TC3-HMAC-SHA256) and 213/15693 (signature v1).

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "cvm/credentials.h"

namespace cvm {

struct Tc3Input {
  std::string method{};        // POST or GET
  std::string host{};          // as the server sees it, with the port if there is one
  std::string query{};         // percent-encoded, for GET
  std::string content_type{};  // lower-case, exactly as sent
  std::string body{};
  std::string service = "cvm";
  base::Wall time{};  // of X-TC-Timestamp
};

std::string Tc3CanonicalRequest(const Tc3Input& input);
std::string Tc3StringToSign(const Tc3Input& input);
/// Lower-case hexadecimal.
std::string Tc3Signature(const Credentials& credentials, const Tc3Input& input);
/// The value of the Authorization header.
std::string Tc3Authorization(const Credentials& credentials, const Tc3Input& input);

using Params = std::vector<std::pair<std::string, std::string>>;
enum class V1Method { kHmacSha1, kHmacSha256 };

/// Keys in ASCII order, values as they are.
std::string V1StringToSign(const std::string& method, const std::string& host, Params params);
/// Base64.
std::string V1Signature(const Credentials& credentials, V1Method method,
                        const std::string& string_to_sign);

}  // namespace cvm
