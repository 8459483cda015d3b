#include "kube/client.h"

#include "base/clock.h"
#include "base/json.h"

namespace kube {
namespace {

using base::Code;

constexpr base::Millis kDeadline{15'000};
// Of a lease that is valid for 7 s: a connection that nobody answers must not cost it.
constexpr base::Millis kLeaseDeadline{2'500};
constexpr const char* kMetadataOnly =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

Code CodeOf(int status, std::string_view reason) {
  if (reason == "AlreadyExists") return Code::kAlreadyExists;
  if (reason == "Expired" || reason == "Gone") return Code::kExpired;
  switch (status) {
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kAborted;
    case 410:
      return Code::kExpired;
    case 429:
      return Code::kResourceExhausted;
    case 400:
    case 405:
    case 406:
    case 413:
    case 415:
    case 422:
      return Code::kInvalidArgument;
    default:
      return Code::kDeadlineExceeded;  // whether a write took effect is unknown
  }
}

std::string Shorten(std::string_view text) { return base::ClipUtf8(text, 300); }

}  // namespace

std::string Path::ToString() const {
  std::string text = (group_version == "v1" ? "/api/" : "/apis/") + group_version;
  if (!ns.empty()) text += "/namespaces/" + http::PercentEncode(ns);
  text += "/" + plural;
  if (!name.empty()) text += "/" + http::PercentEncode(name);
  if (!subresource.empty()) text += "/" + subresource;
  return text;
}

base::Error ErrorOf(const http::Response& response) {
  base::JsonDocument json;
  base::Error error;
  const auto root = json.Parse(response.body);
  const bool is_status = root && (*root)["kind"].String() == "Status";
  if (is_status) {
    error.reason = (*root)["reason"].String();
    error.message = Shorten((*root)["message"].String());
  } else {
    error.message = "HTTP " + std::to_string(response.status) + " " + Shorten(response.body);
  }
  error.code = CodeOf(response.status, error.reason);
  error.retry_after = http::RetryAfter(response.headers);
  return error;
}

Client::Client(Connection connection, std::shared_ptr<http::Transport> transport,
               std::string user_agent, Observer observer)
    : connection_(std::move(connection)),
      transport_(std::move(transport)),
      user_agent_(std::move(user_agent)),
      observer_(std::move(observer)) {}

http::Request Client::Make(const std::string& method, const Path& path) const {
  http::Request request;
  request.method = method;
  request.url = connection_.server + path.ToString();
  request.deadline = path.plural == "leases" ? kLeaseDeadline : kDeadline;
  request.headers = {{"Accept", "application/json"}, {"User-Agent", user_agent_}};
  const base::Secret token = connection_.token ? connection_.token->Get() : base::Secret();
  if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token.Reveal());
  return request;
}

void Client::Send(const std::string& verb, const Path& path, http::Request request,
                  OnReply done) const {
  const base::Mono sent = base::MonoNow();
  http::Handlers handlers;
  handlers.on_done = [sent, done, observer = observer_, token = connection_.token,
                      seen = RequestSeenByMetrics{verb, path.plural, 0}](
                         base::Result<http::Response> exchange) mutable {
    if (exchange) seen.code = exchange->status;
    if (observer) observer(seen);
    if (!exchange) return done(exchange.error(), sent);
    if (exchange->status == 401 && token) token->Expire();
    if (exchange->status < 200 || exchange->status > 299) return done(ErrorOf(*exchange), sent);
    done(Reply{std::move(exchange->body), sent}, sent);
  };
  transport_->Send(std::move(request), std::move(handlers));
}

void Client::Get(const Path& path, OnReply done) const {
  Send("get", path, Make("GET", path), std::move(done));
}

void Client::GetMetadata(const Path& path, OnReply done) const {
  http::Request request = Make("GET", path);
  request.headers[0].second = kMetadataOnly;
  Send("get", path, std::move(request), std::move(done));
}

namespace {

void SetBody(http::Request& request, const char* type, std::string body) {
  request.headers.emplace_back("Content-Type", type);
  request.body = std::move(body);
  request.has_body = true;
}

}  // namespace

void Client::Create(const Path& path, std::string body, OnReply done) const {
  http::Request request = Make("POST", path);
  request.url += "?fieldManager=cvm-retirement-operator";
  SetBody(request, "application/json", std::move(body));
  Send("create", path, std::move(request), std::move(done));
}

void Client::Put(const Path& path, std::string body, OnReply done) const {
  http::Request request = Make("PUT", path);
  request.url += "?fieldManager=cvm-retirement-operator";
  SetBody(request, "application/json", std::move(body));
  Send("update", path, std::move(request), std::move(done));
}

void Client::MergePatch(const Path& path, std::string body, OnReply done) const {
  http::Request request = Make("PATCH", path);
  request.url += "?fieldManager=cvm-retirement-operator";
  SetBody(request, "application/merge-patch+json", std::move(body));
  Send("patch", path, std::move(request), std::move(done));
}

void Client::Delete(const Path& path, OnReply done) const {
  // A body, so that the library cannot repeat the request unseen.
  http::Request request = Make("DELETE", path);
  SetBody(request, "application/json", R"({"apiVersion":"v1","kind":"DeleteOptions"})");
  Send("delete", path, std::move(request), std::move(done));
}

std::shared_ptr<http::Call> Client::Stream(const StreamRequest& r, http::Handlers handlers) const {
  http::Request request = Make("GET", r.path);
  request.url += "?" + r.query;
  request.deadline = r.deadline;
  request.idle = r.idle;
  const bool watch = r.query.find("watch=1") != std::string::npos;
  auto done = std::move(handlers.on_done);
  handlers.on_done = [done, observer = observer_, token = connection_.token,
                      seen = RequestSeenByMetrics{watch ? "watch" : "list", r.path.plural, 0}](
                         base::Result<http::Response> exchange) mutable {
    if (exchange) seen.code = exchange->status;
    if (observer) observer(seen);
    if (exchange && exchange->status == 401 && token) token->Expire();
    done(std::move(exchange));
  };
  return transport_->Send(std::move(request), std::move(handlers));
}

}  // namespace kube
