// CloudExecutor: runs the engine's calls to the cloud and keeps the credentials of the accounts.

#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/random.h"
#include "controller/inbox.h"
#include "controller/metrics.h"
#include "cvm/client.h"
#include "kube/client.h"
#include "kube/config.h"
#include "retirement/action.h"

namespace controller {

/// Thread-safe. Each action comes back through the inbox as its event.
class CloudExecutor : public std::enable_shared_from_this<CloudExecutor> {
 public:
  struct Setup {
    std::string ns{};           // where Secrets are
    std::string client_name{};  // RequestClient
    kube::Environment environment{};
  };
  CloudExecutor(std::shared_ptr<http::Transport> transport,
                std::shared_ptr<const kube::Client> kube, Inbox& inbox, Metrics& metrics,
                Setup setup);

  void Do(const retirement::Observe& action);
  void Do(const retirement::Call& action);
  void Do(const retirement::ReadCredentials& action);

 private:
  struct Known {
    cvm::Credentials credentials{};
    std::string hash{};
    std::string secret_name{};
  };
  Known KnownOf(const std::string& account);
  void TellPlainHttp(const std::string& account, const std::string& endpoint);
  void Store(const retirement::ReadCredentials& action, base::Result<cvm::Credentials> credentials);
  cvm::Form FormOf(const retirement::Lane& lane, const retirement::CallOptions& options) const;
  uint32_t Nonce();

  cvm::Client client_;
  std::shared_ptr<const kube::Client> kube_;
  Inbox& inbox_;
  Metrics& metrics_;
  const Setup setup_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;
  std::set<std::string> told_;  // accounts and endpoints whose plain http was spoken of
  base::Random random_;
};

}  // namespace controller
