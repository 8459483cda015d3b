#include "kube/elector.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

namespace kube {

std::string WriteLease(const std::string& ns, const std::string& name, const LeaseRecord& r) {
  base::JsonWriter json;
  json.BeginObject();
  json.Field("apiVersion", "coordination.k8s.io/v1");
  json.Field("kind", "Lease");
  json.Key("metadata");
  json.BeginObject();
  json.Field("name", name);
  json.Field("namespace", ns);
  json.OptionalField("resourceVersion", r.version);
  json.EndObject();
  json.Key("spec");
  json.BeginObject();
  json.Field("holderIdentity", r.holder);
  json.Field("leaseDurationSeconds", r.duration_seconds);
  json.Field("acquireTime", base::FormatMicroTime(r.acquired));
  json.Field("renewTime", base::FormatMicroTime(r.renewed));
  json.Field("leaseTransitions", r.transitions);
  json.EndObject();
  json.EndObject();
  return std::move(json).Take();
}

base::Result<LeaseRecord> ReadLease(const std::string& body) {
  base::JsonDocument document;
  const auto root = document.Parse(body);
  if (!root) return root.error();
  const base::JsonValue spec = (*root)["spec"];
  LeaseRecord r;
  r.holder = spec["holderIdentity"].String();
  r.duration_seconds = int(spec["leaseDurationSeconds"].Int().value_or(0));
  r.acquired = base::ParseRfc3339(spec["acquireTime"].String()).value_or(base::Wall{});
  r.renewed = base::ParseRfc3339(spec["renewTime"].String()).value_or(base::Wall{});
  r.transitions = int(spec["leaseTransitions"].Int().value_or(0));
  r.version = (*root)["metadata"]["resourceVersion"].String();
  return r;
}

Elector::Elector(std::shared_ptr<const Client> client, std::string ns, std::string name,
                 std::string identity, OnLead on_lead)
    : client_(std::move(client)),
      ns_(std::move(ns)),
      name_(std::move(name)),
      on_lead_(std::move(on_lead)),
      protocol_(std::move(identity), LeaseTimings{}),
      random_(base::RandomSeed()) {}

Path Elector::LeasePath(bool with_name) const {
  return {"coordination.k8s.io/v1", ns_, "leases", with_name ? name_ : "", ""};
}

void Elector::Start() {
  http::RunAfter(base::Millis{0}, [self = shared_from_this()] { self->Ask(); });
}

void Elector::Ask() {
  if (stopped_) return;
  const base::Now now = base::ReadClock();
  if (led_ && !protocol_.Leads(now.mono)) {
    led_ = false;
    on_lead_(base::Mono{});
  }
  const LeaseProtocol::Ask ask = protocol_.Next(now);
  if (ask.at > now.mono) {
    http::RunAfter(ask.at - now.mono, [self = shared_from_this()] { self->Ask(); });
    return;
  }
  Send(ask);
}

void Elector::Send(const LeaseProtocol::Ask& ask) {
  const auto done = [self = shared_from_this(), kind = ask.kind](base::Result<Reply> reply,
                                                                 base::Mono sent) {
    self->OnAnswer(kind, std::move(reply), sent);
  };
  switch (ask.kind) {
    case LeaseProtocol::Kind::kGet:
      return client_->Get(LeasePath(true), done);
    case LeaseProtocol::Kind::kCreate:
      return client_->Create(LeasePath(false), WriteLease(ns_, name_, ask.record), done);
    case LeaseProtocol::Kind::kUpdate:
      return client_->Put(LeasePath(true), WriteLease(ns_, name_, ask.record), done);
  }
}

void Elector::OnAnswer(LeaseProtocol::Kind kind, base::Result<Reply> reply, base::Mono sent) {
  const base::Now now = base::ReadClock();
  const bool get = kind == LeaseProtocol::Kind::kGet;
  auto record = reply ? ReadLease(reply->body) : base::Result<LeaseRecord>(reply.error());
  if (record) {
    get ? protocol_.OnRead(*record, now) : protocol_.OnWritten(*record, sent);
    last_error_.clear();
    if (!get) Tell();
  } else if (get && record.error().code == base::Code::kNotFound) {
    protocol_.OnRead(std::nullopt, now);
  } else {
    protocol_.OnFailed(now);
    const std::string& message = record.error().message;
    if (message != last_error_ && record.error().code != base::Code::kAborted) {
      base::LogWarning("Lease request failed; trying again",
                       {{"lease", ns_ + "/" + name_}, {"error", message}});
    }
    last_error_ = message;
  }
  Ask();
}

void Elector::Tell() {
  const base::Mono now = base::MonoNow();
  if (protocol_.Leads(now)) {
    led_ = true;
    on_lead_(protocol_.leads_until());
  }
}

void Elector::Release(std::function<void()> done) {
  http::RunAfter(base::Millis{0}, [self = shared_from_this(), done] {
    self->stopped_ = true;
    const base::Now now = base::ReadClock();
    if (!self->protocol_.Leads(now.mono)) return done();
    const std::string body = WriteLease(self->ns_, self->name_, self->protocol_.Released(now));
    self->client_->Put(self->LeasePath(true), body,
                       [done](base::Result<Reply>, base::Mono) { done(); });
  });
}

}  // namespace kube
