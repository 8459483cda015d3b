#include "controller/cloud_executor.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "translate/cloud.h"

namespace controller {
namespace {

using namespace retirement;

std::vector<std::string> Texts(const std::vector<InstanceId>& ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const InstanceId id : ids) texts.push_back(id.ToString());
  return texts;
}

double Since(Mono start) { return double((base::MonoNow() - start).count()) / 1000; }

std::string CodeLabel(const cvm::Refusal& refusal) {
  return refusal.code.empty() ? "NoAnswer" : refusal.code;
}

/// data.<key> of a Secret, decoded; "" when it is not there.
std::string SecretField(base::JsonValue data, const std::string& key) {
  auto decoded = base::DecodeBase64(data[key].String());
  return decoded ? *decoded : std::string();
}

base::Result<cvm::Credentials> FromSecret(const AccountSpec& spec, const std::string& ns,
                                          const base::Result<kube::Reply>& reply) {
  const std::string where = "Secret \"" + spec.secret_name + "\" in namespace \"" + ns + "\"";
  if (!reply) return WithContext(reply.error(), "cannot read " + where);
  base::JsonDocument json;
  const auto root = json.Parse(reply->body);
  if (!root) return WithContext(root.error(), where);
  const base::JsonValue data = (*root)["data"];
  auto credentials = cvm::MakeCredentials(SecretField(data, spec.secret_id_key),
                                          SecretField(data, spec.secret_key_key),
                                          SecretField(data, spec.token_key));
  if (!credentials) return WithContext(credentials.error(), where);
  return credentials;
}

base::Result<cvm::Credentials> FromEnvironment(const kube::Environment& environment) {
  auto credentials = cvm::MakeCredentials(environment("TENCENTCLOUD_SECRET_ID").value_or(""),
                                          environment("TENCENTCLOUD_SECRET_KEY").value_or(""),
                                          environment("TENCENTCLOUD_TOKEN").value_or(""));
  if (!credentials) {
    return WithContext(credentials.error(),
                       "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY of the operator");
  }
  return credentials;
}

}  // namespace

CloudExecutor::CloudExecutor(std::shared_ptr<http::Transport> transport,
                             std::shared_ptr<const kube::Client> kube, Inbox& inbox,
                             Metrics& metrics, Setup setup)
    : client_(std::move(transport)),
      kube_(std::move(kube)),
      inbox_(inbox),
      metrics_(metrics),
      setup_(std::move(setup)),
      random_(base::RandomSeed()) {}

CloudExecutor::Known CloudExecutor::KnownOf(const std::string& account) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(account);
  return found == known_.end() ? Known{} : found->second;
}

uint32_t CloudExecutor::Nonce() {
  const std::lock_guard lock(mutex_);
  return uint32_t(1 + random_.Below(0x7ffffffe));
}

cvm::Form CloudExecutor::FormOf(const Lane& lane, const CallOptions& options) const {
  return {options.endpoint, lane.region, options.use_get,
          cvm::ParseSignature(options.signature).value_or(cvm::Signature::kTc3),
          setup_.client_name};
}

void CloudExecutor::Do(const Observe& action) {
  const Known known = KnownOf(action.lane.account);
  const Mono start = base::MonoNow();
  client_.Describe(
      FormOf(action.lane, action.options), known.credentials, {base::ReadClock().wall, Nonce()},
      Texts(action.ids),
      [self = shared_from_this(), action, hash = known.hash, start](cvm::DescribeOutcome outcome) {
        const auto* refusal = std::get_if<cvm::Refusal>(&outcome.answer);
        self->metrics_.OnApiCall(action.lane, "DescribeInstances",
                                 refusal ? CodeLabel(*refusal) : "OK", Since(start));
        if (refusal && refusal->error_class == cvm::ErrorClass::kThrottled) {
          self->metrics_.OnThrottled(action.lane, "DescribeInstances");
        } else if (refusal) {
          base::LogWarning("DescribeInstances failed", {{"account", action.lane.account},
                                                        {"region", action.lane.region},
                                                        {"code", refusal->code},
                                                        {"error", refusal->message}});
        }
        self->inbox_.Push(translate::ReadObserved(action, hash, outcome));
      });
}

