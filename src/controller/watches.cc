#include "controller/watches.h"

#include "base/log.h"
#include "base/random.h"
#include "translate/batch.h"
#include "translate/request.h"

namespace controller {
namespace {

using namespace retirement;
constexpr const char* kGroup = "cvm-retirement.dev/v1alpha1";

const char* PluralOf(Kind kind) {
  switch (kind) {
    case Kind::kAccount:
      return "cloudaccounts";
    case Kind::kBatch:
      return "retirementbatches";
    case Kind::kRequest:
      return "instanceretirements";
  }
  __builtin_unreachable();
}

template <typename Object>
void LogUnreadable(const base::Result<Object>& object) {
  base::LogError("Object cannot be read and is left alone", {{"error", object.error().message}});
}

std::optional<Event> ReadAccountEvent(base::JsonValue object, bool deleted,
                                      const translate::EndpointPolicy& endpoints) {
  auto account = translate::ReadAccount(object);
  if (!account) {
    LogUnreadable(account);
    return std::nullopt;
  }
  if (deleted) return AccountGone{account->name};
  const std::string wrong = translate::CheckEndpoint(account->spec.endpoint, endpoints);
  if (!wrong.empty()) account->errors.push_back(wrong);
  return AccountSeen{*std::move(account)};
}

std::optional<Event> ReadBatchEvent(base::JsonValue object, bool deleted) {
  auto batch = translate::ReadBatch(object);
  if (!batch) {
    LogUnreadable(batch);
    return std::nullopt;
  }
  if (deleted) return BatchGone{batch->lane, batch->sequence};
  return BatchSeen{*std::move(batch)};
}

std::optional<Event> ReadRequestEvent(base::JsonValue object, bool deleted) {
  auto request = translate::ReadRequest(object);
  if (!request) {
    LogUnreadable(request);
    return std::nullopt;
  }
  if (deleted) return RequestGone{request->key};
  return RequestSeen{*std::move(request)};
}

std::optional<Event> ReadEvent(Kind kind, base::JsonValue object, bool deleted,
                               const translate::EndpointPolicy& endpoints) {
  switch (kind) {
    case Kind::kAccount:
      return ReadAccountEvent(object, deleted, endpoints);
    case Kind::kBatch:
      return ReadBatchEvent(object, deleted);
    case Kind::kRequest:
      return ReadRequestEvent(object, deleted);
  }
  __builtin_unreachable();
}

/// What a person can do about a watch that cannot start.
const char* AdviceFor(base::Code code) {
  switch (code) {
    case base::Code::kNotFound:
      return "the CRDs are not installed: install the chart, or kubectl apply -f crds/";
    case base::Code::kPermissionDenied:
      return "the operator's service account lacks rights: see the chart's ClusterRole";
    case base::Code::kUnauthenticated:
      return "the cluster does not accept our credentials";
    case base::Code::kUnavailable:
      return "the kube-apiserver cannot be reached";
    default:
      return "trying again";
  }
}

}  // namespace

Watches::Watches(std::shared_ptr<const kube::Client> client, Inbox& inbox, Metrics& metrics,
                 translate::EndpointPolicy endpoints, std::vector<std::string> namespaces)
    : client_(std::move(client)),
      inbox_(inbox),
      metrics_(metrics),
      endpoints_(std::move(endpoints)) {
  Add({Kind::kBatch, ""});
  Add({Kind::kAccount, ""});
  if (namespaces.empty()) namespaces = {""};
  for (const std::string& ns : namespaces) Add({Kind::kRequest, ns});
}

void Watches::Add(Stream stream) {
  const std::string plural = PluralOf(stream.kind);
  metrics_.SetSynced(plural, false);
  const size_t index = watches_.size();
  auto last_error = std::make_shared<std::string>();
  kube::ReflectorHandlers handlers;
  handlers.on_reset_begin = [this, stream] { inbox_.Push(ResetBegin{stream}); };
  handlers.on_object = [this, stream](base::JsonValue object, bool deleted) {
    if (auto event = ReadEvent(stream.kind, object, deleted, endpoints_)) {
      inbox_.Push(*std::move(event));
    }
  };
  handlers.on_reset_end = [this, stream, plural, last_error](const std::string& version,
                                                             base::Mono sent) {
    last_error->clear();
    metrics_.SetSynced(plural, true);
    inbox_.Push(ResetEnd{stream, version, sent});
  };
  handlers.on_bookmark = [this, stream](const std::string& version) {
    inbox_.Push(Bookmark{stream, version});
  };
  handlers.on_restart = [this, plural, last_error](const char* reason, const base::Error* error) {
    metrics_.OnWatchRestart(plural, reason);
    if (error == nullptr || error->message == *last_error) return;
    *last_error = error->message;
    if (error->code == base::Code::kCancelled || error->code == base::Code::kExpired) return;
    base::LogWarning(
        "Watch ended; trying again",
        {{"kind", plural}, {"error", error->message}, {"advice", AdviceFor(error->code)}});
  };
  handlers.pressure = [this, index] {
    return inbox_.Pressure([this, index] { watches_[index].reflector->Resume(); });
  };
  watches_.push_back({stream, std::make_shared<kube::Reflector>(
                                  client_, kube::Path{kGroup, stream.ns, plural, "", ""},
                                  std::move(handlers), base::RandomSeed())});
}

void Watches::Start() {
  for (const Watch& watch : watches_) watch.reflector->Start();
}

void Watches::Stop() {
  for (const Watch& watch : watches_) watch.reflector->Stop();
}

void Watches::Relist(Kind kind) {
  for (const Watch& watch : watches_) {
    if (watch.stream.kind == kind) watch.reflector->Relist();
  }
}

}  // namespace controller
