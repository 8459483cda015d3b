#include "app/operator.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>

#include "base/clock.h"
#include "base/random.h"
#include "controller/loop.h"
#include "controller/watches.h"
#include "http/server.h"
#include "kube/elector.h"

namespace app {
namespace {

constexpr const char* kLeaseName = "cvm-retirement-operator";
constexpr size_t kFullInbox = 4096;
constexpr base::Millis kStopPatience{40'000};
constexpr base::Millis kLiveRound{30'000};
constexpr base::Millis kReleasePatience{3'000};

std::optional<std::string> Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::string OwnNamespace(const Config& config, const kube::Connection& connection) {
  if (!config.ns.empty()) return config.ns;
  if (const auto pod = Environment("POD_NAMESPACE"); pod && !pod->empty()) return *pod;
  const bool in_pod = connection.origin == "the pod's service account";
  return in_pod && !connection.ns.empty() ? connection.ns : "cvm-retirement-system";
}

std::string Identity() {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return std::string(host) + "_" + base::RandomHex32().substr(0, 16);
}

std::string UserAgent() {
  return std::string("cvm-retirement-operator/") + Version() + " (linux) " + Revision();
}

/// What the whole process shares with its signal handler thread.
struct Shared {
  std::atomic<bool> stop_asked{false};
  std::atomic<bool> lease_lost{false};
  std::atomic<bool> leading{false};
};

/// SIGTERM and SIGINT stop the operator cleanly; a second one ends it at once.
class Signals {
 public:
  explicit Signals(std::function<void()> on_stop) {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::thread([set = set_, on_stop = std::move(on_stop)] {
      int signal = 0;
      sigwait(&set, &signal);
      base::LogInfo("Stopping", {{"signal", signal}});
      on_stop();
      sigwait(&set, &signal);
      _exit(kRuntimeFailure);
    }).detach();
  }

 private:
  sigset_t set_{};
};

http::ServerResponse Text(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

http::Server::Handler HealthHandler(const controller::Loop& loop, const Shared& shared) {
  return [&loop, &shared](const http::ServerRequest& request) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    if (path == "/livez" || path == "/healthz") {
      const bool alive = base::MonoNow() - loop.last_round() < kLiveRound;
      return alive ? Text(200, "ok\n") : Text(500, "the engine has not moved for 30s\n");
    }
    if (path != "/readyz") return Text(404, "known are /livez and /readyz\n");
    const bool ready = !shared.leading || loop.synced();
    return ready ? Text(200, "ok\n") : Text(503, "the lists of the cluster are not complete\n");
  };
}

http::Server::Handler MetricsHandler(const controller::Metrics& metrics) {
  return [&metrics](const http::ServerRequest& request) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    if (path != "/metrics") return Text(404, "known is /metrics\n");
    return http::ServerResponse{
        200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, metrics.Serialize()};
  };
}

int Fail(const char* what, const base::Error& error, int code) {
  base::LogError(what, {{"error", error.message}});
  return code;
}

/// The parts, in the order in which they depend on each other.
class Parts {
 public:
  Parts(const Config& config, kube::Connection connection, std::string identity)
      : config_(config),
        ns_(OwnNamespace(config, connection)),
        identity_(std::move(identity)),
        connection_(std::move(connection)),
        metrics_(Version(), Revision()),
        inbox_(kFullInbox) {}

  base::Status Build() {
    auto kube_transport = http::MakeTransport(connection_.tls);
    if (!kube_transport) return kube_transport.error();
    auto lease_transport = http::MakeTransport(connection_.tls);
    if (!lease_transport) return lease_transport.error();
    auto cloud_transport = http::MakeTransport({});
    if (!cloud_transport) return cloud_transport.error();
    const auto observer = [this](const kube::RequestSeenByMetrics& r) {
      metrics_.OnKubeRequest(r);
    };
    client_ = std::make_shared<kube::Client>(connection_, *kube_transport, UserAgent(), observer);
    // The lease has a connection of its own, so that no large list holds it up.
    lease_client_ =
        std::make_shared<kube::Client>(connection_, *lease_transport, UserAgent(), observer);
    kube_ = std::make_shared<controller::KubeExecutor>(client_, inbox_, identity_);
    cloud_ = std::make_shared<controller::CloudExecutor>(
        *cloud_transport, client_, inbox_, metrics_,
        controller::CloudExecutor::Setup{ns_, std::string("cvm-retirement-operator/") + Version(),
                                         Environment});
    watches_ = std::make_unique<controller::Watches>(
        client_, inbox_, metrics_,
        translate::EndpointPolicy{config_.allowed_endpoints, config_.allow_plain_http},
        config_.watch_namespaces);
    loop_ = std::make_unique<controller::Loop>(
        retirement::Config{{config_.batch_idle, config_.batch_max},
                           config_.batch_retention,
                           ns_,
                           identity_,
                           config_.watch_namespaces.empty() ? std::vector<std::string>{""}
                                                            : config_.watch_namespaces},
        controller::Loop::Parts{inbox_, kube_, cloud_, metrics_,
                                [this](retirement::Kind kind) { watches_->Relist(kind); }});
    return base::Ok();
  }

  base::Status Listen() {
    auto health = http::Server::Start(config_.health_address, {}, HealthHandler(*loop_, shared_));
    if (!health) return health.error();
    health_ = std::move(*health);
    if (config_.metrics_address == "0") return base::Ok();
    auto metrics = http::Server::Start(config_.metrics_address, {}, MetricsHandler(metrics_));
    if (!metrics) return metrics.error();
    metrics_server_ = std::move(*metrics);
    return base::Ok();
  }

  void Elect() {
    if (!config_.leader_elect) return OnLead(base::kNever);
    base::LogInfo("Waiting for the lease", {{"lease", ns_ + "/" + kLeaseName}});
    elector_ = std::make_shared<kube::Elector>(lease_client_, ns_, kLeaseName, identity_,
                                               [this](base::Mono until) { OnLead(until); });
    elector_->Start();
  }

  /// Runs to the end; an exit code.
  int Run() {
    base::Mono stop_before = base::kNever;
    loop_->Run([this, &stop_before](bool quiescent) {
      if (shared_.lease_lost) return true;
      if (!shared_.stop_asked) return false;
      if (stop_before == base::kNever) stop_before = base::MonoNow() + kStopPatience;
      return quiescent || base::MonoNow() >= stop_before;
    });
    if (shared_.lease_lost) {
      base::LogError("Lost the lease; another process may act now");
      return kRuntimeFailure;
    }
    Release();
    return kCleanStop;
  }

  void AskToStop() {
    shared_.stop_asked = true;
    inbox_.Push(retirement::Stop{});
  }

 private:
  void OnLead(base::Mono until) {
    if (until == base::Mono{}) {
      shared_.lease_lost = true;
      return inbox_.Wake();
    }
    inbox_.Push(retirement::Lead{until});
    if (shared_.leading.exchange(true)) return;
    base::LogInfo("Leading", {{"identity", identity_}});
    watches_->Start();
  }

  /// The lease is given up last, when nothing acts any more.
  void Release() {
    watches_->Stop();
    if (!elector_) return;
    auto released = std::make_shared<std::promise<void>>();
    elector_->Release([released] { released->set_value(); });
    released->get_future().wait_for(kReleasePatience);
  }

  const Config& config_;
  const std::string ns_;
  const std::string identity_;
  const kube::Connection connection_;
  controller::Metrics metrics_;
  controller::Inbox inbox_;
  Shared shared_;
  std::shared_ptr<kube::Client> client_;
  std::shared_ptr<kube::Client> lease_client_;
  std::shared_ptr<controller::KubeExecutor> kube_;
  std::shared_ptr<controller::CloudExecutor> cloud_;
  std::unique_ptr<controller::Watches> watches_;
  std::unique_ptr<controller::Loop> loop_;
  std::unique_ptr<http::Server> health_;
  std::unique_ptr<http::Server> metrics_server_;
  std::shared_ptr<kube::Elector> elector_;
};

}  // namespace

int RunOperator(const Config& config) {
  auto connection = kube::FindConnection(config.kubeconfig, Environment);
  if (!connection) {
    return Fail("No cluster to talk to", connection.error(), kBadConfiguration);
  }
  base::LogInfo(
      "Starting",
      {{"version", Version()}, {"cluster", connection->server}, {"from", connection->origin}});
  if (config.allow_plain_http) {
    base::LogWarning("--allow-plain-http is set: credentials may cross the network unencrypted");
  }
  // Never destroyed: threads of the HTTP library may still use it when the process ends.
  auto* parts = new Parts(config, *connection, Identity());
  const Signals signals([parts] { parts->AskToStop(); });
  if (const auto built = parts->Build(); !built) {
    return Fail("The cluster's TLS settings cannot be used", built.error(), kBadConfiguration);
  }
  if (const auto listening = parts->Listen(); !listening) {
    return Fail("Cannot listen", listening.error(), kRuntimeFailure);
  }
  parts->Elect();
  return parts->Run();
}

const char* Version() { return CVM_VERSION; }
const char* Revision() { return CVM_REVISION; }

}  // namespace app
