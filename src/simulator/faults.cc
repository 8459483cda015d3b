#include "simulator/faults.h"

#include <algorithm>

namespace simulator {
namespace {

constexpr const char* kNames[] = {"error",    "status", "dropBefore", "dropAfter",
                                  "truncate", "delay",  "partial"};

std::optional<Fault::Kind> ParseKind(std::string_view text) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (text == kNames[i]) return Fault::Kind(i);
  }
  return std::nullopt;
}

}  // namespace

base::Result<Fault> ReadFault(base::JsonValue value) {
  const auto kind = ParseKind(value["kind"].String());
  if (!kind) {
    std::string allowed;
    for (const char* name : kNames) allowed += (allowed.empty() ? "" : ", ") + std::string(name);
    return base::Error{.code = base::Code::kInvalidArgument,
                       .message = "kind must be one of " + allowed};
  }
  Fault fault;
  fault.kind = *kind;
  const auto text = [&](const char* key, std::string& out) {
    if (!value[key].String().empty()) out = value[key].String();
  };
  text("action", fault.action);
  text("code", fault.code);
  text("message", fault.message);
  text("id", fault.id);
  text("secretId", fault.secret_id);
  fault.status = int(value["status"].Int().value_or(fault.status));
  fault.delay = base::ParseDuration(value["delay"].String()).value_or(fault.delay);
  fault.count = value["count"].Int().value_or(1);
  fault.skip = value["skip"].Int().value_or(0);
  return fault;
}

std::optional<Fault> FaultPlan::Take(const std::string& action, const std::vector<std::string>& ids,
                                     const std::string& secret_id) {
  for (Fault& fault : faults_) {
    if (fault.action != action || fault.count <= 0) continue;
    if (!fault.id.empty() && std::find(ids.begin(), ids.end(), fault.id) == ids.end()) continue;
    if (!fault.secret_id.empty() && fault.secret_id != secret_id) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    --fault.count;
    return fault;
  }
  return std::nullopt;
}

}  // namespace simulator
