// Verify: reads an API request in any of its forms and checks its signature as the service does.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cvm/credentials.h"
#include "http/server.h"

namespace simulator {

/// An API call, however it was written: as JSON, as a form or as a query.
struct ApiCall {
  std::string action{};
  std::string version{};
  std::string region{};
  std::string secret_id{};
  std::string client{};                                     // RequestClient
  std::map<std::string, std::vector<std::string>> lists{};  // InstanceIds
  std::map<std::string, std::string> fields{};
};

/// The parsed and verified call. An error's reason is the API's error code.
base::Result<ApiCall> ReadCall(const http::ServerRequest& request,
                               const std::vector<cvm::Credentials>& identities, base::Wall now);

}  // namespace simulator
