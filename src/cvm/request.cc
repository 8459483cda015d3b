#include "cvm/request.h"

#include <set>

#include "base/json.h"
#include "cvm/sign.h"

namespace cvm {
namespace {

constexpr const char* kVersion = "2017-03-12";
constexpr size_t kMostIds = 100;

base::Status CheckIds(const std::vector<std::string>& ids) {
  const std::set<std::string> distinct(ids.begin(), ids.end());
  if (ids.empty() || ids.size() > kMostIds || distinct.size() != ids.size()) {
    return base::Error{.code = base::Code::kInternal,
                       .message = "S1: a call must carry 1 to 100 distinct ids"};
  }
  return base::Ok();
}

struct Call {
  std::string action;
  Params params;     // flattened, for GET
  std::string json;  // for POST
};

void AddIds(Params& params, const std::vector<std::string>& ids) {
  for (size_t i = 0; i < ids.size(); ++i) {
    params.emplace_back("InstanceIds." + std::to_string(i), ids[i]);
  }
}

std::string Encode(const Params& params) {
  std::string query;
  for (const auto& [key, value] : params) {
    query +=
        (query.empty() ? "" : "&") + http::PercentEncode(key) + "=" + http::PercentEncode(value);
  }
  return query;
}

int64_t UnixSeconds(base::Wall time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

http::Request Tc3Request(const Form& form, const Credentials& credentials, const Stamp& stamp,
                         const http::Url& url, const Call& call) {
  Tc3Input input;
  input.method = form.use_get ? "GET" : "POST";
  input.host = url.authority;
  input.query = form.use_get ? Encode(call.params) : "";
  input.content_type = form.use_get ? "application/x-www-form-urlencoded" : "application/json";
  input.body = form.use_get ? "" : call.json;
  input.time = stamp.time;
  http::Request request;
  request.method = input.method;
  request.url = form.endpoint + "/" + (form.use_get ? "?" + input.query : "");
  request.headers = {{"Content-Type", input.content_type},
                     {"Host", url.authority},
                     {"Authorization", Tc3Authorization(credentials, input)},
                     {"X-TC-Action", call.action},
                     {"X-TC-Version", kVersion},
                     {"X-TC-Timestamp", std::to_string(UnixSeconds(stamp.time))},
                     {"X-TC-Region", form.region},
                     {"X-TC-Language", "en-US"},
                     {"X-TC-RequestClient", form.client_name}};
  if (!credentials.token.empty()) {
    request.headers.emplace_back("X-TC-Token", credentials.token.Reveal());
  }
  request.body = input.body;
  request.has_body = !form.use_get;
  return request;
}

/// The order of the parameters is that of the vendor's SDK.
Params V1Params(const Form& form, const Credentials& credentials, const Stamp& stamp,
                const Call& call) {
  Params params = call.params;
  params.emplace_back("Action", call.action);
  params.emplace_back("RequestClient", form.client_name);
  params.emplace_back("Nonce", std::to_string(stamp.nonce));
  params.emplace_back("Timestamp", std::to_string(UnixSeconds(stamp.time)));
  params.emplace_back("Version", kVersion);
  params.emplace_back("SecretId", credentials.secret_id);
  params.emplace_back("Region", form.region);
  if (!credentials.token.empty()) params.emplace_back("Token", credentials.token.Reveal());
  const bool sha256 = form.signature == Signature::kHmacSha256;
  params.emplace_back("SignatureMethod", sha256 ? "HmacSHA256" : "HmacSHA1");
  return params;
}

http::Request V1Request(const Form& form, const Credentials& credentials, const Stamp& stamp,
                        const http::Url& url, const Call& call) {
  http::Request request;
  request.method = form.use_get ? "GET" : "POST";
  Params params = V1Params(form, credentials, stamp, call);
  const V1Method method =
      form.signature == Signature::kHmacSha256 ? V1Method::kHmacSha256 : V1Method::kHmacSha1;
  params.emplace_back(
      "Signature",
      V1Signature(credentials, method, V1StringToSign(request.method, url.authority, params)));
  request.headers = {{"Host", url.authority}};
  if (form.use_get) {
    request.url = form.endpoint + "/?" + Encode(params);
    return request;
  }
  request.url = form.endpoint + "/";
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.body = Encode(params);
  request.has_body = true;
  return request;
}

base::Result<http::Request> Write(const Form& form, const Credentials& credentials,
                                  const Stamp& stamp, const Call& call) {
  const auto url = http::ParseUrl(form.endpoint);
  if (!url) return url.error();
  return form.signature == Signature::kTc3 ? Tc3Request(form, credentials, stamp, *url, call)
                                           : V1Request(form, credentials, stamp, *url, call);
}

void WriteIds(base::JsonWriter& json, const std::vector<std::string>& ids) {
  json.Key("InstanceIds");
  json.BeginArray();
  for (const std::string& id : ids) json.String(id);
  json.EndArray();
}

}  // namespace

std::optional<Signature> ParseSignature(std::string_view name) {
  if (name == "TC3-HMAC-SHA256") return Signature::kTc3;
  if (name == "HmacSHA256") return Signature::kHmacSha256;
  if (name == "HmacSHA1") return Signature::kHmacSha1;
  return std::nullopt;
}

base::Result<http::Request> TerminateRequest(const Form& form, const Credentials& credentials,
                                             const Stamp& stamp, const TerminateInput& input) {
  if (const auto valid = CheckIds(input.ids); !valid) return valid.error();
  Call call{"TerminateInstances", {}, {}};
  base::JsonWriter json;
  json.BeginObject();
  WriteIds(json, input.ids);
  AddIds(call.params, input.ids);
  const auto add_flag = [&](const char* name, bool value) {
    if (!value) return;
    json.Field(name, true);
    call.params.emplace_back(name, "true");
  };
  add_flag("ReleaseAddress", input.release_address);
  add_flag("ReleasePrepaidDataDisks", input.release_disks);
  add_flag("DryRun", input.dry_run);
  json.EndObject();
  call.json = std::move(json).Take();
  auto request = Write(form, credentials, stamp, call);
  // A kept connection may be closed by the service while the call is on its way, which would leave
  // it unclear; and a request without a body is silently repeated on a reused one.
  if (request) request->fresh_connection = true;
  return request;
}

base::Result<http::Request> DescribeRequest(const Form& form, const Credentials& credentials,
                                            const Stamp& stamp,
                                            const std::vector<std::string>& ids) {
  if (const auto valid = CheckIds(ids); !valid) return valid.error();
  Call call{"DescribeInstances", {}, {}};
  base::JsonWriter json;
  json.BeginObject();
  WriteIds(json, ids);
  json.Field("Offset", 0);
  json.Field("Limit", int(kMostIds));
  json.EndObject();
  AddIds(call.params, ids);
  call.params.emplace_back("Offset", "0");
  call.params.emplace_back("Limit", "100");
  call.json = std::move(json).Take();
  return Write(form, credentials, stamp, call);
}

}  // namespace cvm
