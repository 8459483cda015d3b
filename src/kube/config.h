// How to reach a cluster: from a kubeconfig, or from inside a pod.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/time.h"
#include "http/transport.h"

namespace kube {

/// A bearer token that never changes, or one in a file that the kubelet rotates. Thread-safe.
class TokenSource {
 public:
  TokenSource() = default;
  static std::shared_ptr<TokenSource> Fixed(base::Secret token);
  static std::shared_ptr<TokenSource> File(std::string path);

  /// The token; a file is read again when what we have is older than 50 s, and the old one is
  /// kept while it cannot be read. Empty when there is none.
  base::Secret Get();
  /// The server refused it: read it again next time.
  void Expire();

 private:
  std::mutex mutex_;
  std::string path_;
  base::Secret token_;
  base::Mono read_at_{};
};

struct Connection {
  std::string server{};  // https://host[:port][/prefix]
  http::Tls tls{};
  std::shared_ptr<TokenSource> token{};
  std::string ns{};      // of the context, or of the pod; may be empty
  std::string origin{};  // where this came from, for messages
};

/// Reads a kubeconfig text: current-context, clusters, contexts, users with client certificates,
/// token and tokenFile. Other ways to log in (exec, auth-provider, basic, proxies, impersonation)
/// are refused with a message that names them. Paths are relative to `directory`.
base::Result<Connection> ParseKubeconfig(const std::string& text, const std::string& file,
                                         const std::string& directory);

using Environment = std::function<std::optional<std::string>(const std::string&)>;
/// --kubeconfig, else $KUBECONFIG, else the pod's service account.
base::Result<Connection> FindConnection(const std::string& kubeconfig_flag,
                                        const Environment& environment);

}  // namespace kube
