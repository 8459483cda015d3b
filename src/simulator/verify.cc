#include "simulator/verify.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/json.h"
#include "cvm/sign.h"

namespace simulator {
namespace {

constexpr base::Millis kSignatureAge = std::chrono::minutes{5};

base::Error ApiError(const char* code, const std::string& message) {
  return {.code = base::Code::kInvalidArgument, .message = message, .reason = code};
}

const cvm::Credentials* FindIdentity(const std::vector<cvm::Credentials>& identities,
                                     const std::string& secret_id) {
  for (const cvm::Credentials& c : identities) {
    if (c.secret_id == secret_id) return &c;
  }
  return nullptr;
}

std::string WithoutPort(const std::string& host) { return host.substr(0, host.rfind(':')); }

base::Status CheckTime(const std::string& timestamp, base::Wall now) {
  const base::Wall signed_at{std::chrono::seconds{std::atoll(timestamp.c_str())}};
  const base::Millis age = now - signed_at;
  if (age <= kSignatureAge && age >= -kSignatureAge) return base::Ok();
  return ApiError("AuthFailure.SignatureExpire",
                  "The signature has expired: the time differs by more than 5 minutes.");
}

/// "name=value, ..." of an Authorization header.
std::string Part(const std::string& header, const std::string& name) {
  const size_t at = header.find(name + "=");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 1;
  return header.substr(begin, header.find(',', begin) - begin);
}

std::string HeaderText(const http::ServerRequest& request, const char* name) {
  return std::string(http::Find(request.headers, name));
}

base::Status CheckTc3(const http::ServerRequest& request, const std::string& query,
                      const std::vector<cvm::Credentials>& identities, ApiCall& call,
                      base::Wall now) {
  const std::string authorization = HeaderText(request, "Authorization");
  const std::string credential = Part(authorization, "Credential");
  call.secret_id = credential.substr(0, credential.find('/'));
  const cvm::Credentials* identity = FindIdentity(identities, call.secret_id);
  if (identity == nullptr) {
    return ApiError("AuthFailure.SecretIdNotFound", "The SecretId is not found.");
  }
  if (HeaderText(request, "X-TC-Token") != identity->token.Reveal()) {
    return ApiError("AuthFailure.TokenFailure", "The token is wrong.");
  }
  const std::string timestamp = HeaderText(request, "X-TC-Timestamp");
  if (const auto time = CheckTime(timestamp, now); !time) return time;
  cvm::Tc3Input input;
  input.method = request.method;
  input.query = query;
  input.content_type = HeaderText(request, "Content-Type");
  input.body = request.method == "GET" ? "" : request.body;
  input.time = base::Wall{std::chrono::seconds{std::atoll(timestamp.c_str())}};
  // SDKs disagree whether a port belongs to the signed host, and sign the first label of the
  // endpoint as the service.
  const size_t service_at = credential.find('/', credential.find('/') + 1);
  input.service = credential.substr(service_at + 1, credential.rfind('/') - service_at - 1);
  const std::string host = HeaderText(request, "Host");
  for (const std::string& candidate : {host, WithoutPort(host)}) {
    input.host = candidate;
    if (cvm::Tc3Authorization(*identity, input) == authorization) return base::Ok();
  }
  return ApiError("AuthFailure.SignatureFailure",
                  "The provided credentials could not be validated.");
}

base::Status CheckV1(const http::ServerRequest& request, const http::Headers& params,
                     const std::vector<cvm::Credentials>& identities, ApiCall& call,
                     base::Wall now) {
  cvm::Params signed_params;
  std::string signature;
  for (const auto& [key, value] : params) {
    if (key == "Signature") signature = value;
    if (key != "Signature") signed_params.emplace_back(key, value);
  }
  call.secret_id = http::Find(params, "SecretId");
  const cvm::Credentials* identity = FindIdentity(identities, call.secret_id);
  if (identity == nullptr) {
    return ApiError("AuthFailure.SecretIdNotFound", "The SecretId is not found.");
  }
  if (http::Find(params, "Token") != identity->token.Reveal()) {
    return ApiError("AuthFailure.TokenFailure", "The token is wrong.");
  }
  if (const auto time = CheckTime(std::string(http::Find(params, "Timestamp")), now); !time) {
    return time;
  }
  const auto method = http::Find(params, "SignatureMethod") == "HmacSHA256"
                          ? cvm::V1Method::kHmacSha256
                          : cvm::V1Method::kHmacSha1;
  const std::string host = HeaderText(request, "Host");
  for (const std::string& candidate : {host, WithoutPort(host)}) {
    const std::string text = cvm::V1StringToSign(request.method, candidate, signed_params);
    if (cvm::V1Signature(*identity, method, text) == signature) return base::Ok();
  }
  return ApiError("AuthFailure.SignatureFailure",
                  "The provided credentials could not be validated.");
}

/// "InstanceIds.0" goes into a list at its index; everything else is a field.
void AddParam(ApiCall& call, const std::string& key, const std::string& value) {
  const size_t dot = key.rfind('.');
  size_t index = 0;
  const char* const last = key.data() + key.size();
  const bool indexed = dot != std::string::npos &&
                       std::from_chars(key.data() + dot + 1, last, index).ptr == last &&
                       index < 1000;
  if (!indexed) {
    call.fields[key] = value;
    return;
  }
  auto& list = call.lists[key.substr(0, dot)];
  if (list.size() <= index) list.resize(index + 1);
  list[index] = value;
}

void TakeCommonParams(ApiCall& call) {
  call.action = call.fields["Action"];
  call.version = call.fields["Version"];
  call.region = call.fields["Region"];
  call.client = call.fields["RequestClient"];
}

void TakeCommonHeaders(const http::ServerRequest& request, ApiCall& call) {
  call.action = HeaderText(request, "X-TC-Action");
  call.version = HeaderText(request, "X-TC-Version");
  call.region = HeaderText(request, "X-TC-Region");
  call.client = HeaderText(request, "X-TC-RequestClient");
}

base::Status TakeJson(const std::string& body, ApiCall& call) {
  base::JsonDocument json;
  const auto root = json.Parse(body);
  if (!root || !root->IsObject()) {
    return ApiError("InvalidParameter", "The body is not a JSON object.");
  }
  root->ForEachField([&](std::string_view key, base::JsonValue value) {
    const std::string name(key);
    if (value.IsArray()) {
      value.ForEach([&](base::JsonValue item) { call.lists[name].emplace_back(item.String()); });
    } else {
      call.fields[name] = value.IsString() ? std::string(value.String()) : value.ToJson();
    }
  });
  return base::Ok();
}

}  // namespace

base::Result<ApiCall> ReadCall(const http::ServerRequest& request,
                               const std::vector<cvm::Credentials>& identities, base::Wall now) {
  ApiCall call;
  const size_t mark = std::min(request.target.find('?'), request.target.size());
  const std::string query =
      mark < request.target.size() ? request.target.substr(mark + 1) : std::string();
  const bool tc3 = HeaderText(request, "Authorization").starts_with("TC3-HMAC-SHA256");
  const bool form = request.method == "GET" ||
                    HeaderText(request, "Content-Type") == "application/x-www-form-urlencoded";
  if (form) {
    const auto params = http::ParseQuery(request.method == "GET" ? query : request.body);
    if (!params) return ApiError("InvalidParameter", params.error().message);
    for (const auto& [key, value] : *params) AddParam(call, key, value);
    tc3 ? TakeCommonHeaders(request, call) : TakeCommonParams(call);
    const auto valid = tc3 ? CheckTc3(request, query, identities, call, now)
                           : CheckV1(request, *params, identities, call, now);
    if (!valid) return valid.error();
    return call;
  }
  if (!tc3) {
    return ApiError("AuthFailure.InvalidAuthorization", "The Authorization header is malformed.");
  }
  TakeCommonHeaders(request, call);
  if (const auto valid = CheckTc3(request, query, identities, call, now); !valid) {
    return valid.error();
  }
  if (const auto read = TakeJson(request.body, call); !read) return read.error();
  return call;
}

}  // namespace simulator
