// Answers of the cloud API, read without ever trusting their shape.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "http/message.h"

namespace cvm {

/// One instance as DescribeInstances shows it; what is missing or null reads as empty.
struct Instance {
  std::string id{};
  std::string charge_type{};
  std::string state{};
  std::string name{};
  std::vector<std::string> private_ips{};
  bool protected_from_termination = false;
  std::string latest_operation{};
  std::string latest_operation_state{};
  std::string latest_operation_error{};
  std::string latest_operation_request{};
};

struct ApiError {
  std::string code{};
  std::string message{};
};

/// An envelope of the API. Neither an error nor a RequestId means that it is none.
struct Envelope {
  std::string request_id{};
  std::optional<ApiError> error{};
  std::vector<Instance> instances{};
  std::optional<int64_t> total{};
};

/// Reads {"Response": {...}}, and the old shape {"code", "message", "codeDesc"}. An error when
/// `body` is neither.
base::Result<Envelope> ReadEnvelope(base::JsonDocument& json, std::string_view body);

}  // namespace cvm