void CloudExecutor::Do(const Call& action) {
  const Known known = KnownOf(action.lane.account);
  if (known.hash != action.credential) {
    Answered event{action.lane, action.sequence, Answered::Outcome::kNotSent, "", {}, false, {}};
    event.refusal.message = "the credentials have changed";
    return inbox_.Push(event);
  }
  const std::string batch = BatchName(action.lane, action.sequence);
  const Mono start = base::MonoNow();
  base::LogInfo("Calling TerminateInstances", {{"batch", batch}, {"instances", action.ids.size()}});
  client_.Terminate(
      FormOf(action.lane, action.options), known.credentials, {action.signed_at, Nonce()},
      {Texts(action.ids), action.release_address, action.release_disks, action.dry_run},
      action.send_before,
      [self = shared_from_this(), action, batch, start](cvm::TerminateOutcome outcome) {
        const bool accepted = outcome.kind == cvm::TerminateOutcome::Kind::kAccepted;
        self->metrics_.OnApiCall(action.lane, "TerminateInstances",
                                 accepted ? "OK" : CodeLabel(outcome.refusal), Since(start));
        if (outcome.refusal.error_class == cvm::ErrorClass::kThrottled) {
          self->metrics_.OnThrottled(action.lane, "TerminateInstances");
        }
        accepted ? base::LogInfo("TerminateInstances accepted",
                                 {{"batch", batch}, {"requestId", outcome.request_id}})
                 : base::LogWarning("TerminateInstances not accepted",
                                    {{"batch", batch},
                                     {"requestId", outcome.request_id},
                                     {"code", outcome.refusal.code},
                                     {"error", outcome.refusal.message}});
        self->inbox_.Push(translate::ReadAnswered(action, outcome));
      });
}

void CloudExecutor::Store(const ReadCredentials& action,
                          base::Result<cvm::Credentials> credentials) {
  CredentialsChanged event{action.account, "", "", action.spec.secret_name, ""};
  {
    const std::lock_guard lock(mutex_);
    Known& known = known_[action.account];
    known = {};
    known.secret_name = action.spec.secret_name;
    if (credentials) {
      const std::string salt = "cvm-retirement.dev/" + action.account;
      known.hash = cvm::CredentialHash(salt, *credentials);
      event.revision = cvm::CredentialRevision(salt, *credentials);
      known.credentials = *std::move(credentials);
    } else {
      event.error = credentials.error().message;
    }
    event.credential = known.hash;
  }
  inbox_.Push(event);
}

/// S11: said once for each account and endpoint.
void CloudExecutor::TellPlainHttp(const std::string& account, const std::string& endpoint) {
  if (!endpoint.starts_with("http://")) return;
  const std::lock_guard lock(mutex_);
  if (!told_.insert(account + " " + endpoint).second) return;
  base::LogWarning("This account speaks plain http: nothing on the way is encrypted or verified",
                   {{"account", account}, {"endpoint", endpoint}});
}

void CloudExecutor::Do(const ReadCredentials& action) {
  TellPlainHttp(action.account, action.spec.endpoint);
  if (action.spec.secret_name.empty()) return Store(action, FromEnvironment(setup_.environment));
  const kube::Path path{"v1", setup_.ns, "secrets", action.spec.secret_name, ""};
  kube_->Get(path, [self = shared_from_this(), action](base::Result<kube::Reply> reply, Mono) {
    // While the API server does not answer, what we have from the same Secret stays good.
    const bool no_answer = !reply && reply.error().code != base::Code::kNotFound &&
                           reply.error().code != base::Code::kPermissionDenied;
    const Known known = self->KnownOf(action.account);
    if (no_answer && !known.hash.empty() && known.secret_name == action.spec.secret_name) return;
    self->Store(action, FromSecret(action.spec, self->setup_.ns, reply));
  });
}

}  // namespace controller
