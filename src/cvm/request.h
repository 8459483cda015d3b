// The two API actions as HTTP requests: pure, so that every byte can be held against the vendor's.

#pragma once

#include <string>
#include <vector>

#include "cvm/credentials.h"
#include "http/transport.h"

namespace cvm {

enum class Signature { kTc3, kHmacSha256, kHmacSha1 };
/// "TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1".
std::optional<Signature> ParseSignature(std::string_view name);

/// Where a request goes and how it is written.
struct Form {
  std::string endpoint{};  // https://host[:port]
  std::string region{};
  bool use_get = false;
  Signature signature = Signature::kTc3;
  std::string client_name{};  // RequestClient
};

/// What makes each request differ: given, so that a request can be repeated byte for byte.
struct Stamp {
  base::Wall time{};
  uint32_t nonce = 1;  // of the v1 signatures, positive
};

struct TerminateInput {
  std::vector<std::string> ids{};  // S1: 1..100, distinct
  bool release_address = false;    // sent only when true
  bool release_disks = false;      // sent only when true
  bool dry_run = false;            // sent only when true
};

/// An error when the ids break S1.
base::Result<http::Request> TerminateRequest(const Form& form, const Credentials& credentials,
                                             const Stamp& stamp, const TerminateInput& input);
/// Always with Limit 100: without it the service returns 20 of 100.
base::Result<http::Request> DescribeRequest(const Form& form, const Credentials& credentials,
                                            const Stamp& stamp,
                                            const std::vector<std::string>& ids);

}  // namespace cvm
