#include "simulator/service.h"

#include <fmt/format.h>

#include <cstdlib>

namespace simulator {
namespace {

constexpr const char* kVersion = "2017-03-12";

http::ServerResponse Json(std::string body, base::Now now) {
  return {200,
          {{"Content-Type", "application/json"},
           {"Server", "nginx"},
           {"Date", base::FormatHttpDate(now.wall)}},
          std::move(body)};
}

http::ServerResponse ErrorEnvelope(const std::string& code, const std::string& message,
                                   const std::string& request_id, base::Now now) {
  base::JsonWriter json;
  json.BeginObject();
  json.Key("Response");
  json.BeginObject();
  json.Key("Error");
  json.BeginObject();
  json.Field("Code", code);
  json.Field("Message", message);
  json.EndObject();
  json.Field("RequestId", request_id);
  json.EndObject();
  json.EndObject();
  return Json(std::move(json).Take(), now);
}

void WriteNullable(base::JsonWriter& json, const char* key, const std::string& value) {
  json.NullableField(key, value);
}

void WriteInstance(base::JsonWriter& json, const Instance& i) {
  json.BeginObject();
  json.Key("Placement");
  json.BeginObject();
  json.Field("Zone", i.zone);
  json.Key("HostId");
  json.Null();
  json.Field("ProjectId", 0);
  json.EndObject();
  json.Field("InstanceId", i.id);
  json.Field("InstanceName", i.name);
  json.Field("InstanceState", i.state);
  json.Field("InstanceChargeType", i.charge);
  json.Field("InstanceType", "S5.MEDIUM4");
  json.Field("RestrictState", "NORMAL");
  json.Key("PrivateIpAddresses");
  json.BeginArray();
  json.String(i.private_ip);
  json.EndArray();
  json.Key("PublicIpAddresses");
  json.Null();
  json.Field("CreatedTime", i.created);
  json.Key("ExpiredTime");
  json.Null();
  json.Key("Tags");
  json.BeginArray();
  for (const auto& [key, value] : i.tags) {
    json.BeginObject();
    json.Field("Key", key);
    json.Field("Value", value);
    json.EndObject();
  }
  json.EndArray();
  WriteNullable(json, "LatestOperation", i.operation);
  WriteNullable(json, "LatestOperationState", i.operation_state);
  WriteNullable(json, "LatestOperationRequestId", i.operation_request);
  WriteNullable(json, "LatestOperationErrorMsg", i.operation_error);
  json.Field("IsolatedSource", i.isolated);
  json.Field("DisableApiTermination", i.protected_from_termination);
  json.Field("PlatformProjectId", "");  // real answers hold members that no definition names
  json.EndObject();
}

size_t Number(const ApiCall& call, const char* field, size_t fallback) {
  const auto found = call.fields.find(field);
  return found == call.fields.end() ? fallback : size_t(std::atoll(found->second.c_str()));
}

std::vector<std::string> IdsOf(const ApiCall& call) {
  const auto found = call.lists.find("InstanceIds");
  return found == call.lists.end() ? std::vector<std::string>() : found->second;
}

}  // namespace

Service::Service(Seed seed, uint64_t random_seed)
    : seed_(std::move(seed)), random_(random_seed), cloud_(*static_cast<Nature*>(this)) {
  for (const Instance& i : seed_.instances) cloud_.Add(i, base::Mono{});
}

base::Millis Service::EffectDelay() {
  const auto span = uint64_t((seed_.terminate_longest - seed_.terminate_shortest).count() + 1);
  return seed_.terminate_shortest + base::Millis{int64_t(random_.Below(span))};
}

std::string Service::NewRequestId() {
  const uint64_t a = random_.Next();
  const uint64_t b = random_.Next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                     0x8000 | (b >> 50), b & 0xffffffffffff);
}

http::ServerResponse Service::Handle(const http::ServerRequest& request, base::Now now) {
  const std::lock_guard lock(mutex_);
  if (request.target.starts_with("/admin/")) return Admin(request, now);
  return Api(request, now);
}

http::ServerResponse Service::Api(const http::ServerRequest& request, base::Now now) {
  LogEntry entry;
  entry.time = now.wall;
  entry.method = request.method;
  entry.target = request.target;
  entry.request_id = NewRequestId();
  const auto call = ReadCall(request, seed_.identities, now.wall);
  http::ServerResponse answer;
  if (!call) {
    entry.action = http::Find(request.headers, "X-TC-Action");
    entry.code = call.error().reason;
    answer = ErrorEnvelope(entry.code, call.error().message, entry.request_id, now);
  } else {
    answer = Answer(*call, entry, now);
  }
  entry.answered = !answer.drop && !answer.truncate;
  log_.push_back(std::move(entry));
  return answer;
}

