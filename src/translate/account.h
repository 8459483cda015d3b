// CloudAccount: JSON to value and status to JSON. Pure.

#pragma once

#include <string>

#include "base/json.h"
#include "retirement/object.h"

namespace translate {

/// What is wrong with the spec goes into `errors`, each entry naming its field; the CRD's rules are
/// all checked again here, because older servers ignore some. An error only when there is no name.
base::Result<retirement::AccountObject> ReadAccount(base::JsonValue object);

/// What --allowed-endpoints and --allow-plain-http allow.
struct EndpointPolicy {
  std::vector<std::string> hosts{};  // "*.tencentcloudapi.com" or exact; loopback always
  bool allow_plain_http = false;
};
/// "" when `endpoint` may be used, else why not.
std::string CheckEndpoint(const std::string& endpoint, const EndpointPolicy& policy);

/// A merge patch of the status on `version` of our view.
std::string WriteAccountStatus(const std::string& version, const retirement::AccountStatus& status);

}  // namespace translate
