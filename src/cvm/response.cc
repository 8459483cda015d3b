#include "cvm/response.h"

namespace cvm {
namespace {

Instance ReadInstance(base::JsonValue value) {
  Instance i;
  i.id = value["InstanceId"].String();
  i.charge_type = value["InstanceChargeType"].String();
  i.state = value["InstanceState"].String();
  i.name = value["InstanceName"].String();
  value["PrivateIpAddresses"].ForEach(
      [&](base::JsonValue ip) { i.private_ips.emplace_back(ip.String()); });
  i.protected_from_termination = value["DisableApiTermination"].Bool().value_or(false);
  i.latest_operation = value["LatestOperation"].String();
  i.latest_operation_state = value["LatestOperationState"].String();
  i.latest_operation_error = value["LatestOperationErrorMsg"].String();
  i.latest_operation_request = value["LatestOperationRequestId"].String();
  return i;
}

std::optional<Envelope> ReadOldShape(base::JsonValue root) {
  const auto code = root["code"].Int();
  if (!code || *code == 0) return std::nullopt;
  Envelope envelope;
  const std::string_view name = root["codeDesc"].String();
  envelope.error = ApiError{name.empty() ? std::to_string(*code) : std::string(name),
                            std::string(root["message"].String())};
  return envelope;
}

}  // namespace

base::Result<Envelope> ReadEnvelope(base::JsonDocument& json, std::string_view body) {
  const auto root = json.Parse(body);
  if (!root) return root.error();
  const base::JsonValue response = (*root)["Response"];
  if (!response.IsObject()) {
    if (const auto old = ReadOldShape(*root)) return *old;
    return base::Error{.code = base::Code::kInternal, .message = "no \"Response\" in the answer"};
  }
  Envelope envelope;
  envelope.request_id = response["RequestId"].String();
  const base::JsonValue error = response["Error"];
  if (error.IsObject()) {
    envelope.error =
        ApiError{std::string(error["Code"].String()), std::string(error["Message"].String())};
  }
  envelope.total = response["TotalCount"].Int();
  response["InstanceSet"].ForEach(
      [&](base::JsonValue i) { envelope.instances.push_back(ReadInstance(i)); });
  return envelope;
}

}  // namespace cvm