http::ServerResponse Service::Answer(const ApiCall& call, LogEntry& entry, base::Now now) {
  entry.action = call.action;
  entry.region = call.region;
  entry.client = call.client;
  entry.secret_id = call.secret_id;
  entry.ids = IdsOf(call);
  std::string message;
  if (IsThrottled(call, now, message)) {
    entry.code = "RequestLimitExceeded";
    return ErrorEnvelope(entry.code, message, entry.request_id, now);
  }
  if (const auto fault = faults_.Take(call.action, entry.ids, call.secret_id)) {
    return WithFault(*fault, call, entry, now);
  }
  return Dispatch(call, entry, now);
}

http::ServerResponse Service::Dispatch(const ApiCall& call, LogEntry& entry, base::Now now) {
  if (call.version != kVersion) {
    entry.code = "NoSuchVersion";
    return ErrorEnvelope(entry.code, "The version is not known.", entry.request_id, now);
  }
  if (call.region.empty()) {
    entry.code = "MissingParameter";
    return ErrorEnvelope(entry.code, "Region is missing.", entry.request_id, now);
  }
  if (call.action == "TerminateInstances") return Terminate(call, entry, now);
  if (call.action == "DescribeInstances") return Describe(call, entry, now);
  entry.code = "InvalidAction";
  return ErrorEnvelope(entry.code, "The action is not known.", entry.request_id, now);
}

bool Service::IsThrottled(const ApiCall& call, base::Now now, std::string& message) {
  const auto limit = seed_.limits.find(call.action);
  if (limit == seed_.limits.end()) return false;
  const int64_t second = now.wall.time_since_epoch().count() / 1000;
  Window& window = windows_[call.action + "\n" + call.secret_id];
  if (window.second != second) window = {second, 0};
  if (++window.calls <= limit->second) return false;
  message = fmt::format(
      "Your current request times equals to `{}` in a second, which exceeds the frequency limit "
      "`{}` for a second. Please reduce the frequency of calls.",
      window.calls, limit->second);
  return true;
}

http::ServerResponse Service::WithFault(const Fault& fault, const ApiCall& call, LogEntry& entry,
                                        base::Now now) {
  using Kind = Fault::Kind;
  http::ServerResponse answer;
  switch (fault.kind) {
    case Kind::kError:
      entry.code = fault.code;
      return ErrorEnvelope(fault.code, fault.message, entry.request_id, now);
    case Kind::kStatus:
      entry.code = "HTTP " + std::to_string(fault.status);
      return {fault.status, {{"Content-Type", "text/html"}}, "<html>gateway</html>\n"};
    case Kind::kDropBefore:
      entry.code = "dropped before execution";
      answer.drop = true;
      return answer;
    case Kind::kDropAfter:
      answer = Dispatch(call, entry, now);
      answer.drop = true;
      return answer;
    case Kind::kTruncate:
      answer = Dispatch(call, entry, now);
      answer.truncate = true;
      return answer;
    case Kind::kDelay:
      answer = Dispatch(call, entry, now);
      answer.delay = fault.delay;
      return answer;
    case Kind::kPartial: {
      ApiCall half = call;
      auto& ids = half.lists["InstanceIds"];
      ids.resize((ids.size() + 1) / 2);
      Dispatch(half, entry, now);
      entry.code = fault.code;
      return ErrorEnvelope(fault.code, fault.message, entry.request_id, now);
    }
  }
  __builtin_unreachable();
}

Reply Service::DryRun(const TerminateRequest& request, base::Now now) {
  if (seed_.dry_run == "unknown") {
    return {"UnknownParameter", "The parameter `DryRun` is not recognized."};
  }
  const Reply reply = cloud_.Check(request, now.mono);
  return reply.ok() ? Reply{"DryRunOperation", "The request would have succeeded."} : reply;
}

http::ServerResponse Service::Terminate(const ApiCall& call, LogEntry& entry, base::Now now) {
  const TerminateRequest request{call.region, IdsOf(call), entry.request_id};
  const auto field = call.fields.find("DryRun");
  entry.dry_run = field != call.fields.end() && field->second == "true";
  if (entry.dry_run && seed_.dry_run != "ignored") {
    const Reply reply = DryRun(request, now);
    entry.code = reply.code;
    return ErrorEnvelope(reply.code, reply.message, entry.request_id, now);
  }
  const Reply reply = cloud_.Terminate(request, now.mono);
  entry.code = reply.code;
  entry.executed = reply.ok();
  if (!reply.ok()) return ErrorEnvelope(reply.code, reply.message, entry.request_id, now);
  return Json("{\"Response\":{\"RequestId\":" + base::JsonString(entry.request_id) + "}}", now);
}

