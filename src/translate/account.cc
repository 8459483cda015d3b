#include "translate/account.h"

#include <algorithm>
#include <set>

#include "http/message.h"
#include "translate/common.h"

namespace translate {
namespace {

using retirement::AccountObject;
using retirement::AccountSpec;
using retirement::AccountStatus;

constexpr size_t kMostRegions = 64;
constexpr int kMostPerSecond = 1000;
// CVM API, TerminateInstances and DescribeInstances, "Frequency limit".
constexpr int kDocumentedTerminations = 10;
constexpr int kDocumentedLooks = 40;
const ForeignWords kForeign = {{"suspend", "write paused: true"},
                               {"dryRun", "write mode: DryRun"},
                               {"disabled", "write paused: true"}};

void ReadRegions(base::JsonValue list, AccountSpec& spec, std::vector<std::string>& errors) {
  list.ForEach([&](base::JsonValue r) { spec.regions.emplace_back(r.String()); });
  if (spec.regions.empty() || spec.regions.size() > kMostRegions) {
    errors.push_back("spec.regions must list 1 to 64 regions");
  }
  for (const std::string& region : spec.regions) {
    if (!IsRegion(region)) errors.push_back("spec.regions: \"" + region + "\" " + kRegionForm);
  }
}

void ReadCredentials(base::JsonValue c, AccountSpec& spec, std::vector<std::string>& errors) {
  const base::JsonValue secret = c["secretRef"];
  const bool environment = c["environment"].exists();
  if (secret.exists() == environment) {
    errors.push_back("spec.credentials must have exactly one of secretRef and environment");
    return;
  }
  if (environment) return;
  spec.secret_name = secret["name"].String();
  if (spec.secret_name.empty()) errors.push_back("spec.credentials.secretRef.name is required");
  const auto key = [&](const char* name, std::string& out) {
    if (!secret[name].String().empty()) out = secret[name].String();
  };
  key("secretIdKey", spec.secret_id_key);
  key("secretKeyKey", spec.secret_key_key);
  key("tokenKey", spec.token_key);
}

int ReadRate(base::JsonValue value, const char* field, int fallback,
             std::vector<std::string>& errors) {
  if (!value.exists()) return fallback;
  const auto rate = value.Int();
  if (!rate || *rate < 1 || *rate > kMostPerSecond) {
    errors.push_back(std::string(field) + " must be 1 to 1000");
    return fallback;
  }
  return int(*rate);
}

void ReadRates(base::JsonValue rates, AccountSpec& spec, std::vector<std::string>& errors) {
  spec.terminate_per_second =
      ReadRate(rates["terminatePerSecond"], "spec.rates.terminatePerSecond", 8, errors);
  spec.describe_per_second =
      ReadRate(rates["describePerSecond"], "spec.rates.describePerSecond", 20, errors);
  const bool above = spec.terminate_per_second > kDocumentedTerminations ||
                     spec.describe_per_second > kDocumentedLooks;
  if (above &&
      !ReadBool(rates["allowAboveDocumented"], "spec.rates.allowAboveDocumented", false, errors)) {
    errors.push_back(
        "spec.rates: terminatePerSecond above 10 and describePerSecond above 40 are more than the "
        "API documents; if your quota is higher, write allowAboveDocumented: true");
  }
}

void ReadApi(base::JsonValue api, AccountSpec& spec, std::vector<std::string>& errors) {
  spec.use_get = ReadEnum(api["method"], "spec.api.method", {"POST", "GET"}, errors) == 1;
  const std::vector<std::string> signatures = {"TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"};
  spec.signature = signatures[ReadEnum(api["signature"], "spec.api.signature", signatures, errors)];
  spec.server_side_dry_run =
      ReadBool(api["serverSideDryRun"], "spec.api.serverSideDryRun", false, errors);
  spec.call_validity =
      ReadDuration(api["callValidity"], "spec.api.callValidity", std::chrono::seconds{60}, errors);
  if (spec.call_validity < std::chrono::seconds{15} ||
      spec.call_validity > std::chrono::seconds{300}) {
    errors.push_back("spec.api.callValidity must be 15s to 300s");
  }
}

void ReadNamespaces(base::JsonValue n, AccountSpec& spec, std::vector<std::string>& errors) {
  spec.all_namespaces = n["all"].Bool().value_or(false);
  n["names"].ForEach([&](base::JsonValue ns) { spec.namespaces.emplace_back(ns.String()); });
  if (spec.all_namespaces && !spec.namespaces.empty()) {
    errors.push_back("spec.allowedNamespaces must have all or names, not both");
  }
}

AccountSpec ReadSpec(base::JsonValue s, std::vector<std::string>& errors) {
  AccountSpec spec;
  const bool execute = ReadEnum(s["mode"], "spec.mode", {"DryRun", "Execute"}, errors) == 1;
  spec.mode = execute ? retirement::Mode::kExecute : retirement::Mode::kDryRun;
  spec.paused = ReadBool(s["paused"], "spec.paused", false, errors);
  ReadRegions(s["regions"], spec, errors);
  ReadCredentials(s["credentials"], spec, errors);
  if (!s["endpoint"].String().empty()) spec.endpoint = s["endpoint"].String();
  while (spec.endpoint.ends_with("/")) spec.endpoint.pop_back();
  ReadApi(s["api"], spec, errors);
  // The API takes JSON with TC3 only, and v1 signatures in a query or a form only.
  ReadRates(s["rates"], spec, errors);
  ReadNamespaces(s["allowedNamespaces"], spec, errors);
  RefuseForeign(s, kForeign, errors);
  return spec;
}

AccountStatus ReadStatus(base::JsonValue s) {
  AccountStatus status;
  status.observed_generation = s["observedGeneration"].Int().value_or(-1);
  status.installation = s["operator"].String();
  status.waiting_requests = s["waiting"]["requests"].Int().value_or(0);
  status.waiting_instances = s["waiting"]["instances"].Int().value_or(0);
  status.conditions = ReadConditions(s["conditions"]);
  return status;
}

bool HostMatches(const std::string& pattern, const std::string& host) {
  if (!pattern.starts_with("*.")) return host == pattern;
  return host.size() > pattern.size() - 1 && host.ends_with(pattern.substr(1));
}

}  // namespace

base::Result<AccountObject> ReadAccount(base::JsonValue object) {
  const base::JsonValue metadata = object["metadata"];
  AccountObject account;
  account.name = metadata["name"].String();
  account.uid = metadata["uid"].String();
  account.version = metadata["resourceVersion"].String();
  account.generation = metadata["generation"].Int().value_or(0);
  if (account.name.empty()) {
    return base::Error{.code = base::Code::kInternal, .message = "a CloudAccount without a name"};
  }
  if (!IsDnsLabel(account.name, 40)) {
    account.errors.push_back("metadata.name must be a DNS label of at most 40 characters");
  }
  account.spec = ReadSpec(object["spec"], account.errors);
  account.status = ReadStatus(object["status"]);
  return account;
}

std::string CheckEndpoint(const std::string& endpoint, const EndpointPolicy& policy) {
  const auto url = http::ParseUrl(endpoint);
  if (!url) return "spec.endpoint: " + url.error().message;
  if (!url->path.empty()) return "spec.endpoint must not have a path";
  const bool loopback = http::IsLoopback(url->host);
  if (url->scheme == "http" && !loopback && !policy.allow_plain_http) {
    return "spec.endpoint: plain http is accepted for loopback addresses only; use https, or start "
           "the operator with --allow-plain-http";
  }
  const bool allowed = std::any_of(policy.hosts.begin(), policy.hosts.end(),
                                   [&](const auto& p) { return HostMatches(p, url->host); });
  if (loopback || allowed) return "";
  std::string list;
  for (const std::string& host : policy.hosts) list += (list.empty() ? "" : ", ") + host;
  return "spec.endpoint: host \"" + url->host + "\" is not allowed by --allowed-endpoints (" +
         list + ")";
}

std::string WriteAccountStatus(const std::string& version, const AccountStatus& status) {
  base::JsonWriter json;
  BeginStatusPatch(json, version);
  json.Field("observedGeneration", status.observed_generation);
  json.NullableField("operator", status.installation);
  json.Key("waiting");
  json.BeginObject();
  json.Field("requests", status.waiting_requests);
  json.Field("instances", status.waiting_instances);
  json.EndObject();
  WriteConditions(json, status.conditions);
  json.EndObject();
  json.EndObject();
  return std::move(json).Take();
}

}  // namespace translate
