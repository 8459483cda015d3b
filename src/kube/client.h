// Client: requests to the kube-apiserver. Its Status errors become base::Error.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/transport.h"
#include "kube/config.h"

namespace kube {

/// The path of an object or a collection:
/// /apis/<group>/<version>[/namespaces/<ns>]/<plural>[/<name>][/status].
struct Path {
  std::string group_version{};  // "cvm-retirement.dev/v1alpha1", or "v1" for the core group
  std::string ns{};
  std::string plural{};
  std::string name{};
  std::string subresource{};
  std::string ToString() const;
};

/// The body of a successful answer, and when it was asked for.
struct Reply {
  std::string body{};
  base::Mono sent{};
};
using OnReply = std::function<void(base::Result<Reply>, base::Mono sent)>;

struct RequestSeenByMetrics {
  std::string verb{};
  std::string plural{};
  int code = 0;  // 0: no answer
};

/// Thread-safe; callbacks run on the transport's thread.
class Client {
 public:
  using Observer = std::function<void(const RequestSeenByMetrics&)>;
  Client(Connection connection, std::shared_ptr<http::Transport> transport, std::string user_agent,
         Observer observer = {});

  void Get(const Path& path, OnReply done) const;
  /// Only the metadata; a quorum read.
  void GetMetadata(const Path& path, OnReply done) const;
  void Create(const Path& path, std::string body, OnReply done) const;
  void Put(const Path& path, std::string body, OnReply done) const;
  void MergePatch(const Path& path, std::string body, OnReply done) const;
  void Delete(const Path& path, OnReply done) const;

  /// A list (with query) or a watch stream; `request` carries query, deadline, idle.
  struct StreamRequest {
    Path path{};
    std::string query{};
    base::Millis deadline{0};
    base::Millis idle{0};
  };
  std::shared_ptr<http::Call> Stream(const StreamRequest& request, http::Handlers handlers) const;

  const Connection& connection() const { return connection_; }

 private:
  http::Request Make(const std::string& method, const Path& path) const;
  void Send(const std::string& verb, const Path& path, http::Request request, OnReply done) const;

  Connection connection_;
  std::shared_ptr<http::Transport> transport_;
  std::string user_agent_;
  Observer observer_;
};

/// What an answer that is not 2xx means (kubernetes-runtime, Status.reason). Bodies that are no
/// Status, as load balancers send them, are understood by their code.
base::Error ErrorOf(const http::Response& response);

}  // namespace kube
