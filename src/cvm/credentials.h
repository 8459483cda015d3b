// Credentials of one identity of the cloud.

#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace cvm {

struct Credentials {
  std::string secret_id{};
  base::Secret secret_key{};
  base::Secret token{};  // with temporary credentials only
};

/// Trims blanks and line breaks around each part, because keys come from files and Secrets, and
/// refuses what holds some inside. An error never holds a part of a credential (S11).
base::Result<Credentials> MakeCredentials(std::string secret_id, std::string secret_key,
                                          std::string token);

/// Tells identities apart without telling the SecretId: a salted hash, 16 hexadecimal digits.
std::string CredentialHash(const std::string& salt, const Credentials& credentials);

/// Changes with any part of them; for comparing only, it is never shown.
std::string CredentialRevision(const std::string& salt, const Credentials& credentials);

}  // namespace cvm