http::ServerResponse Service::Describe(const ApiCall& call, LogEntry& entry, base::Now now) {
  const DescribeReply found = cloud_.Describe(
      {call.region, IdsOf(call), Number(call, "Offset", 0), Number(call, "Limit", 20)}, now.mono);
  entry.code = found.reply.code;
  entry.executed = found.reply.ok();
  if (!found.reply.ok()) {
    return ErrorEnvelope(found.reply.code, found.reply.message, entry.request_id, now);
  }
  base::JsonWriter json;
  json.BeginObject();
  json.Key("Response");
  json.BeginObject();
  json.Field("TotalCount", int64_t(found.total));
  json.Key("InstanceSet");
  json.BeginArray();
  for (const Instance& i : found.instances) WriteInstance(json, i);
  json.EndArray();
  json.Field("RequestId", entry.request_id);
  json.EndObject();
  json.EndObject();
  return Json(std::move(json).Take(), now);
}

// --- admin ---

namespace {

http::ServerResponse Refused(const std::string& why) {
  return {400, {{"Content-Type", "text/plain"}}, why + "\n"};
}

}  // namespace

http::ServerResponse Service::Admin(const http::ServerRequest& request, base::Now now) {
  const std::string& target = request.target;
  const bool get = request.method == "GET";
  if (get && target == "/admin/calls") return Json(CallsJson(), now);
  if (get && target == "/admin/instances") return Json(InstancesJson(now), now);
  if (request.method == "POST" && target == "/admin/faults") return AddFault(request.body);
  if (request.method == "DELETE" && target == "/admin/faults") {
    faults_.Clear();
    return Json("{}", now);
  }
  if (request.method == "POST" && target == "/admin/instances") {
    return ChangeInstance(request.body, now);
  }
  return {404,
          {},
          "known are GET /admin/calls, GET and POST /admin/instances, POST and DELETE "
          "/admin/faults\n"};
}

http::ServerResponse Service::AddFault(const std::string& body) {
  base::JsonDocument json;
  const auto root = json.Parse(body);
  if (!root) return Refused(root.error().message);
  auto fault = ReadFault(*root);
  if (!fault) return Refused(fault.error().message);
  faults_.Add(*std::move(fault));
  return {200, {{"Content-Type", "application/json"}}, "{}"};
}

/// {"id": ..., "state": ..., "protected": ..., ...}: changes or adds an instance.
http::ServerResponse Service::ChangeInstance(const std::string& body, base::Now now) {
  base::JsonDocument json;
  const auto root = json.Parse(body);
  if (!root) return Refused(root.error().message);
  const std::string id((*root)["id"].String());
  if (id.empty()) return Refused("id is required");
  const Instance* known = cloud_.Find(id, now.mono);
  Instance i = known ? *known : Instance{};
  i.id = id;
  const auto text = [&](const char* key, std::string& out) {
    if ((*root)[key].IsString()) out = (*root)[key].String();
  };
  text("region", i.region);
  text("chargeType", i.charge);
  text("state", i.state);
  text("name", i.name);
  text("operationState", i.operation_state);
  if (const auto flag = (*root)["protected"].Bool()) i.protected_from_termination = *flag;
  if (const auto flag = (*root)["refuseForGood"].Bool()) i.refuse_for_good = *flag;
  if (const auto flag = (*root)["gone"].Bool()) i.gone = *flag;
  cloud_.Change(i, now.mono);
  return {200, {{"Content-Type", "application/json"}}, "{}"};
}

std::string Service::CallsJson() const {
  base::JsonWriter json;
  json.BeginArray();
  for (const LogEntry& e : log_) {
    json.BeginObject();
    json.Field("time", base::FormatMicroTime(e.time));
    json.Field("action", e.action);
    json.Field("region", e.region);
    json.Field("client", e.client);
    json.Field("secretId", e.secret_id);
    json.Field("method", e.method);
    json.Field("target", e.target);
    json.Field("requestId", e.request_id);
    json.Field("code", e.code);
    json.Field("dryRun", e.dry_run);
    json.Field("executed", e.executed);
    json.Field("answered", e.answered);
    json.Key("ids");
    json.BeginArray();
    for (const std::string& id : e.ids) json.String(id);
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
  return std::move(json).Take();
}

std::string Service::InstancesJson(base::Now now) {
  base::JsonWriter json;
  json.BeginArray();
  for (const Instance& seeded : seed_.instances) {
    const Instance* i = cloud_.Find(seeded.id, now.mono);
    json.BeginObject();
    json.Field("id", i->id);
    json.Field("region", i->region);
    json.Field("chargeType", i->charge);
    json.Field("state", i->state);
    json.Field("gone", i->gone);
    json.EndObject();
  }
  json.EndArray();
  return std::move(json).Take();
}

}  // namespace simulator
